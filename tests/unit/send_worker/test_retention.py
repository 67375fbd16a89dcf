"""Retention: what ended long ago goes, in an order that any crash leaves for the next run to finish."""

from datetime import timedelta

import pytest

from send_worker.retention import Retention
from shared.errors import Fault, RowConflict, StorageUnavailable
from shared.storage import names
from shared.storage.poison import PoisonMessage
from shared.storage.rejections import UNKNOWN_TENANT, Rejection, RejectionSource
from tests.twins.accepting import TENANT, House, a_request, rows_of, user
from tests.twins.storage import Call, Moment

DAY = 86_400.0
KEEP = timedelta(days=90)


def a_retention(house: House, keep: timedelta | None = KEEP) -> Retention:
    return Retention(
        broadcasts=house.broadcasts,
        directory=house.directory,
        rejections=house.rejections,
        poison=house.poison,
        clock=house.account.clock,
        tenants=[TENANT],
        keep=keep,
    )


async def ended(house: House, *, key: str, days_ago: float, people: int = 3) -> str:
    """A broadcast that was accepted and ended so many days ago."""
    now = house.now
    house.now = now - days_ago * DAY
    audience = {"users": [user(number) for number in range(people)]}
    broadcast_id = (await house.acceptance.accept(a_request(key=key, audience=audience))).broadcast_id
    await house.broadcasts.changes.finish(broadcast_id, at=house.now, sums=f"S{people}", revised_sums="", revision=0)
    await house.directory.close(broadcast_id)
    house.now = now
    return broadcast_id


def keys_of(house: House) -> list[str]:
    """The rows of the tenant in the directory."""
    return list(house.account.table(names.DIRECTORY).rows(TENANT))


async def test_a_broadcast_that_ended_long_ago_leaves_nothing() -> None:
    house = House()
    old = await ended(house, key="old", days_ago=91)
    young = await ended(house, key="young", days_ago=89)

    await a_retention(house).run()

    assert house.rows(old) == {}
    assert house.heads == [young]
    assert await house.listed() == [young]
    assert len(keys_of(house)) == 2


async def test_nothing_is_removed_without_a_limit() -> None:
    house = House()
    old = await ended(house, key="old", days_ago=5_000)

    await a_retention(house, None).run()

    assert house.heads == [old]


async def test_a_key_may_be_used_anew_once_its_broadcast_is_removed() -> None:
    house = House()
    old = await ended(house, key="again", days_ago=91)

    await a_retention(house).run()
    new = (await house.acceptance.accept(a_request(key="again"))).broadcast_id
    house.now += 91 * DAY
    await a_retention(house).run()

    assert old != new
    # It was never sent, so it has not ended.
    assert house.heads == [new]


async def test_what_has_not_ended_stays_however_old_it_is() -> None:
    house = House()
    running = (await house.acceptance.accept(a_request(key="running"))).broadcast_id
    house.now += 200 * DAY

    await a_retention(house).run()

    assert house.heads == [running]
    assert await house.listed() == [running]


async def test_what_the_sweep_still_looks_after_stays() -> None:
    house = House()
    old = await ended(house, key="old", days_ago=91)
    await house.directory.open(old, tenant=TENANT, opened_at=house.now)

    await a_retention(house).run()

    assert house.heads == [old]


async def test_time_counts_from_the_end_not_from_the_acceptance() -> None:
    house = House()
    old = await ended(house, key="old", days_ago=91)
    await house.broadcasts.changes.finish(old, at=house.now - DAY, sums="S3", revised_sums="", revision=0)

    await a_retention(house).run()

    assert house.heads == [old]


async def test_what_a_broken_off_acceptance_left_goes_too() -> None:
    house = House()
    old = await ended(house, key="old", days_ago=91)
    while await house.broadcasts.remove_rows(old):
        pass

    await a_retention(house).run()

    assert keys_of(house) == []


async def test_a_key_that_stands_for_another_broadcast_by_now_stays() -> None:
    house = House()
    await ended(house, key="again", days_ago=91)
    entry = (await house.directory.page(TENANT, limit=1)).entries[0]
    await house.directory.forget_key(TENANT, entry)
    new = await ended(house, key="again", days_ago=1)

    await a_retention(house).run()

    found = await house.directory.find_key(TENANT, "again")
    assert found is not None
    assert found.broadcast_id == new


async def test_large_broadcasts_are_removed_by_transactions_the_head_last() -> None:
    house = House()
    old = await ended(house, key="old", days_ago=91)
    held = await house.broadcasts.cursor(old)
    for first in range(1, 301, 20):
        batches = [tuple(await house.lookup.recipients(TENANT, [f"user!{user(n)}"])) for n in range(first, first + 20)]
        etag = (await house.broadcasts.cursor(old)).etag
        await house.broadcasts.step(old, held.cursor, etag=etag, rows=rows_of(batches, first=first))
    removed: list[list[str]] = []

    async def hook(call: Call) -> None:
        if call.moment is Moment.BEFORE and call.verb == "write" and call.store == names.BROADCASTS:
            removed.append([operation.key for operation in call.operations])

    house.account.use_hook(hook)
    await a_retention(house).run()

    assert house.rows(old) == {}
    assert [len(keys) for keys in removed[:3]] == [100, 100, 100]
    assert removed[-1] == ["head"]


async def test_a_younger_broadcast_is_not_even_read() -> None:
    house = House()
    for number in range(5):
        await ended(house, key=f"{number}", days_ago=1)
    reads: list[str] = []

    async def hook(call: Call) -> None:
        if call.moment is Moment.BEFORE and call.store == names.BROADCASTS:
            reads.append(call.verb)

    house.account.use_hook(hook)
    await a_retention(house).run()

    assert reads == []


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("error", [StorageUnavailable("gone"), RowConflict("echo")], ids=["unavailable", "conflict"])
async def test_a_run_that_breaks_off_at_any_call_is_finished_by_the_next(moment: Moment, error: Exception) -> None:
    breaks, breaking = 0, _BreakingOff(error, moment, at=0)
    while breaks <= breaking.calls:
        house = House()
        old = await ended(house, key="old", days_ago=91, people=100)
        breaks += 1
        breaking = _BreakingOff(error, moment, at=breaks)
        house.account.use_hook(breaking)
        await a_retention(house).run()
        house.account.use_hook(_healthy)
        assert_findable(house, old)
        await a_retention(house).run()

        assert house.rows(old) == {}
        assert keys_of(house) == []


async def test_rejections_and_poison_of_that_time_go_too() -> None:
    house = House()
    for tenant in (TENANT, UNKNOWN_TENANT):
        for number, days in enumerate([91, 200, 1]):
            rejection = Rejection(
                tenant=tenant,
                at=house.now - days * DAY,
                source=RejectionSource.QUEUE,
                faults=(Fault(pointer="", detail="wrong"),),
                body=b"{}",
                body_bytes=2,
                message_id=f"m{number}",
            )
            await house.rejections.record(rejection)
    for queue in ("sends", "plans", "broadcasts", "installs", "digest-items"):
        for number in range(60):
            message = PoisonMessage(
                queue=queue, at=house.now - 91 * DAY, message_id=f"{number}", why="a bug", body=b"{}"
            )
            await house.poison.keep(message)
        await house.poison.keep(PoisonMessage(queue=queue, at=house.now, message_id="x", why="a bug", body=b"{}"))

    await a_retention(house).run()

    left, _ = await house.poison.page(["sends", "plans", "broadcasts", "installs", "digest-items"], limit=100)
    assert [one.message_id for one in left] == ["x"] * 5
    page = await house.rejections.page([TENANT, UNKNOWN_TENANT], limit=10)
    assert [one.message_id for one in page.rejections] == ["m2", "m2"]


async def test_a_run_ends_after_its_time_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    old = [await ended(house, key=f"{number}", days_ago=91 + number) for number in range(3)]
    monkeypatch.setattr("send_worker.retention.BUDGET_SECONDS", 0.0)

    await a_retention(house).run()

    assert house.heads == sorted(old)
    monkeypatch.undo()
    await a_retention(house).run()
    assert house.heads == []


def assert_findable(house: House, broadcast_id: str) -> None:
    """Whatever is left of a broadcast is on the tenant's list, and its head stands until all else is gone."""
    rows = house.rows(broadcast_id)
    if rows:
        assert "head" in rows
        assert any(key.endswith(broadcast_id) for key in keys_of(house))


class _BreakingOff:
    """Fails one call, counted from 1."""

    def __init__(self, error: Exception, moment: Moment, *, at: int) -> None:
        self._error = error
        self._moment = moment
        self._at = at
        self.calls = 0

    async def __call__(self, call: Call) -> None:
        if call.moment is not self._moment:
            return
        self.calls += 1
        # Storage answers a write alone with a conflict.
        if self.calls == self._at and (isinstance(self._error, StorageUnavailable) or call.verb == "write"):
            raise self._error


async def _healthy(_call: Call) -> None:
    return
