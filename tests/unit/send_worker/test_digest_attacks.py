"""Digests under attack: planners side by side, stops at each phase, audiences that hold others up."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from send_worker.digesting import MOST_SHARED
from send_worker.gathering import MOST_TOLD
from send_worker.pipeline import build_pipeline
from send_worker.planner import BUDGET_SECONDS
from shared.acceptance import Accepted
from shared.domain.audience import Audience
from shared.domain.letters import Sheet, pack_sheet
from shared.domain.outcomes import State
from shared.domain.requests import BroadcastRequest, Content
from shared.errors import StorageUnavailable
from shared.storage.broadcast_keys import HEAD
from tests.twins.digests import drop, letters, tell, told, waiting
from tests.twins.directory import THROTTLED, Account, MemoryDirectory
from tests.twins.storage import Call, Moment, yielding
from tests.twins.world import EPOCH, TENANT, World, in_a_world, object_id

EVERYONE = {"everyone": "installed"}


def person(number: int) -> str:
    return f"user!{object_id(number)}"


def writes_letters(call: Call) -> bool:
    """Whether it is a step that writes batch rows."""
    return any(one.key.startswith("batch!") for one in call.operations)


def test_a_planner_that_meets_the_same_step_of_another_one_removes_only_what_that_one_named() -> None:
    """Both write the same cursor, so the slower one takes the other's step for its own."""

    async def scenario(world: World) -> None:
        await drop(world, "early", person=1)
        first = await tell(world, key="first")
        reached, goes_on, stepped = asyncio.Event(), asyncio.Event(), asyncio.Event()
        planners = list[asyncio.Task[None]]()

        async def hook(call: Call) -> None:
            await asyncio.sleep(0)
            if not writes_letters(call):
                return
            if asyncio.current_task() is planners[0]:
                await (on_the_way() if call.moment is Moment.BEFORE else dies())
            elif call.moment is Moment.BEFORE:
                goes_on.set()
                await stepped.wait()

        async def on_the_way() -> None:
            reached.set()
            await goes_on.wait()

        async def dies() -> None:
            stepped.set()
            await asyncio.sleep(3600)

        world.account.use_hook(hook)
        planners.append(asyncio.create_task(build_pipeline(world.app()).planner.handle(first)))
        await reached.wait()
        await drop(world, "late", person=1)
        await build_pipeline(world.app()).planner.handle(first)
        world.account.use_hook(yielding)
        planners[0].cancel()
        second = await tell(world, key="second")
        await build_pipeline(world.app()).planner.handle(second)

        assert await told(world, first, second) == {(person(1), "early"): 1, (person(1), "late"): 1}

    in_a_world(scenario)


def test_a_digest_is_reported_at_each_step_also_where_groups_and_people_are_unknown() -> None:
    group, gone = object_id(900), object_id(901)

    async def scenario(world: World) -> None:
        await world.install(range(8))
        await drop(world, "To a group that is gone", audience={"groups": [gone, group], "everyone": "installed"})
        barred = {"users": ["who@contoso.com"]}
        await drop(world, "To all but one whom nobody knows", audience={"groups": [group], "except": barred})
        broadcast = await tell(world)
        reports = list[dict[str, Any]]()

        async def hook(call: Call) -> None:
            await asyncio.sleep(0)
            if call.moment is Moment.AFTER and any(one.key == "cursor" for one in call.operations):
                world.account.use_hook(yielding)
                reports.append(await world.report(broadcast))
                world.account.use_hook(hook)

        world.account.use_hook(hook)
        await build_pipeline(world.app()).planner.handle(broadcast)

        assert len(reports) > 5
        assert reports[-1]["planned"]
        assert all(one["unknown_groups"] == one["unknown_exceptions"] == [] for one in reports)
        assert len(await told(world, broadcast)) == 8 + 3

    in_a_world(scenario, graph=MemoryDirectory(groups={group: [Account(object_id(number)) for number in range(3)]}))


def test_items_for_audiences_that_are_not_told_take_no_place_from_others() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(3))
        for number in range(MOST_SHARED):
            await drop(world, f"a {number:03d}", audience=EVERYONE, expires_at=EPOCH - 1)
            await drop(world, f"b {number:03d}", audience={"saved": ["gone"]})
        for number in range(MOST_SHARED + 1):
            await drop(world, f"c {number:03d}", audience=EVERYONE)
        broadcast = await tell(world)
        await build_pipeline(world.app()).planner.handle(broadcast)

        _, found = await letters(world, broadcast)
        assert [len(letter.shown) + letter.more for letter in found.values()] == [MOST_SHARED] * 3
        assert len([title for title in await waiting(world) if title.startswith("c")]) == 1

    in_a_world(scenario)


def test_a_persons_expired_items_take_no_place_from_others() -> None:
    async def scenario(world: World) -> None:
        for number in range(MOST_TOLD):
            await drop(world, f"a {number:03d}", person=1, expires_at=EPOCH - 1)
        await drop(world, "news", person=1)
        broadcast = await tell(world)
        await build_pipeline(world.app()).planner.handle(broadcast)

        assert await told(world, broadcast) == {(person(1), "news"): 1}
        assert len(await waiting(world)) == MOST_TOLD

    in_a_world(scenario)


def test_a_plan_goes_on_also_where_all_of_its_time_passes_with_people_who_are_told_nothing() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(5_000))
        await drop(world, "over by then", audience=EVERYONE, expires_at=EPOCH + 100)
        await drop(world, "news", person=4_999)
        broadcast = await tell(world)

        async def hook(call: Call) -> None:
            await asyncio.sleep(0)
            if call.moment is Moment.AFTER and any(one.key == "frozen" for one in call.operations):
                world.account.use_hook(slow)
                await asyncio.sleep(100)

        async def slow(call: Call) -> None:
            await asyncio.sleep(BUDGET_SECONDS / 8 if call.verb == "get" else 0)

        world.account.use_hook(hook)
        for _ in range(12):
            await build_pipeline(world.app()).planner.handle(broadcast)
        world.account.use_hook(yielding)

        assert await told(world, broadcast) == {(person(4_999), "news"): 1}

    in_a_world(scenario)


def test_a_digest_that_was_stopped_has_removed_what_it_took_once_it_is_closed() -> None:
    """So its rows may go, also where no digest comes for longer than broadcasts are kept."""

    async def scenario(world: World) -> None:
        await world.install(range(3_000))
        for number in range(3_000):
            await drop(world, f"own {number}", person=number)
        await drop(world, "for all", audience=EVERYONE)
        first = await tell(world, key="first")
        app = world.app()

        async def hook(call: Call) -> None:
            await asyncio.sleep(0)
            if writes_letters(call) and call.moment is Moment.AFTER:
                world.account.use_hook(yielding)
                await app.broadcasts.changes.cancel(first, at=app.clock.now())
                raise StorageUnavailable("the answer never came")

        world.account.use_hook(hook)
        await build_pipeline(app).planner.handle(first)
        named = {title for _, title in await told(world, first)}
        assert set(await waiting(world)) > named
        world.start()
        await world.finished(first)

        assert len(named) > 1_000
        assert set(await waiting(world)) == {f"own {number}" for number in range(3_000)} - named

    in_a_world(scenario)


def test_a_person_of_an_audience_whom_nobody_knows_by_this_name_is_reported() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(3))
        world.start()
        await drop(world, "news", audience={"users": ["nobody@contoso.com", "u1@contoso.com", object_id(2)]})
        await drop(world, "own", person=0)
        broadcast = await tell(world)
        await world.finished(broadcast)

        report = await world.report(broadcast)
        assert (report["counts"]["sent"], report["reasons"]) == (3, {"user_not_found": 1})
        assert world.connector.received == {"a:0": 1, "a:1": 1, "a:2": 1}
        assert await waiting(world) == []

    in_a_world(scenario, graph=MemoryDirectory([Account(object_id(1), upn="u1@contoso.com")]))


def test_items_whose_audience_is_set_aside_are_told_by_their_ids(caplog: pytest.LogCaptureFixture) -> None:
    gone = object_id(901)

    async def scenario(world: World) -> None:
        await world.install(range(3))
        but = {"everyone": "installed", "except": {"groups": [gone]}}
        for title in ("a", "b"):
            await drop(world, title, audience=but)
        await drop(world, "c", audience=EVERYONE)
        broadcast = await tell(world)
        await build_pipeline(world.app()).planner.handle(broadcast)

        assert {title for _, title in await told(world, broadcast)} == {"c"}
        assert await waiting(world) == ["a", "b"]

    in_a_world(scenario, graph=MemoryDirectory())
    aside = [record.getMessage() for record in caplog.records if "digest_item_set_aside" in record.getMessage()]
    assert [json.loads(one.partition(" ")[2])["item"] for one in aside] == ["a", "b"]


def test_a_group_that_graph_never_tells_of_holds_a_digest_up_for_an_hour_at_most() -> None:
    group = object_id(900)

    async def scenario(world: World) -> None:
        await world.install(range(3))
        world.start()
        await drop(world, "to a group", audience={"groups": [group]})
        await drop(world, "for all", audience=EVERYONE)
        broadcast = await tell(world)

        took = await world.finished(broadcast)

        assert 3_600 < took < 4_600
        assert world.states(broadcast) == {State.SENT: 3}
        assert await waiting(world) == ["to a group"]

    in_a_world(scenario, graph=MemoryDirectory(groups={group: []}, fault=lambda _: THROTTLED))


def test_a_schedule_that_becomes_a_message_while_two_ticks_accept_it_is_one_of_the_two() -> None:
    async def scenario(world: World) -> None:
        sheet = pack_sheet(Sheet(heading="Your day"))
        digest = BroadcastRequest(
            tenant=TENANT,
            key="occurrence",
            broadcast_id="0" * 20,
            audience=Audience(),
            content=Content(encoded=sheet),
            digest="daily",
        )
        message = replace(digest, content=Content(text="Hello"), digest="")
        ticks, reached, goes_on = list[asyncio.Task[Accepted]](), asyncio.Event(), asyncio.Event()

        async def hook(call: Call) -> None:
            await asyncio.sleep(0)
            if call.moment is Moment.AFTER or all(one.key != HEAD for one in call.operations):
                return
            if asyncio.current_task() is ticks[0]:
                reached.set()
                await goes_on.wait()
            else:
                goes_on.set()
                await ticks[0]

        world.account.use_hook(hook)
        ticks.append(asyncio.create_task(world.app().acceptance.accept(digest)))
        await reached.wait()
        await world.app().acceptance.accept(message)
        world.account.use_hook(yielding)

        store = world.app().broadcasts
        assert (await store.head("0" * 20)).digest == "daily"
        assert await store.content("0" * 20) == sheet

    in_a_world(scenario)
