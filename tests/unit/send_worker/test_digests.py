"""Digests: everybody gets one message with what gathered for them, and each item is told in exactly one digest."""

import asyncio
from itertools import count

import pytest

from send_worker.pipeline import build_pipeline
from shared.domain.digests import Severity
from shared.domain.ids import occurrence_id
from shared.domain.outcomes import State
from shared.errors import RowConflict, StorageUnavailable
from tests.twins.digests import drop, letters, tell, told, waiting
from tests.twins.scheduling import a_schedule
from tests.twins.storage import Breaking, Call, Moment, yielding
from tests.twins.world import EPOCH, TENANT, World, in_a_world, object_id

EVERYONE = {"everyone": "installed"}


def some(*numbers: int) -> dict[str, list[str]]:
    """An audience of these people."""
    return {"users": [object_id(number) for number in numbers]}


def person(number: int) -> str:
    return f"user!{object_id(number)}"


def test_each_person_gets_one_card_with_what_gathered_for_them() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(30))
        world.start(2)
        await drop(world, "Your ticket", person=3, severity=Severity.CRITICAL)
        await drop(world, "Another ticket", person=3)
        await drop(world, "For five and six", audience=some(5, 6))
        await drop(world, "For six and seven", audience=some(6, 7))
        broadcast = await tell(world)

        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 4}
        assert set(world.connector.received) == {"a:3", "a:5", "a:6", "a:7"}
        assert set(world.connector.received.values()) == {1}
        assert await told(world, broadcast) == {
            (person(3), "Your ticket"): 1,
            (person(3), "Another ticket"): 1,
            (person(5), "For five and six"): 1,
            (person(6), "For five and six"): 1,
            (person(6), "For six and seven"): 1,
            (person(7), "For six and seven"): 1,
        }
        card = world.connector.heard["a:3"][0]["attachments"][0]["content"]
        assert [block["inlines"][0]["text"] for block in card["body"] if block["type"] == "RichTextBlock"] == [
            "Your day"
        ]
        assert await waiting(world) == []

    in_a_world(scenario)


def test_nothing_is_sent_where_nothing_gathered() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(30))
        world.start()
        await drop(world, "Over", person=3, expires_at=EPOCH - 1)
        broadcast = await tell(world)

        await world.finished(broadcast)

        assert (await world.report(broadcast))["total"] == 0
        assert not world.posts()

    in_a_world(scenario)


def test_what_comes_while_a_digest_is_planned_is_in_this_one_or_the_next() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(60))
        dropped = list[str]()

        async def hook(call: Call) -> None:
            await asyncio.sleep(0)
            if call.moment is Moment.BEFORE:
                world.account.use_hook(yielding)
                dropped.append(f"{len(dropped):03d}")
                await drop(world, dropped[-1], person=len(dropped) % 60)
                world.account.use_hook(hook)

        await drop(world, "first", audience=EVERYONE)
        first = await tell(world, key="first")
        world.account.use_hook(hook)
        await build_pipeline(world.app()).planner.handle(first)
        world.account.use_hook(yielding)
        second = await tell(world, key="second")
        await build_pipeline(world.app()).planner.handle(second)

        shown = await told(world, first, second)
        assert set(shown.values()) == {1}
        assert {title for _, title in shown if title != "first"} == set(dropped)
        assert await waiting(world) == []
        assert {title for _, title in await told(world, first)} > {"first"}
        assert {title for _, title in await told(world, second)} < set(dropped)

    in_a_world(scenario)


def test_an_item_that_is_replaced_while_it_is_told_is_told_again_as_what_it_became() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(3))
        await drop(world, "old", person=1, key="build")
        first = await tell(world, key="first")

        async def hook(call: Call) -> None:
            if any(one.key.startswith("batch!") for one in call.operations) and call.moment is Moment.AFTER:
                world.account.use_hook(yielding)
                await drop(world, "new", person=1, key="build")

        world.account.use_hook(hook)
        await build_pipeline(world.app()).planner.handle(first)
        world.account.use_hook(yielding)
        assert await waiting(world) == ["new"]
        second = await tell(world, key="second")
        await build_pipeline(world.app()).planner.handle(second)

        assert await told(world, first) == {(person(1), "old"): 1}
        assert await told(world, second) == {(person(1), "new"): 1}

    in_a_world(scenario)


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("error", [StorageUnavailable("the answer never came"), RowConflict()])
def test_a_digest_that_breaks_off_at_any_call_tells_each_item_once(moment: Moment, error: Exception) -> None:
    """The next digest is planned by another process, before anybody goes on with the one that broke off."""

    async def scenario(world: World) -> None:
        await world.install(range(12))
        for number in count():
            for own in range(6):
                await drop(world, f"own {own} of {number}", person=own)
            await drop(world, f"some of {number}", audience=some(4, 5, 6))
            await drop(world, f"all of {number}", audience=EVERYONE)
            first, second = await tell(world, key=f"first {number}"), await tell(world, key=f"second {number}")
            hook = Breaking(number, moment, error)
            world.account.use_hook(hook)
            await build_pipeline(world.app()).planner.handle(first)
            world.account.use_hook(yielding)

            for _ in range(4):
                for broadcast in (second, first):
                    await build_pipeline(world.app()).planner.handle(broadcast)
                await asyncio.sleep(15)

            shown = await told(world, first, second)
            assert set(shown.values()) == {1}, number
            assert len(shown) == 6 + 3 + 12
            assert await waiting(world) == []
            if not hook.has_struck:
                break
        assert number > 20

    in_a_world(scenario)


def test_a_digest_that_is_cancelled_in_the_middle_leaves_the_next_one_what_it_has_not_told() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(3_000))
        for number in range(3_000):
            await drop(world, f"own {number}", person=number)
        first = await tell(world, key="first")
        app = world.app()

        async def hook(call: Call) -> None:
            if any(one.key.startswith("batch!") for one in call.operations) and call.moment is Moment.AFTER:
                world.account.use_hook(yielding)
                await app.broadcasts.changes.cancel(first, at=app.clock.now())

        world.account.use_hook(hook)
        await build_pipeline(app).planner.handle(first)
        world.start()
        await world.finished(first)
        second = await tell(world, key="second")
        await world.finished(second)

        shown = await told(world, first, second)
        assert set(shown.values()) == {1}
        assert len(shown) == 3_000
        assert 0 < len(await told(world, first)) < 3_000
        assert await waiting(world) == []

    in_a_world(scenario)


def test_a_thousand_items_for_one_person_are_one_message() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(3))
        world.start()
        for number in range(1_000):
            await drop(world, f"item {number:04d}", person=1, at=float(number))
        broadcast = await tell(world)

        await world.finished(broadcast)

        sheet, found = await letters(world, broadcast)
        letter = found[person(1)]
        assert len(letter.shown) + letter.more == 1_000
        assert letter.items(sheet)[0].title == "item 0999"
        assert world.connector.received == {"a:1": 1}
        assert await waiting(world) == []

    in_a_world(scenario)


def test_what_is_more_than_a_thousand_waits_for_the_next_digest() -> None:
    async def scenario(world: World) -> None:
        for number in range(1_003):
            await drop(world, f"item {number:04d}", person=1)
        await drop(world, "of another", person=2)
        first = await tell(world, key="first")
        await build_pipeline(world.app()).planner.handle(first)

        assert len(await waiting(world)) == 3
        _, found = await letters(world, first)
        assert (len(found[person(1)].shown) + found[person(1)].more, set(found)) == (1_000, {person(1), person(2)})

    in_a_world(scenario)


def test_one_item_for_everybody_is_a_few_bytes_in_each_row() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(20_000))
        await drop(world, "For all" * 20, audience=EVERYONE)
        broadcast = await tell(world)
        await build_pipeline(world.app()).planner.handle(broadcast)

        _, found = await letters(world, broadcast)
        assert len(found) == 20_000
        assert await waiting(world) == []
        store = world.app().broadcasts
        [batch] = await store.batches(broadcast, first=0, limit=1)
        assert {one.letter for one in batch.recipients} == {"[0,0]"}
        assert len(batch.recipients) == 100

    in_a_world(scenario)


def test_people_without_the_app_are_given_it_with_their_letter_at_hand() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(3))
        await drop(world, "For a stranger", person=77)
        broadcast = await tell(world)
        await build_pipeline(world.app()).planner.handle(broadcast)

        assert await told(world, broadcast) == {(person(77), "For a stranger"): 1}

    in_a_world(scenario)


def test_an_audience_that_cannot_be_read_holds_nobody_else_up() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(5))
        world.start()
        await drop(world, "To a saved audience that is gone", audience={"saved": ["gone"]})
        await drop(world, "For all", audience=EVERYONE)
        broadcast = await tell(world)

        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 5}
        assert await waiting(world) == ["To a saved audience that is gone"]

    in_a_world(scenario)


def test_a_digest_waits_while_an_earlier_one_is_planned() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(5))
        await drop(world, "For all", audience=EVERYONE)
        first, second = await tell(world, key="first"), await tell(world, key="second")
        app = world.app()
        await app.digest_turns.pass_to(TENANT, "daily", first, after=None)

        await build_pipeline(app).planner.handle(second)
        held_up = await world.report(second)
        await build_pipeline(app).planner.handle(first)
        await asyncio.sleep(15)
        await build_pipeline(app).planner.handle(second)

        assert (held_up["plan_waits_for"], held_up["planned"]) == ("digest", False)
        assert len(await told(world, first)) == 5
        assert (await world.report(second))["planned"]
        assert not await told(world, second)

    in_a_world(scenario)


def test_a_schedule_tells_its_digest_each_time_with_what_gathered_since() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(5))
        world.start()
        app = world.app()
        request = {"digest": {"name": "daily", "heading": "Your hour"}}
        timetable = {"cron": "0 * * * *", "zone": "Etc/UTC"}
        first = EPOCH - EPOCH % 3600 + 3600
        schedule = await app.schedules.create(
            a_schedule(tenant=TENANT, request=request, timetable=timetable, next=first)
        )
        await drop(world, "early", person=1)

        for hour in range(3):
            await asyncio.sleep(max(0.0, first + hour * 3600 + 5 - app.clock.now()))
            await build_pipeline(app).due_schedules.run()
            broadcast = occurrence_id(schedule=schedule.id, at=first + hour * 3600)
            await world.finished(broadcast)
            expected = [{(person(1), "early"): 1}, {(person(2), "late"): 1}, {}][hour]
            assert await told(world, broadcast) == expected
            if hour == 0:
                await drop(world, "late", person=2)

        assert world.connector.received == {"a:1": 1, "a:2": 1}

    in_a_world(scenario)
