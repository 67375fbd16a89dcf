"""The sums of a large broadcast while it runs: stored once a minute, and told with their time."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from messages.answers import Links
from send_worker.counting import COUNT_SECONDS, Counting
from shared.domain import reports
from shared.domain.batches import Progress
from shared.domain.cursors import Cursor, Phase
from shared.domain.outcomes import State
from tests.twins.accepting import TENANT, House, a_request, rows_of, user
from tests.twins.loop import run_virtually
from tests.twins.storage import Call, Moment
from tests.twins.world import EPOCH, World

LINKS = Links("https://herald.test/api/broadcasts")


@pytest.fixture(autouse=True)
def _three_rows_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("send_worker.counting", "messages.reports"):
        monkeypatch.setattr(f"{place}.LIVE_BATCHES", 2)


async def running(house: House, *, batches: int = 3) -> str:
    """A planned broadcast with so many batches of two."""
    request = a_request(audience={"everyone": "installed"})
    broadcast_id = (await house.acceptance.accept(request)).broadcast_id
    held = await house.broadcasts.cursor(broadcast_id)
    rows = [
        tuple(await house.lookup.recipients(TENANT, [f"user!{user(2 * n)}", f"user!{user(2 * n + 1)}"]))
        for n in range(batches)
    ]
    cursor = Cursor(phase=Phase.FINISHED, batches=batches, recipients=2 * batches)
    await house.broadcasts.step(broadcast_id, cursor, etag=held.etag, rows=rows_of(rows))
    return broadcast_id


async def settle(house: House, broadcast_id: str, number: int, outcomes: str) -> None:
    batch = await house.broadcasts.batch(broadcast_id, number)
    assert batch is not None
    await house.broadcasts.write_batch(
        broadcast_id, batch, Progress(outcomes=outcomes), writer="w", writes=1, settle=True
    )


async def count(house: House, broadcast_id: str) -> None:
    cursor = (await house.broadcasts.cursor(broadcast_id)).cursor
    await Counting(house.broadcasts, house.account.clock).count_if_due(
        await house.broadcasts.head(broadcast_id), cursor
    )


async def report(house: House, broadcast_id: str) -> dict[str, Any]:
    found = await house.reports.broadcast(broadcast_id, LINKS)
    assert sum(found["counts"].values()) == found["total"]
    return found


async def test_stored_sums_are_told_with_their_time_and_no_batch_row_is_read() -> None:
    house = House()
    broadcast_id = await running(house)
    await settle(house, broadcast_id, 0, "S1")
    await count(house, broadcast_id)
    await settle(house, broadcast_id, 1, "SS")
    house.now += 30
    verbs: list[str] = []

    async def hook(call: Call) -> None:
        if call.moment is Moment.BEFORE:
            verbs.append(call.verb)

    house.account.use_hook(hook)
    found = await report(house, broadcast_id)

    assert "scan" not in verbs
    assert found["counted_at"] == "2026-05-28T20:26:40.000Z"
    assert (found["counts"]["sent"], found["counts"]["pending"], found["total"]) == (1, 4, 6)
    assert found["reasons"] == {"blocked_by_user": 1}
    assert found["rate"] > 0
    assert found["estimated_end_at"] is not None


async def test_sums_are_stored_anew_once_they_are_a_minute_old() -> None:
    house = House()
    broadcast_id = await running(house)
    await count(house, broadcast_id)
    await settle(house, broadcast_id, 0, "SS")

    house.now += COUNT_SECONDS - 1
    await count(house, broadcast_id)
    early = (await report(house, broadcast_id))["counts"]["sent"]
    house.now += 1
    await count(house, broadcast_id)
    late = (await report(house, broadcast_id))["counts"]["sent"]

    assert (early, late) == (0, 2)


async def test_sums_of_a_small_broadcast_are_live_and_never_stored() -> None:
    house = House()
    broadcast_id = await running(house, batches=2)
    await count(house, broadcast_id)
    await settle(house, broadcast_id, 0, "SS")
    house.now += 5

    found = await report(house, broadcast_id)

    assert "counts" not in house.rows(broadcast_id)
    assert found["counts"]["sent"] == 2
    assert found["counted_at"] == "2026-05-28T20:26:45.000Z"


async def test_sums_are_live_before_they_were_stored_for_the_first_time() -> None:
    house = House()
    broadcast_id = await running(house)
    await settle(house, broadcast_id, 0, "SS")

    assert (await report(house, broadcast_id))["counts"]["sent"] == 2


async def test_stored_sums_of_a_stopped_broadcast_count_as_it_was_stopped() -> None:
    house = House()
    broadcast_id = await running(house)
    await settle(house, broadcast_id, 0, "Sd")
    await count(house, broadcast_id)
    await house.broadcasts.changes.cancel(broadcast_id, at=house.now)
    house.now += 11

    counts = (await report(house, broadcast_id))["counts"]

    assert (counts["sent"], counts["cancelled"], counts["pending"], counts["deferred"]) == (1, 5, 0, 0)


async def test_sums_of_an_earlier_revision_are_not_told() -> None:
    house = House()
    broadcast_id = await running(house)
    await settle(house, broadcast_id, 0, "SS")
    await count(house, broadcast_id)
    house.now += 1
    await house.broadcasts.changes.revise(await house.broadcasts.head(broadcast_id), content=b"{}", at=house.now)
    await settle(house, broadcast_id, 1, "SS")

    assert (await report(house, broadcast_id))["counts"]["sent"] == 4
    await count(house, broadcast_id)
    await settle(house, broadcast_id, 2, "SS")

    stored = await report(house, broadcast_id)
    assert (stored["counts"]["sent"], stored["revision"]["total"]) == (4, 4)


async def test_a_closed_broadcast_was_counted_at_its_end() -> None:
    house = House()
    broadcast_id = await running(house)
    await count(house, broadcast_id)
    house.now += 20
    await house.broadcasts.changes.finish(broadcast_id, at=house.now, sums="S6", revised_sums="", revision=0)

    found = await report(house, broadcast_id)

    assert (found["counts"]["sent"], found["counted_at"]) == (6, found["finished_at"])


def test_up_to_a_hundred_thousand_people_are_counted_live() -> None:
    assert reports.LIVE_BATCHES == 1_000


def test_a_large_running_broadcast_is_counted_each_minute_by_the_planner_not_by_the_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("send_worker.sweep.LIVE_BATCHES", 2)

    async def run() -> list[tuple[float, int]]:
        world = World(pace=20.0)
        await world.install(range(5_000))
        world.start()
        store = world.app().broadcasts
        broadcast_id = await world.accept(everyone=True)
        seen = list[tuple[float, int]]()
        for _ in range(24):
            await asyncio.sleep(10)
            if (stored := await store.counts.read(broadcast_id)) is not None:
                seen.append((stored.counted_at - EPOCH, stored.states[State.SENT]))
        assert world.states(broadcast_id)[State.SENT] > 4_000
        await world.stop()
        return seen

    seen = run_virtually(run())
    times = sorted({at for at, _ in seen})

    # Planned within the first minute, then asked for by each tick.
    assert 4 <= len(times) <= 6
    assert all(later - earlier >= COUNT_SECONDS for earlier, later in pairwise(times))
    assert [sent for _, sent in seen] == sorted(sent for _, sent in seen)
    assert seen[-1][1] > 3_000
