"""A request becomes exactly one broadcast, whatever breaks off in between."""

import asyncio
from dataclasses import replace
from datetime import datetime
from itertools import count

import pytest

from shared.domain.broadcasts import Priority
from shared.domain.cursors import Cursor, Phase
from shared.domain.lanes import LanePlan
from shared.domain.own_clocks import OwnClock
from shared.envelopes import Nudge, unpack_nudge
from shared.errors import InvalidRequest, KeyReused, RowConflict, StorageUnavailable
from shared.storage import names
from tests.twins.accepting import NOON, TENANT, House, a_request, user
from tests.twins.storage import Call, Hook, Moment, yielding


def breaking_at(number: int, moment: Moment, error: Exception) -> Hook:
    """Fail at the call of this number, then be healthy."""
    calls = count(1)

    async def hook(call: Call) -> None:
        await asyncio.sleep(0)
        if call.moment is moment and next(calls) == number:
            raise error

    return hook


async def test_small_audience_is_planned_in_the_transaction_that_accepts_it() -> None:
    house = House()

    accepted = await house.acceptance.accept(a_request())

    assert accepted.created
    assert list(house.rows(accepted.broadcast_id)) == [
        "batch!00000000",
        "content!0000",
        "cursor",
        "head",
        "lane!0000!00",
    ]
    cursor = (await house.broadcasts.cursor(accepted.broadcast_id)).cursor
    assert cursor == Cursor(phase=Phase.FINISHED, batches=1, recipients=1)
    assert [unpack_nudge(body) for body in house.sends.take()] == [Nudge(broadcast=accepted.broadcast_id, batch=0)]
    assert not house.plans.take()


@pytest.mark.parametrize(
    "audience",
    [
        {"users": [user(number) for number in range(101)]},
        {"everyone": "installed"},
        {"users": [user(1)], "everyone": "installed"},
    ],
    ids=["more than a batch", "everyone", "somebody and everyone"],
)
async def test_other_audiences_are_left_to_the_planner(audience: dict[str, object]) -> None:
    house = House()

    accepted = await house.acceptance.accept(a_request(audience=audience))

    assert "batch!00000000" not in house.rows(accepted.broadcast_id)
    assert (await house.broadcasts.cursor(accepted.broadcast_id)).cursor == Cursor()
    assert [unpack_nudge(body) for body in house.plans.take()] == [Nudge(broadcast=accepted.broadcast_id)]
    assert not house.sends.take()


async def test_recipients_that_fill_more_than_one_row_are_left_to_the_planner() -> None:
    house = House()
    house.lookup.padding = 4_000

    await house.acceptance.accept(a_request(audience={"users": [user(number) for number in range(100)]}))

    assert len(house.plans.take()) == 1
    assert not house.sends.take()


async def test_head_holds_what_was_asked_for() -> None:
    house = House()
    options = {"delivery": "at_most_once", "priority": "urgent", "expires_after": "PT4H"}

    accepted = await house.acceptance.accept(a_request(options=options))

    head = await house.broadcasts.head(accepted.broadcast_id)
    assert (head.tenant, head.key, head.priority) == (TENANT, "news-2026-05", Priority.URGENT)
    assert head.expires_at == NOON + 4 * 3600
    assert await house.broadcasts.content(head.id) == b'{"type":"message","text":"Hello","textFormat":"markdown"}'


async def test_same_request_again_is_the_same_broadcast_and_nudges_again() -> None:
    house = House()
    first = await house.acceptance.accept(a_request())
    house.now += 60

    again = await house.acceptance.accept(a_request())

    assert again.broadcast_id == first.broadcast_id
    assert not again.created
    assert len(house.sends.take()) == 2


async def test_same_request_again_does_not_nudge_a_broadcast_that_has_ended() -> None:
    house = House()
    first = await house.acceptance.accept(a_request())
    await house.broadcasts.changes.finish(first.broadcast_id, at=house.now, sums="S1", revised_sums="", revision=0)
    await house.directory.close(first.broadcast_id)
    house.sends.take()

    again = await house.acceptance.accept(a_request())

    assert again.broadcast_id == first.broadcast_id
    assert not house.sends.take()
    assert not await house.open()


async def test_key_with_another_body_is_refused_and_names_its_broadcast() -> None:
    house = House()
    first = await house.acceptance.accept(a_request())

    with pytest.raises(KeyReused) as caught:
        await house.acceptance.accept(a_request(content={"text": "Something else"}))

    assert caught.value.broadcast_id == first.broadcast_id
    assert house.heads == [first.broadcast_id]


async def test_key_belongs_to_its_tenant() -> None:
    house = House()
    other = "3e8f2a64-8a0a-4a39-9b8f-6a1f1c0b5d77"
    first = await house.acceptance.accept(a_request())

    second = await house.acceptance.accept(replace(a_request(), tenant=other))

    assert first.broadcast_id != second.broadcast_id


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("audience", [{"users": [user(1)]}, {"everyone": "installed"}], ids=["small", "planned"])
async def test_acceptance_that_broke_off_at_any_step_is_finished_by_the_same_request(
    moment: Moment, audience: dict[str, object]
) -> None:
    for step in count(1):
        house = House()
        house.account.use_hook(breaking_at(step, moment, StorageUnavailable("gone")))
        try:
            await house.acceptance.accept(a_request(audience=audience))
            broke = False
        except StorageUnavailable:
            broke = True
        house.account.use_hook(yielding)
        house.now += 90

        accepted = await house.acceptance.accept(a_request(audience=audience))

        assert house.heads == [accepted.broadcast_id], step
        assert await house.listed() == [accepted.broadcast_id], step
        assert accepted.broadcast_id in await house.open(), step
        nudged = {unpack_nudge(body).broadcast for body in (*house.sends.take(), *house.plans.take())}
        assert nudged == {accepted.broadcast_id}, step
        if not broke:
            assert step > 5
            return


async def test_repetition_after_days_writes_the_open_row_that_the_sweep_dropped() -> None:
    house = House()
    # The key stands, the broadcast's own rows do not: the fourth call is the first that writes one of them.
    house.account.use_hook(breaking_at(4, Moment.BEFORE, StorageUnavailable("gone")))
    with pytest.raises(StorageUnavailable):
        await house.acceptance.accept(a_request())
    house.account.use_hook(yielding)
    (abandoned,) = await house.open()
    await house.directory.close(abandoned)

    accepted = await house.acceptance.accept(a_request())

    assert accepted.broadcast_id == abandoned
    assert await house.open() == [abandoned]


async def test_conflict_that_echoes_an_own_write_is_no_conflict() -> None:
    for step in range(1, 7):
        house = House()
        house.account.use_hook(breaking_at_write(step, RowConflict("written by the first try")))

        accepted = await house.acceptance.accept(a_request())

        assert house.heads == [accepted.broadcast_id]
        assert await house.open() == [accepted.broadcast_id]


def breaking_at_write(number: int, error: Exception) -> Hook:
    """Answer the insert of this number with a conflict although it was done: the client's second try met the first."""
    calls = count(1)

    async def hook(call: Call) -> None:
        await asyncio.sleep(0)
        inserts = any(operation.kind == "insert" for operation in call.operations)
        if call.moment is Moment.AFTER and inserts and next(calls) == number:
            raise error

    return hook


async def test_many_at_once_with_one_key_make_one_broadcast() -> None:
    house = House()

    accepted = await asyncio.gather(*(house.acceptance.accept(a_request()) for _ in range(8)))

    assert len({one.broadcast_id for one in accepted}) == 1
    assert sum(one.created for one in accepted) == 1
    assert house.heads == [accepted[0].broadcast_id]
    assert await house.listed() == house.heads
    assert await house.open() == house.heads


async def test_two_bodies_at_once_with_one_key_make_one_broadcast_and_one_refusal() -> None:
    house = House()
    bodies = [a_request(), a_request(content={"text": "Something else"})]

    answers = await asyncio.gather(*map(house.acceptance.accept, bodies), return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["Accepted", "KeyReused"]
    assert len(house.heads) == 1
    assert await house.open() == house.heads


async def test_an_id_that_is_given_is_taken_and_its_key_stands_for_any_words() -> None:
    house = House()
    request = replace(a_request(), broadcast_id="0" * 20)

    first = await house.acceptance.accept(request)
    again = await house.acceptance.accept(replace(a_request(content={"text": "Other words"}), broadcast_id="0" * 20))

    assert first.created
    assert not again.created
    assert house.heads == [first.broadcast_id] == [again.broadcast_id] == ["0" * 20]


async def test_a_key_of_another_broadcast_does_not_stand_for_an_id_that_is_given() -> None:
    house = House()
    await house.acceptance.accept(a_request())

    with pytest.raises(KeyReused):
        await house.acceptance.accept(replace(a_request(), broadcast_id="0" * 20))


async def test_two_at_once_with_an_id_that_is_given_list_and_write_one_broadcast() -> None:
    house = House()
    request = replace(a_request(), broadcast_id="0" * 20)
    stalled = list[Call]()

    async def hook(call: Call) -> None:
        house.now += 1
        await asyncio.sleep(0)
        if call.verb == "write" and call.store == names.BROADCASTS and not stalled:
            # Who registered it is overtaken by the other one.
            stalled.append(call)
            for _turn in range(50):
                await asyncio.sleep(0)

    house.account.use_hook(hook)

    accepted = await asyncio.gather(*(house.acceptance.accept(request) for _ in range(2)))

    assert [one.created for one in accepted] == [False, True]
    assert house.heads == ["0" * 20] == await house.listed()
    [entry] = (await house.directory.page(TENANT, limit=10)).entries
    assert (await house.broadcasts.head("0" * 20)).accepted_at == entry.accepted_at


OWN_CLOCK = {"at": "2026-05-29T09:00", "zone": "recipient"}
"""Nine o'clock on the day after the house's noon, on each recipient's own clock."""


@pytest.mark.parametrize(
    ("request_names", "app_names", "expected"),
    [
        ("Asia/Tokyo", "", "Asia/Tokyo"),  # The request's.
        (None, "Europe/Paris", "Europe/Paris"),  # The app's.
        ("Asia/Tokyo", "Europe/Paris", "Asia/Tokyo"),  # The request's goes before the app's.
    ],
)
async def test_the_default_zone_is_the_requests_or_the_apps(
    request_names: str | None, app_names: str, expected: str
) -> None:
    house = House(default_zone=app_names)

    accepted = await house.acceptance.accept(a_request(send={**OWN_CLOCK, "default_zone": request_names}))

    head = await house.broadcasts.head(accepted.broadcast_id)
    assert head.own_clock == OwnClock(at=datetime.fromisoformat(OWN_CLOCK["at"]), default_zone=expected)
    assert head.starts_at == datetime.fromisoformat("2026-05-28T19:00+00:00").timestamp()
    assert (head.lanes, head.expires_at) == (LanePlan(sends=0), None)
    assert len(house.plans.take()) == 1


async def test_a_moment_on_each_recipients_own_clock_needs_a_default_zone_and_leaves_no_trace_without() -> None:
    house = House()

    with pytest.raises(InvalidRequest) as refused:
        await house.acceptance.accept(a_request(send=OWN_CLOCK))

    [fault] = refused.value.faults
    assert fault.pointer == "/send/default_zone"
    assert "HERALD_DEFAULT_ZONE" in fault.detail
    assert (house.heads, await house.listed(), await house.open()) == ([], [], [])


async def test_the_same_request_is_the_same_parent_also_where_the_apps_default_zone_was_changed() -> None:
    house = House(default_zone="Europe/Paris")
    first = await house.acceptance.accept(a_request(send=OWN_CLOCK))
    other = House(default_zone="Asia/Tokyo", account=house.account)

    assert (await other.acceptance.accept(a_request(send=OWN_CLOCK))).broadcast_id == first.broadcast_id
