"""The sender under attack: storms of faults, slow tenants, stragglers, and what they may cost others."""

import asyncio
import logging
import random

import pytest

from shared.domain.batches import Note, Progress
from shared.domain.broadcasts import DeliveryMode, PauseReason, Priority, unpack_counts
from shared.domain.outcomes import Outcome, State
from shared.domain.pacing import Pace
from shared.envelopes import Nudge, pack_nudge
from shared.errors import RowConflict, StorageUnavailable
from shared.storage import names
from shared.storage.broadcast_keys import due_key, lane_key
from shared.storage.broadcasts import Broadcasts
from shared.storage.pace import PaceRows
from shared.storage.rows import insert, merge
from shared.teams.answers import Answer, Verdict
from tests.twins.storage import Call, Moment, yielding
from tests.twins.teams import MemoryConnector
from tests.twins.world import TENANT, World, in_a_world


def store_of(world: World) -> Broadcasts:
    return Broadcasts(world.account.table(names.BROADCASTS))


def count_nudges(world: World, *, most: int = 100_000) -> list[int]:
    """Counts what is put into `sends` from now on, and ends a world in which that is more than `most`."""
    sends, puts = world.account.queue(names.SEND_QUEUE), [0]
    put = sends.put

    async def counted(body: bytes, *, delay: float = 0) -> None:
        puts[0] += 1
        if puts[0] <= most:
            await put(body, delay=delay)

    sends.put = counted  # type: ignore[method-assign]
    return puts


def doubled(world: World) -> int:
    return sum(number - 1 for number in world.connector.received.values())


@pytest.mark.parametrize("mode", list(DeliveryMode))
@pytest.mark.parametrize("seed", range(4))
def test_a_storm_of_every_fault_loses_nobody(seed: int, mode: DeliveryMode) -> None:
    """Storage that fails before and after its writes, processes that die, answers that are refused or lost."""
    dice = random.Random(seed)
    stormy = True

    def rule(_whom: str) -> Answer | None:
        if not stormy or dice.random() > 0.05:
            return None
        return Answer(kind=dice.choice([Verdict.BUSY, Verdict.ANSWER_LOST, Verdict.UNREACHABLE, Verdict.THROTTLED]))

    async def hook(call: Call) -> None:
        await asyncio.sleep(dice.choice([0.0, 0.01, 0.03]))
        if not stormy or call.store == names.CONVERSATIONS or dice.random() > 0.01:
            return
        if call.verb == "write" and call.moment is Moment.AFTER and dice.random() < 0.5:
            raise RowConflict("the second try met the first one's success")
        raise StorageUnavailable("busy")

    async def scenario(world: World) -> None:
        nonlocal stormy
        await world.install(range(900))
        broadcast = await world.accept(everyone=True, delivery=mode)
        world.start(2)
        world.account.use_hook(hook)
        for _ in range(3):
            await asyncio.sleep(dice.uniform(3, 15))
            await world.instances.pop(0).stop()
            world.start()
        stormy = False
        await world.finished(broadcast)

        states = world.states(broadcast)
        head = await store_of(world).head(broadcast)
        assert sum(states.values()) == unpack_counts(head.final_outcomes).total() == 900
        assert states.get(State.SENT, 0) + states.get(State.UNCERTAIN, 0) == 900
        if mode is DeliveryMode.AT_MOST_ONCE:
            assert doubled(world) == 0
        else:
            assert len(world.connector.received) == 900

    async def ticking(world: World) -> None:
        # A sweep that storage fails is one that did not come: the next minute brings another.
        run = world._tick

        async def tick() -> None:
            while True:
                try:
                    await run()
                except StorageUnavailable:
                    continue

        world._tick = tick  # type: ignore[method-assign]
        await scenario(world)

    in_a_world(ticking, connector=MemoryConnector(rule=rule))


def test_several_broadcasts_of_one_tenant_share_its_pace_and_all_end() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(500))
        world.start(2)
        broadcasts = []
        for number in range(3):
            broadcasts.append(await world.accept(everyone=True, key=f"k{number}"))
            await asyncio.sleep(0.01)

        for broadcast in broadcasts:
            await world.finished(broadcast, within=300)

        assert set(world.connector.received.values()) == {3}
        assert world.connector.throttled == 0

    in_a_world(scenario)


@pytest.mark.parametrize("number", [1, 2, 30])
def test_nudges_for_a_batch_that_is_held_write_nothing(number: int) -> None:
    async def scenario(world: World) -> None:
        await world.install(range(300))
        world.start()
        broadcast = await world.accept(everyone=True)
        await asyncio.sleep(1)
        puts = count_nudges(world)
        sends = world.account.queue(names.SEND_QUEUE)
        for _ in range(number):
            await sends.put(pack_nudge(Nudge(broadcast=broadcast, batch=0)))

        await world.finished(broadcast, within=30)

        assert set(world.connector.received.values()) == {1}
        # Those that find the process full come again a little later, once or twice.
        assert puts[0] <= 3 * number + 4

    in_a_world(scenario)


def test_nudges_do_not_breed_where_a_tenant_is_slow() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(1_000))
        world.start()
        puts = count_nudges(world, most=2_000)

        await world.accept(everyone=True)
        await asyncio.sleep(180)

        # Four lanes, nudged by three sweeps and at the end of each half minute.
        assert puts[0] < 100

    in_a_world(scenario, connector=MemoryConnector(rate=5.0, depth=5.0))


@pytest.mark.parametrize("instances", [1, 2])
def test_nudges_do_not_breed_where_the_connector_refuses_a_good_token(instances: int) -> None:
    async def scenario(world: World) -> None:
        await world.install(range(5_000))
        world.start(instances)
        puts = count_nudges(world, most=5_000)
        # Everybody is deferred, so that fifty batches are due at the same time.
        await world.accept(everyone=True)
        await asyncio.sleep(100)
        before = puts[0]
        # A token can be had, and the Connector refuses it: the bot's registration is gone.
        world.connector.rule = lambda _whom: Answer(kind=Verdict.UNAUTHORIZED)

        await asyncio.sleep(300)

        # Five sweeps, and each may wake the lanes and the markers once.
        assert puts[0] - before < 1_000

    in_a_world(scenario, connector=MemoryConnector(rule=lambda _whom: Answer(kind=Verdict.BUSY, retry_after=100.0)))


def test_a_broadcast_whose_secret_has_expired_goes_on_by_itself() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(300))
        world.connector.refuses_tokens = True
        world.start(2)
        broadcast = await world.accept(everyone=True)
        await asyncio.sleep(3_600)

        assert world.states(broadcast) == {State.PENDING: 300}
        assert (await store_of(world).head(broadcast)).paused is PauseReason.BLOCKED_AUTH

        world.connector.refuses_tokens = False
        await world.finished(broadcast, within=120)

        assert world.states(broadcast) == {State.SENT: 300}
        assert doubled(world) == 0

    in_a_world(scenario)


def test_one_person_who_is_always_throttled_does_not_hold_up_a_lane() -> None:
    def rule(whom: str) -> Answer | None:
        return Answer(kind=Verdict.THROTTLED, retry_after=5.0) if whom == "a:50" else None

    async def scenario(world: World) -> None:
        await world.install(range(1_000))
        world.start()
        count_nudges(world, most=500)

        broadcast = await world.accept(everyone=True)
        await asyncio.sleep(300)

        assert world.states(broadcast)[State.SENT] == 999

    in_a_world(scenario, connector=MemoryConnector(rule=rule))


def test_one_person_who_is_throttled_leaves_the_tenant_its_pace() -> None:
    def rule(whom: str) -> Answer | None:
        return Answer(kind=Verdict.THROTTLED, retry_after=2.0) if whom == "a:50" else None

    async def scenario(world: World) -> None:
        await world.install(range(3_000))
        world.start()
        count_nudges(world, most=500)

        await world.accept(everyone=True)
        await asyncio.sleep(40)

        assert len(world.connector.received) > 40 * 45
        found = await PaceRows(world.account.table(names.PACE)).read(TENANT)
        assert found is not None
        assert found[0].epoch == 0

    in_a_world(scenario, connector=MemoryConnector(rule=rule))


def test_large_urgent_broadcasts_are_sent_at_a_fifth_of_the_pace() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(600))
        world.start()
        count_nudges(world, most=2_000)
        broadcasts = []
        for number in range(3):
            broadcasts.append(await world.accept(everyone=True, key=f"k{number}", priority=Priority.URGENT))
            await asyncio.sleep(0.01)

        # A fifth of the pace is ten a second: 180 s for all of them, and as much again for whatever goes wrong.
        await asyncio.sleep(360)

        assert [world.states(broadcast) for broadcast in broadcasts] == [{State.SENT: 600}] * 3

    in_a_world(scenario)


def test_a_pause_of_hours_is_waited_for() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(50))
        # All instances were told to rest for hours.
        rest = Pace(rate=49.75, next_at=world.account.now() + 9_000, urgent_next_at=0.0, rate_at=0.0, epoch=1)
        await PaceRows(world.account.table(names.PACE)).swap(TENANT, rest, etag=None)
        broadcast = await world.accept(users=range(50))

        await answer_the_nudge(world, broadcast)

    in_a_world(scenario)


async def answer_the_nudge(world: World, broadcast: str) -> None:
    """Answer the one nudge as the queue's trigger does, so that an error shows."""
    world.start()
    pipeline = world.instances[0].pipeline
    world.account.queue(names.SEND_QUEUE).take()
    await pipeline.sender.handle(broadcast, 0)


def test_what_stood_in_sending_at_a_kill_is_uncertain_after_a_cancel() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(100))
        world.start()
        broadcast = await world.accept(users=range(100))
        await asyncio.sleep(1.0)
        await world.instances.pop().stop()
        standing = world.states(broadcast)[State.SENDING]
        assert standing > 0
        await asyncio.sleep(50)
        # A nudge that was under way meets the cancel: the lease of the dead holder is old by now.
        await store_of(world).changes.cancel(broadcast, at=world.account.now())
        await world.account.queue(names.SEND_QUEUE).put(pack_nudge(Nudge(broadcast=broadcast, batch=0)))
        world.start()

        await world.finished(broadcast)

        counts = unpack_counts((await store_of(world).head(broadcast)).final_outcomes)
        assert counts.total() == 100
        assert counts[Outcome.UNCERTAIN] == standing

    in_a_world(scenario)


def test_a_pace_row_that_fails_once_doubles_nobody() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(100))
        broadcast = await world.accept(users=range(100))
        strikes = 0

        async def hook(call: Call) -> None:
            nonlocal strikes
            await asyncio.sleep(0)
            # The first reservation of the batch is made; the second one fails, while the first is being posted.
            if call.store == names.PACE and call.moment is Moment.BEFORE and len(world.connector.posted_at) > 30:
                strikes += 1
                if strikes == 1:
                    raise StorageUnavailable("busy")

        world.account.use_hook(hook)
        world.start()
        await world.finished(broadcast)

        assert strikes > 0
        assert world.states(broadcast) == {State.SENT: 100}
        assert doubled(world) == 0

    # At twenty a second a batch takes three reservations.
    in_a_world(scenario, pace=20.0)


@pytest.mark.parametrize("latency", [0.0, 0.05])
def test_a_process_never_has_more_than_two_seconds_of_its_pace_in_sending(latency: float) -> None:
    async def scenario(world: World) -> None:
        await world.install(range(1_500))
        broadcast = await world.accept(everyone=True)
        most = 0

        async def slow(_call: Call) -> None:
            await asyncio.sleep(latency)

        world.account.use_hook(slow if latency else yielding)
        world.start()
        for _ in range(200):
            await asyncio.sleep(0.15)
            most = max(most, world.states(broadcast).get(State.SENDING, 0))

        assert 0 < most <= 100

    in_a_world(scenario, connector=MemoryConnector(latency=1.5))


def a_parked_batch() -> Progress:
    return Progress(
        outcomes="d",
        notes={0: Note(attempts=1, first_tried_at=1.0, due_at=2.0)},
        placed=False,
        due_marker=due_key(2.0, 0),
        fruitless=5,
    )


def test_a_batch_is_parked_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(world: World) -> None:
        await world.install(range(1))
        broadcast = await world.accept(users=range(1))
        world.account.queue(names.SEND_QUEUE).take()
        batch = await store_of(world).batch(broadcast, 0)
        assert batch is not None
        progress = a_parked_batch()
        # As it is left by a batch that gave up its place and whose one delivery is tried again.
        left = [insert(progress.due_marker, {}), merge(lane_key(0, 0), {"batch": 1})]
        await store_of(world).write_batch(broadcast, batch, progress, writer="w", writes=1, settle=True, also=left)
        world.start()

        await asyncio.sleep(300)

        assert "parked!00000000" in world.account.table(names.BROADCASTS).rows(broadcast)

    with caplog.at_level(logging.ERROR):
        in_a_world(scenario)
    assert len([record for record in caplog.records if "batch_parked" in record.getMessage()]) == 1
