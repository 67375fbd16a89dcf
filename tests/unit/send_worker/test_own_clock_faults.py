"""A moment on each recipient's own clock, whatever breaks off: nobody is lost or doubled, and no wish forgotten."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from messages import parts
from send_worker.children import CHILD_AHEAD
from send_worker.pipeline import build_pipeline, build_retention
from shared.domain.broadcasts import PauseReason
from shared.domain.ids import child_id, child_key
from shared.domain.own_clocks import unpack_moments
from shared.envelopes import Nudge, pack_nudge
from shared.errors import StorageUnavailable
from shared.storage import names
from tests.twins.own_clock import (
    BERLIN,
    HOUR,
    LONDON,
    NEAR,
    NOON,
    URL,
    Ledger,
    accept,
    children,
    instant,
    now,
    settle_in,
    spread,
    until,
    wish,
)
from tests.twins.storage import Breaking, Call, Killed, Moment, yielding
from tests.twins.world import World, in_a_world, object_id


async def plan_all(world: World, parent: str, *, hook: Breaking | None = None) -> None:
    """Nudge a parent and its children until all are planned, as the sweep would; the first planner breaks off."""
    broadcasts = world.app().broadcasts
    for _ in range(12):
        for broadcast in (parent, *await children(world, parent)):
            world.account.use_hook(hook or yielding)
            try:
                await build_pipeline(world.app()).planner.handle(broadcast)
            except Killed:
                pass
            finally:
                world.account.use_hook(yielding)
            hook = None
        cursor = (await broadcasts.cursor(parent)).cursor
        made = await children(world, parent)
        plans = [cursor, *[(await broadcasts.cursor(one)).cursor for one in made]]
        if len(made) == len(unpack_moments(cursor.moments)) and all(plan.is_finished for plan in plans):
            return
    raise AssertionError("the plans do not end")


async def planned_at(world: World, parent: str) -> Counter[tuple[str, float]]:
    """How many deliveries each recipient has at each instant, in all children."""
    found: Counter[tuple[str, float]] = Counter()
    for child in await children(world, parent):
        head = await world.app().broadcasts.head(child)
        batches = await world.app().broadcasts.batches(child, first=0, limit=1_000)
        found.update((recipient.key, head.starts_at) for batch in batches for recipient in batch.recipients)
    return found


async def assert_planned(world: World, parent: str, zone_of: Mapping[int, str], at: datetime) -> None:
    assert await planned_at(world, parent) == Counter(
        {(f"user!{object_id(number)}", instant(zone, at)): 1 for number, zone in zone_of.items()}
    )


GONE = datetime.fromisoformat("2027-01-15T01:00")
"""All but over when the world begins: every child is due at once."""


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("error", [StorageUnavailable("the answer never came"), Killed()])
def test_a_split_and_children_that_break_off_at_any_call_end_with_everybody_once(
    moment: Moment, error: BaseException
) -> None:
    async def scenario(world: World) -> None:
        zone_of = spread(600, ("Europe/Berlin", "Europe/London", "Asia/Tokyo"))
        await settle_in(world, zone_of)
        for number in count():
            parent = await accept(world, GONE, users=range(200), key=f"k{number}")
            hook = Breaking(number, moment, error)

            await plan_all(world, parent, hook=hook)

            await assert_planned(world, parent, zone_of, GONE)
            assert (await world.report(parent))["total"] == len(zone_of)
            await asyncio.sleep(1)
            if not hook.has_struck:
                break
        assert number > 60

    in_a_world(scenario)


@pytest.mark.parametrize("seed", range(8))
def test_planners_side_by_side_make_each_child_once_and_plan_everybody_once(seed: int) -> None:
    async def scenario(world: World) -> None:
        zone_of = spread(1_200, ("Europe/Berlin", "Europe/London", "Asia/Tokyo"))
        await settle_in(world, zone_of)
        parent = await accept(world, GONE, users=range(200))
        dice = random.Random(seed)

        async def hook(_call: Call) -> None:
            await asyncio.sleep(dice.choice([0.0, 0.0, 0.05, 0.4]))

        world.account.use_hook(hook)
        await asyncio.gather(*(build_pipeline(world.app()).planner.handle(parent) for _ in range(3)))
        world.account.use_hook(yielding)

        await plan_all(world, parent)
        await assert_planned(world, parent, zone_of, GONE)

    in_a_world(scenario)


@pytest.mark.parametrize("seed", range(6))
def test_an_edit_that_meets_the_making_of_a_child_and_dies_reaches_everybody(seed: int) -> None:
    async def scenario(world: World) -> None:
        ledger, zone_of = Ledger(world), spread(9, NEAR)
        await settle_in(world, zone_of)
        world.start(2)
        parent = await accept(world, NOON)
        dice = random.Random(seed)

        async def hook(_call: Call) -> None:
            await asyncio.sleep(dice.choice([0.0, 0.0, 0.05, 0.4, 1.5]))

        await until(BERLIN - CHILD_AHEAD - 1)
        world.account.use_hook(hook)
        for number in range(6):
            await asyncio.sleep(dice.uniform(0, 1.5))
            body = f'{{"content": {{"text": "Words {number}"}}}}'.encode()
            editing = asyncio.create_task(parts.wishes(world.app()).edit(parent, body, url=URL))
            while (await world.app().broadcasts.head(parent)).revision <= number:
                await asyncio.sleep(0.05)
            # The head stands. Whether the rest comes to pass is left to chance.
            await asyncio.sleep(dice.uniform(0, 2))
            editing.cancel()
            await asyncio.gather(editing, return_exceptions=True)
        world.account.use_hook(yielding)
        await world.finished(parent, within=10 * HOUR)

        ledger.assert_each_once(zone_of, at=NOON)
        assert {text for said in world.connector.texts.values() for text in said.values()} == {"Words 5"}

    in_a_world(scenario)


@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize("number", range(0, 90, 9))
def test_a_cancel_that_comes_while_children_are_made_holds_for_them(number: int, dies: bool) -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, spread(9, ("Europe/Berlin", "Asia/Tokyo")))
        parent = await accept(world, GONE)
        going_on, calls = asyncio.Event(), count()

        async def freeze(_call: Call) -> None:
            await asyncio.sleep(0)
            if asyncio.current_task() is frozen and next(calls) == number:
                await going_on.wait()

        frozen = asyncio.create_task(build_pipeline(world.app()).planner.handle(parent))
        world.account.use_hook(freeze)
        await asyncio.sleep(1)
        await wish(world, "cancel", parent)
        world.start()
        await asyncio.sleep(400)
        if dies:
            frozen.cancel()
        going_on.set()
        await asyncio.gather(frozen, return_exceptions=True)
        await world.finished(parent, within=600)
        await asyncio.sleep(HOUR)

        assert world.posts() == 0
        report = await world.report(parent)
        assert report["counts"]["cancelled"] == report["total"]
        for child in await children(world, parent):
            assert (await world.report(child))["state"] == "cancelled"
        assert await world.app().directory.open_broadcasts() == []

    in_a_world(scenario)


class Freezing:
    """A hook under which a task freezes before its first write of a row, and dies behind one of another.

    All others read the rows of `slow`, a broadcast, in twenty seconds.
    """

    def __init__(self, row: str = "", *, dies_behind: str = "", slow: str = "") -> None:
        self.is_frozen, self.goes_on = asyncio.Event(), asyncio.Event()
        self._row, self._dies_behind, self._slow = row, dies_behind, slow
        self._task: asyncio.Task[Any] | None = None

    def start(self, world: World, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        world.account.use_hook(self)
        self._task = asyncio.create_task(work)
        return self._task

    async def __call__(self, call: Call) -> None:
        await asyncio.sleep(20.0 if call.verb == "get" and call.partition == self._slow else 0.0)
        if asyncio.current_task() is not self._task:
            return
        rows = [one.key for one in call.operations]
        if call.moment is Moment.BEFORE and self._row in rows and not self.is_frozen.is_set():
            self.is_frozen.set()
            await self.goes_on.wait()
        if call.moment is Moment.AFTER and self._dies_behind in rows:
            raise Killed


async def split(world: World, at: datetime = GONE) -> str:
    """A parent whose split is finished, and whose planner died before it made a child."""
    parent = await accept(world, at)
    planner = build_pipeline(world.app()).planner

    async def ends(parent_id: str) -> None:
        raise StorageUnavailable(f"the planner of {parent_id} ends behind its split")

    planner._children.look_after = ends  # type: ignore[method-assign]
    await planner.handle(parent)
    assert (await world.app().broadcasts.cursor(parent)).cursor.is_finished
    return parent


def test_nobody_makes_a_child_of_a_parent_that_was_closed_meanwhile() -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, spread(9, ("Asia/Tokyo",)))
        parent = await split(world)
        freezing = Freezing("cursor", dies_behind="head")
        task = freezing.start(world, build_pipeline(world.app()).planner.handle(parent))
        await freezing.is_frozen.wait()
        await wish(world, "cancel", parent)
        world.start()
        await world.finished(parent, within=300)

        freezing.goes_on.set()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(HOUR)

        assert await children(world, parent) == []
        assert world.posts() == 0

    in_a_world(scenario)


def test_a_child_that_is_made_after_the_stop_is_born_stopped() -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, spread(9, ("Asia/Tokyo",)))
        parent = await split(world)
        # The planner dies when the cursor tells of a child that is not there yet.
        dying = Freezing(dies_behind="cursor").start(world, build_pipeline(world.app()).planner.handle(parent))
        await asyncio.gather(dying, return_exceptions=True)
        assert await children(world, parent) == []
        await wish(world, "cancel", parent)

        world.account.use_hook(Freezing(slow=parent))
        world.start()
        await world.finished(parent, within=900)

        [child] = await children(world, parent)
        assert (await world.report(child))["state"] == "cancelled"
        assert world.posts() == 0

    in_a_world(scenario)


def test_old_words_of_a_planner_that_comes_late_are_sent_to_nobody() -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, spread(9, ("Asia/Tokyo",)))
        parent = await split(world)
        freezing = Freezing("content!0000", dies_behind="content!0000", slow=parent)
        made = child_id(parent=parent, at=int(instant("Asia/Tokyo", GONE)))
        task = freezing.start(world, build_pipeline(world.app()).planner.handle(parent))
        await freezing.is_frozen.wait()
        await wish(world, "edit", parent)
        await world.account.queue(names.PLAN_QUEUE).put(pack_nudge(Nudge(broadcast=parent)))
        world.start()
        await world.until(lambda: bool(world.account.table(names.BROADCASTS).rows(made)))

        freezing.goes_on.set()
        await asyncio.gather(task, return_exceptions=True)
        await world.finished(parent)
        [child] = await children(world, parent)

        assert {text for said in world.connector.texts.values() for text in said.values()} == {"New words"}
        assert world.connector.revised.total() == 0
        assert (await world.app().broadcasts.head(child)).revision == 1

    in_a_world(scenario)


def test_a_wish_that_is_passed_on_late_does_not_undo_the_one_after_it() -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, spread(9, NEAR))
        world.start()
        parent = await accept(world, NOON)
        await until(BERLIN - 600)
        [child] = await children(world, parent)
        await wish(world, "pause", parent)
        await world.app().broadcasts.changes.resume(parent)
        freezing = Freezing("head")
        task = freezing.start(world, world.app().passing_on.pass_on(parent))
        await freezing.is_frozen.wait()
        await wish(world, "pause", parent)

        freezing.goes_on.set()
        await task

        assert (await world.app().broadcasts.head(child)).paused is PauseReason.BY_REQUEST

    in_a_world(scenario)


def test_a_resume_that_comes_late_does_not_undo_the_pause_after_it() -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, spread(9, NEAR))
        world.start()
        parent = await accept(world, NOON)
        await until(BERLIN - 600)
        [child] = await children(world, parent)
        await wish(world, "pause", parent)
        is_frozen, goes_on = asyncio.Event(), asyncio.Event()

        async def hook(call: Call) -> None:
            await asyncio.sleep(0)
            is_childs = call.partition == child and any(one.key == "head" for one in call.operations)
            if asyncio.current_task() is task and call.moment is Moment.BEFORE and is_childs:
                is_frozen.set()
                await goes_on.wait()

        task = asyncio.create_task(wish(world, "resume", parent))
        world.account.use_hook(hook)
        await is_frozen.wait()
        await wish(world, "pause", parent)
        goes_on.set()
        await task
        world.account.use_hook(yielding)

        assert (await world.app().broadcasts.head(parent)).paused is PauseReason.BY_REQUEST
        assert (await world.app().broadcasts.head(child)).paused is PauseReason.BY_REQUEST

    in_a_world(scenario)


def test_a_moment_whose_child_is_refused_holds_nobody_else_up_and_its_people_count_as_cancelled() -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, spread(9, NEAR))
        world.start()
        parent = await accept(world, NOON)
        # A version of before took any key.
        await world.accept(users=[0], key=child_key(parent=parent, at=int(LONDON)))

        await world.finished(parent, within=10 * HOUR)

        report = await world.report(parent)
        assert (report["state"], report["counts"]["sent"], report["counts"]["cancelled"]) == ("finished", 6, 3)
        assert [one["state"] for one in report["clock"]["moments"]] == ["finished", "cancelled", "finished"]
        assert await world.app().directory.open_broadcasts() == []

    in_a_world(scenario)


def test_a_child_is_kept_as_long_as_its_parent_and_goes_after_it() -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, spread(3, NEAR))
        world.start()
        parent = await accept(world, NOON)
        app = world.app()
        retention = build_retention(replace(app, settings=app.settings.model_copy(update={"retention_text": "P1D"})))
        heads = app.broadcasts

        async def clean_up() -> list[str]:
            await retention.run()
            table = world.account.table(names.BROADCASTS)
            return [one for one in table.partitions() if "head" in table.rows(one)]

        await world.finished(parent, within=10 * HOUR)
        made = await children(world, parent)
        await world.stop()
        await heads.changes.finish(parent, at=now() + 2 * HOUR, sums="S3", revised_sums="", revision=0)
        await asyncio.sleep(25 * HOUR)
        kept = await clean_up()
        await asyncio.sleep(2 * HOUR)

        assert set(kept) == {parent, *made}
        assert sorted(await clean_up()) == sorted(made)
        assert await clean_up() == []

    in_a_world(scenario)
