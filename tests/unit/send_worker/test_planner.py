"""The planner: whatever breaks off, and whoever works beside it, every recipient has one delivery in the end."""

import asyncio
import random
from collections import Counter
from itertools import count

import pytest

from send_worker.pipeline import build_pipeline
from send_worker.planner import Planner
from shared.domain.activities import timestamp
from shared.domain.broadcasts import Broadcast
from shared.domain.cursors import Phase
from shared.domain.references import ReferenceState
from shared.envelopes import unpack_nudge
from shared.errors import RowConflict, StorageUnavailable
from shared.storage import names
from shared.storage.broadcasts import Broadcasts
from tests.twins.storage import Breaking, Call, Moment, yielding
from tests.twins.world import EPOCH, TENANT, World, in_a_world, object_id


def a_planner(world: World) -> Planner:
    """The planner of one more process; nobody sends."""
    return build_pipeline(world.app()).planner


def store_of(world: World) -> Broadcasts:
    return Broadcasts(world.account.table(names.BROADCASTS))


async def planned(world: World, broadcast: str) -> Counter[str]:
    """How many deliveries each recipient has."""
    batches = await store_of(world).batches(broadcast, first=0, limit=10_000)
    return Counter(recipient.key for batch in batches for recipient in batch.recipients)


async def assert_complete(world: World, broadcast: str, people: range) -> None:
    cursor = (await store_of(world).cursor(broadcast)).cursor
    deliveries = await planned(world, broadcast)

    assert cursor.is_finished
    assert deliveries == Counter({f"user!{object_id(number)}": 1 for number in people})
    assert cursor.recipients == len(people)
    numbers = [batch.number for batch in await store_of(world).batches(broadcast, first=0, limit=10_000)]
    assert numbers == list(range(cursor.batches))


async def plan_to_the_end(world: World, broadcast: str, *, hook: Breaking | None = None) -> None:
    """Nudge until the plan is finished, as the sweep would."""
    for _ in range(10):
        world.account.use_hook(hook or yielding)
        await a_planner(world).handle(broadcast)
        world.account.use_hook(yielding)
        if (await store_of(world).cursor(broadcast)).cursor.is_finished:
            return
        hook = None
    raise AssertionError("the plan does not end")


@pytest.mark.parametrize("moment", Moment)
def test_a_plan_that_breaks_off_at_any_call_ends_with_everyone_once(moment: Moment) -> None:
    async def scenario(world: World) -> None:
        await world.install(range(300, 1_400))
        for number in count():
            broadcast = await world.accept(users=range(500), everyone=True, key=f"k{number}")
            hook = Breaking(number, moment, StorageUnavailable("the answer never came"))

            await plan_to_the_end(world, broadcast, hook=hook)

            await assert_complete(world, broadcast, range(1_400))
            await asyncio.sleep(1)
            if not hook.has_struck:
                break
        assert number > 25

    in_a_world(scenario)


def test_a_plan_whose_writes_meet_their_own_success_goes_on() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(300, 1_400))

        async def hook(call: Call) -> None:
            await asyncio.sleep(0)
            if call.moment is Moment.AFTER and call.verb == "write" and len(call.operations) > 0:
                last = call.operations[-1]
                if last.key == "cursor":
                    raise RowConflict("the second try met the first one's success")

        broadcast = await world.accept(users=range(500), everyone=True)
        world.account.use_hook(hook)
        await a_planner(world).handle(broadcast)

        await assert_complete(world, broadcast, range(1_400))

    in_a_world(scenario)


@pytest.mark.parametrize("seed", range(8))
def test_planners_side_by_side_plan_everyone_once(seed: int) -> None:
    async def scenario(world: World) -> None:
        await world.install(range(300, 1_400))
        broadcast = await world.accept(users=range(500), everyone=True)
        dice = random.Random(seed)

        async def hook(_call: Call) -> None:
            await asyncio.sleep(dice.choice([0.0, 0.0, 0.05, 0.4]))

        world.account.use_hook(hook)
        await asyncio.gather(*(a_planner(world).handle(broadcast) for _ in range(3)))
        world.account.use_hook(yielding)

        await plan_to_the_end(world, broadcast)
        await assert_complete(world, broadcast, range(1_400))

    in_a_world(scenario)


def test_twenty_thousand_from_overlapping_sources_are_planned_once_each() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(1_000, 20_000))

        broadcast = await world.accept(users=range(3_000), everyone=True)
        await plan_to_the_end(world, broadcast)

        await assert_complete(world, broadcast, range(20_000))
        assert (await store_of(world).cursor(broadcast)).cursor.batches <= 205

    in_a_world(scenario)


def test_runs_grow_and_hold_each_source_in_order() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(5_000))
        broadcast = await world.accept(everyone=True)
        await plan_to_the_end(world, broadcast)

        names_of_runs = (await store_of(world).cursor(broadcast)).cursor.run_names
        runs = [await store_of(world).runs.read(broadcast, name) for name in names_of_runs]

        assert [len(keys) for _, keys in runs] == [1_000, 2_000, 2_000]
        assert all(kind == "user" and keys == sorted(keys) for kind, keys in runs)

    in_a_world(scenario)


def test_sending_starts_after_the_first_run() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(5_000))
        broadcast = await world.accept(everyone=True)
        events: list[str] = []

        async def hook(call: Call) -> None:
            await asyncio.sleep(0)
            if call.moment is Moment.AFTER and call.verb in ("put", "write"):
                keys = [operation.key.split("!")[0] for operation in call.operations]
                events.append(call.store if call.verb == "put" else keys[0])

        world.account.use_hook(hook)
        await a_planner(world).handle(broadcast)

        # The run, its step, its batches, a nudge for each lane; and only then the second run.
        assert events[:7] == ["run", "cursor", "batch", *[names.SEND_QUEUE] * 4]
        nudges = [unpack_nudge(body) for body in world.account.queue(names.SEND_QUEUE).take()]
        assert [nudge.batch for nudge in nudges] == [0, 1, 2, 3]

    in_a_world(scenario)


def test_a_step_writes_twenty_batches_with_its_cursor() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(7_000))
        broadcast = await world.accept(everyone=True)
        sizes: list[int] = []

        async def hook(call: Call) -> None:
            await asyncio.sleep(0)
            batches = [operation for operation in call.operations if operation.key.startswith("batch!")]
            if call.moment is Moment.BEFORE and batches:
                sizes.append(len(batches))
                assert call.operations[-1].key == "cursor"

        world.account.use_hook(hook)
        await a_planner(world).handle(broadcast)

        assert sizes == [10, 20, 20, 20]

    in_a_world(scenario)


def test_a_plan_costs_few_calls() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(10_000))
        broadcast = await world.accept(everyone=True)
        calls = 0

        async def hook(call: Call) -> None:
            nonlocal calls
            await asyncio.sleep(0)
            calls += call.moment is Moment.BEFORE

        world.account.use_hook(hook)
        await a_planner(world).handle(broadcast)

        assert calls < 0.01 * 10_000

    in_a_world(scenario)


def test_nobody_installed_is_a_plan_of_nothing_that_ends() -> None:
    async def scenario(world: World) -> None:
        broadcast = await world.accept(everyone=True)

        await a_planner(world).handle(broadcast)

        head = await store_of(world).head(broadcast)
        assert head.finished_at is not None
        assert head.final_outcomes == ""
        assert await world.app().directory.open_broadcasts() == []

    in_a_world(scenario)


def test_who_left_the_app_is_not_among_everyone_installed_and_who_blocked_it_is() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(10))
        left, blocked = f"user!{object_id(3)}", f"user!{object_id(4)}"
        at = timestamp(EPOCH)
        await world.app().conversations.mark(TENANT, left, ReferenceState.UNINSTALLED, at=at)
        await world.app().conversations.mark(TENANT, blocked, ReferenceState.BLOCKED, at=at)

        broadcast = await world.accept(everyone=True)
        await plan_to_the_end(world, broadcast)

        found = await planned(world, broadcast)
        assert (len(found), left in found, blocked in found) == (9, False, True)

    in_a_world(scenario)


def test_a_planner_whose_time_is_up_nudges_itself() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(3_000))
        broadcast = await world.accept(everyone=True)
        plans = world.account.queue(names.PLAN_QUEUE)
        plans.take()

        async def slow(_call: Call) -> None:
            await asyncio.sleep(3)

        world.account.use_hook(slow)
        await a_planner(world).handle(broadcast)
        world.account.use_hook(yielding)

        assert [unpack_nudge(body).broadcast for body in plans.take()] == [broadcast]
        assert not (await store_of(world).cursor(broadcast)).cursor.is_finished
        await plan_to_the_end(world, broadcast)
        await assert_complete(world, broadcast, range(3_000))

    in_a_world(scenario)


def test_a_plan_goes_on_also_where_reading_its_runs_takes_all_of_a_planners_time() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(1_500))
        broadcast = await world.accept(everyone=True)

        async def slow(call: Call) -> None:
            if call.moment is Moment.BEFORE and call.verb == "get":
                await asyncio.sleep(25)

        world.account.use_hook(slow)
        for _ in range(10):
            await a_planner(world).handle(broadcast)

        world.account.use_hook(yielding)
        await assert_complete(world, broadcast, range(1_500))

    in_a_world(scenario)


@pytest.mark.parametrize("at", [0.5, 3.0, 6.0])
def test_a_cancelled_plan_stops(at: float) -> None:
    async def scenario(world: World) -> None:
        await world.install(range(5_000))
        broadcast = await world.accept(everyone=True)

        async def slow(_call: Call) -> None:
            await asyncio.sleep(0.1)

        world.account.use_hook(slow)
        planning = asyncio.create_task(a_planner(world).handle(broadcast))
        await asyncio.sleep(at)
        await store_of(world).changes.cancel(broadcast, at=world.account.now())
        cursor = (await store_of(world).cursor(broadcast)).cursor
        await planning

        after = (await store_of(world).cursor(broadcast)).cursor
        assert after.phase is not Phase.FINISHED
        # What was under way is still written, and nothing behind it.
        assert after.batches - cursor.batches <= 20

    in_a_world(scenario)


def test_a_nudge_for_an_unknown_broadcast_is_dropped() -> None:
    async def scenario(world: World) -> None:
        await a_planner(world).handle("nobody-knows-it")

        assert world.account.table(names.BROADCASTS).partitions() == []
        assert world.account.queue(names.PLAN_QUEUE).messages == []

    in_a_world(scenario)


def test_a_finished_plan_is_not_planned_again() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(1_500))
        broadcast = await world.accept(everyone=True)
        await plan_to_the_end(world, broadcast)
        before = world.account.table(names.BROADCASTS).rows(broadcast)

        await a_planner(world).handle(broadcast)

        assert world.account.table(names.BROADCASTS).rows(broadcast) == before

    in_a_world(scenario)


def test_a_planner_that_comes_too_late_does_not_change_a_run_that_is_valid() -> None:
    async def scenario(world: World) -> None:
        # Every second number is installed, so that the first run ends at the person 1,998.
        await world.install(range(0, 3_000, 2))
        broadcast = await world.accept(everyone=True)
        first_has_saved, second_has_saved = asyncio.Event(), asyncio.Event()

        async def hook(call: Call) -> None:
            await asyncio.sleep(0)
            keys = [operation.key for operation in call.operations]
            if call.moment is Moment.BEFORE and keys == ["cursor"]:
                if not first_has_saved.is_set():
                    first_has_saved.set()
                    await second_has_saved.wait()
                elif not second_has_saved.is_set():
                    second_has_saved.set()
                    raise StorageUnavailable("the second planner dies here")

        world.account.use_hook(hook)
        first = asyncio.create_task(a_planner(world).handle(broadcast))
        await first_has_saved.wait()
        # More people install meanwhile: the run of a second planner ends at the person 999.
        await world.install(range(1, 1_000, 2))
        await a_planner(world).handle(broadcast)
        await first
        world.account.use_hook(yielding)
        await plan_to_the_end(world, broadcast)

        deliveries = await planned(world, broadcast)
        assert set(deliveries.values()) == {1}
        assert {f"user!{object_id(number)}" for number in range(0, 3_000, 2)} <= set(deliveries)

    in_a_world(scenario)


def test_the_head_is_all_that_a_sender_needs_of_a_plan() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(150))
        broadcast = await world.accept(everyone=True)
        await plan_to_the_end(world, broadcast)

        head: Broadcast = await store_of(world).head(broadcast)
        batch = await store_of(world).batch(broadcast, 1)

        assert head.lanes.sends == 4
        assert batch is not None
        assert [recipient.conversation for recipient in batch.recipients][:2] == ["a%3A100", "a%3A101"]

    in_a_world(scenario)
