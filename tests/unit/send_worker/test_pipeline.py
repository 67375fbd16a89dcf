"""The pipeline as a whole, on twins and in virtual time: pace, crashes, faults, wishes."""

import asyncio
import random
from datetime import timedelta

import pytest

from shared.domain.broadcasts import DeliveryMode, PauseReason, Priority, unpack_counts
from shared.domain.outcomes import Outcome, State
from shared.errors import RowConflict
from shared.storage import names
from shared.teams.answers import Answer, Verdict
from shared.work.taking import MOST_FRUITLESS
from tests.twins.storage import Call, Moment
from tests.twins.teams import MemoryConnector
from tests.twins.world import TENANT, World, in_a_world, object_id


def rate_of(connector: MemoryConnector) -> float:
    """Deliveries a second between the first and the 99.9th percentile of the posts."""
    posted = connector.posted_at
    last = int(len(posted) * 0.999) - 1
    return last / (posted[last] - posted[0])


@pytest.mark.parametrize("instances", [1, 2, 4])
def test_any_number_of_instances_shares_one_limit(instances: int) -> None:
    async def scenario(world: World) -> None:
        await world.install(range(3_000))
        world.start(instances)

        broadcast = await world.accept(everyone=True)
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 3_000}
        assert set(world.connector.received.values()) == {1}
        assert world.connector.throttled == 0
        assert rate_of(world.connector) >= 49.0

    in_a_world(scenario)


def test_without_a_limit_nothing_waits_for_a_slot() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(3_000))
        world.start()

        broadcast = await world.accept(everyone=True)
        seconds = await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 3_000}
        assert seconds < 15

    in_a_world(scenario, connector=MemoryConnector(rate=None), pace=None)


def test_a_few_named_people_are_sent_to_without_the_planner() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(5))

        broadcast = await world.accept(users=range(5))

        assert world.account.queue(names.PLAN_QUEUE).messages == []
        world.start()
        await world.finished(broadcast)
        assert world.states(broadcast) == {State.SENT: 5}

    in_a_world(scenario)


def test_named_people_and_everyone_installed_collapse_to_one_delivery() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(1_500))
        world.start()

        broadcast = await world.accept(users=range(1_000, 2_000), everyone=True)
        await world.finished(broadcast)

        assert sum(world.states(broadcast).values()) == 2_000
        assert set(world.connector.received.values()) == {1}

    in_a_world(scenario)


def test_a_person_without_a_conversation_gets_one_and_it_is_kept() -> None:
    async def scenario(world: World) -> None:
        world.start()

        broadcast = await world.accept(users=[7])
        await world.finished(broadcast)

        assert world.connector.received == {object_id(7): 1}
        assert len(world.connector.posted_at) == 2
        (kept,) = world.account.table(names.CONVERSATIONS).rows("00000000-0000-0000-0000-00000000aaaa").values()
        assert kept["conversation"] == object_id(7)

    in_a_world(scenario)


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict.NOT_INSTALLED, "not_installed"),
        (Verdict.BLOCKED_BY_USER, "blocked_by_user"),
        (Verdict.BLOCKED_BY_ADMIN, "blocked_by_admin"),
        (Verdict.CONVERSATION_GONE, "conversation_gone"),
        (Verdict.REJECTED, "message_rejected"),
        (Verdict.TOO_LARGE, "message_too_large"),
        (Verdict.SERVICE_ERROR, "service_error"),
    ],
)
def test_one_refused_person_harms_nobody_else(verdict: Verdict, reason: str) -> None:
    def rule(whom: str) -> Answer | None:
        # Neither is the person reached by a conversation that is created anew.
        return Answer(kind=verdict) if whom in ("a:123", object_id(123)) else None

    async def scenario(world: World) -> None:
        await world.install(range(300))
        world.start()

        broadcast = await world.accept(everyone=True)
        await world.finished(broadcast)

        head = await world.app().broadcasts.head(broadcast)
        assert world.states(broadcast) == {State.SENT: 299, State.UNDELIVERABLE: 1}
        assert Outcome[reason.upper()].value + "1" in head.final_outcomes.split()

    in_a_world(scenario, connector=MemoryConnector(rule=rule))


@pytest.mark.parametrize(
    "gone",
    [
        Answer(kind=Verdict.CONVERSATION_GONE, code="ConversationNotFound"),
        Answer(kind=Verdict.NOT_INSTALLED, code="BotNotInConversationRoster"),
    ],
)
@pytest.mark.parametrize("mode", DeliveryMode)
def test_a_person_whose_conversation_is_gone_is_reached_by_a_new_one(gone: Answer, mode: DeliveryMode) -> None:
    def rule(whom: str) -> Answer | None:
        return gone if whom == "a:123" else None

    async def scenario(world: World) -> None:
        await world.install(range(300))
        world.start()

        broadcast = await world.accept(everyone=True, delivery=mode)
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 300}
        assert world.connector.received[object_id(123)] == 1
        # One request for each of the others; for this one the refused post, the creation, and the post.
        assert len(world.connector.posted_at) == 299 + 3
        kept = world.account.table(names.CONVERSATIONS).rows(TENANT)[f"user!{object_id(123)}"]
        assert kept["conversation"] == object_id(123)

    in_a_world(scenario, connector=MemoryConnector(rule=rule))


@pytest.mark.parametrize("mode", DeliveryMode)
def test_credentials_that_are_refused_pause_a_broadcast_and_lose_nobody(mode: DeliveryMode) -> None:
    refused = True

    def rule(_whom: str) -> Answer | None:
        return Answer(kind=Verdict.UNAUTHORIZED) if refused else None

    async def scenario(world: World) -> None:
        nonlocal refused
        await world.install(range(1_000))
        world.start(2)
        store = world.app().broadcasts

        broadcast = await world.accept(everyone=True, delivery=mode)
        await asyncio.sleep(30)
        paused, tries = await store.head(broadcast), len(world.connector.posted_at)

        assert paused.paused is PauseReason.BLOCKED_AUTH
        assert world.states(broadcast) == {State.PENDING: 1_000}
        # Each process finds out by itself, and the groups that were under way are all that it costs.
        assert 0 < tries <= 2 * 100

        refused = False
        await store.changes.resume(broadcast)
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 1_000}
        assert set(world.connector.received.values()) == {1}

    in_a_world(scenario, connector=MemoryConnector(rule=rule))


def test_a_message_that_everybody_would_refuse_is_stopped_early() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(1_000))
        world.start()

        broadcast = await world.accept(everyone=True)
        await asyncio.sleep(120)

        head = await world.app().broadcasts.head(broadcast)
        assert head.paused is PauseReason.MESSAGE_REJECTED
        assert world.states(broadcast)[State.PENDING] >= 850

    in_a_world(scenario, connector=MemoryConnector(rule=lambda _whom: Answer(kind=Verdict.REJECTED)))


def test_everyone_is_reached_in_spite_of_503_answers() -> None:
    dice = random.Random(1)

    def rule(_whom: str) -> Answer | None:
        return Answer(kind=Verdict.BUSY) if dice.random() < 0.05 else None

    async def scenario(world: World) -> None:
        await world.install(range(1_000))
        world.start(2)

        broadcast = await world.accept(everyone=True)
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 1_000}
        assert set(world.connector.received.values()) == {1}

    in_a_world(scenario, connector=MemoryConnector(rule=rule))


def test_a_retry_that_is_due_much_later_leaves_its_lane_and_is_woken_by_the_tick() -> None:
    left = [Answer(kind=Verdict.THROTTLED, retry_after=100.0)]

    def rule(whom: str) -> Answer | None:
        return left.pop() if whom == "a:3" and left else None

    async def scenario(world: World) -> None:
        await world.install(range(500))
        world.start()

        broadcast = await world.accept(everyone=True)
        await asyncio.sleep(30)
        assert world.states(broadcast) == {State.SENT: 499, State.DEFERRED: 1}

        seconds = await world.finished(broadcast)
        assert 70 < seconds < 200
        assert world.states(broadcast) == {State.SENT: 500}

    in_a_world(scenario, connector=MemoryConnector(rule=rule))


@pytest.mark.parametrize("mode", list(DeliveryMode))
def test_a_killed_instance_loses_nobody_and_doubles_only_what_stood_in_sending(mode: DeliveryMode) -> None:
    async def scenario(world: World) -> None:
        await world.install(range(2_000))
        world.start(2)
        broadcast = await world.accept(everyone=True, delivery=mode)
        standing = 0
        for _ in range(3):
            await asyncio.sleep(7.3)
            victim = world.instances.pop(0)
            await victim.stop()
            standing += world.states(broadcast).get(State.SENDING, 0)
            world.start()

        await world.finished(broadcast)

        doubled = sum(count - 1 for count in world.connector.received.values())
        states = world.states(broadcast)
        assert sum(states.values()) == 2_000
        if mode is DeliveryMode.AT_LEAST_ONCE:
            assert states == {State.SENT: 2_000}
            assert len(world.connector.received) == 2_000
            assert doubled <= standing <= 600
        else:
            assert doubled == 0
            assert states[State.SENT] + states.get(State.UNCERTAIN, 0) == 2_000

    in_a_world(scenario)


def test_doubled_and_lost_nudges_change_nothing_but_time() -> None:
    async def scenario(world: World) -> None:
        dice = random.Random(3)
        sends = world.account.queue(names.SEND_QUEUE)
        put = sends.put

        async def unreliable(body: bytes, *, delay: float = 0) -> None:
            for _ in range(dice.choice([0, 1, 2, 2])):
                await put(body, delay=delay)

        sends.put = unreliable  # type: ignore[method-assign]
        await world.install(range(1_500))
        world.start(3)

        broadcast = await world.accept(everyone=True)
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 1_500}
        assert set(world.connector.received.values()) == {1}

    in_a_world(scenario)


def test_writes_whose_answers_are_lost_are_recognised_as_ones_own() -> None:
    """The client below tries again when an answer is lost, and then reads its own success as a conflict."""

    async def scenario(world: World) -> None:
        dice = random.Random(5)

        async def hook(call: Call) -> None:
            await asyncio.sleep(0)
            lost = call.moment is Moment.AFTER and call.verb == "write" and call.store != names.CONVERSATIONS
            if lost and dice.random() < 0.1:
                raise RowConflict("the second try met the first one's success")

        await world.install(range(1_000))
        world.start(2)
        broadcast = await world.accept(everyone=True)
        world.account.use_hook(hook)

        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 1_000}
        assert set(world.connector.received.values()) == {1}

    in_a_world(scenario)


def test_a_cancelled_broadcast_stops_within_seconds_and_its_sums_add_up() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(2_000))
        world.start(2)
        broadcast = await world.accept(everyone=True)
        await asyncio.sleep(15)

        cancelled_at = world.account.now()
        await world.app().broadcasts.changes.cancel(broadcast, at=cancelled_at)
        posted = len(world.connector.posted_at)
        await world.finished(broadcast)

        head = await world.app().broadcasts.head(broadcast)
        counts = unpack_counts(head.final_outcomes)
        assert len(world.connector.posted_at) - posted <= 10 * 50
        assert counts.total() == 2_000
        assert counts[Outcome.SENT] == len(world.connector.received)
        assert counts[Outcome.CANCELLED] == 2_000 - counts[Outcome.SENT]

    in_a_world(scenario)


def test_an_expired_broadcast_sends_nothing_after_its_time() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(2_000))
        world.start()
        broadcast = await world.accept(everyone=True, expires_after=timedelta(seconds=20))

        await world.finished(broadcast)

        head = await world.app().broadcasts.head(broadcast)
        counts = unpack_counts(head.final_outcomes)
        assert max(world.connector.posted_at) <= 20
        assert counts.total() == 2_000
        assert counts[Outcome.EXPIRED] == 2_000 - len(world.connector.received) > 0

    in_a_world(scenario)


def test_a_throttled_tenant_slows_down_and_everyone_is_still_reached() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(2_000))
        world.start(2)

        broadcast = await world.accept(everyone=True)
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 2_000}
        assert rate_of(world.connector) > 24
        assert world.connector.throttled < 0.05 * 2_000

    in_a_world(scenario, connector=MemoryConnector(rate=30.0, depth=30.0))


def test_an_urgent_message_does_not_wait_behind_a_large_one() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(2_000))
        world.start()
        await world.accept(everyone=True)
        await asyncio.sleep(10)

        urgent = await world.accept(users=[1_999], key="urgent", priority=Priority.URGENT)
        seconds = await world.finished(urgent)

        assert seconds < 3

    in_a_world(scenario)


def test_a_batch_that_kills_its_process_is_set_aside_and_its_neighbours_are_sent() -> None:
    deadly = asyncio.Event()

    def rule(whom: str) -> Answer | None:
        if whom == "a:120":
            deadly.set()
        return None

    async def scenario(world: World) -> None:
        await world.install(range(300))
        world.start()
        broadcast = await world.accept(everyone=True)
        kills = 0
        while "parked!00000001" not in world.account.table(names.BROADCASTS).rows(broadcast):
            if deadly.is_set():
                deadly.clear()
                await world.instances.pop().stop()
                world.start()
                kills += 1
            await asyncio.sleep(0.01)

        await asyncio.sleep(200)

        assert MOST_FRUITLESS <= kills <= 3 * MOST_FRUITLESS
        assert (await world.app().broadcasts.head(broadcast)).finished_at is None
        states = world.states(broadcast)
        assert states[State.SENT] >= 200
        assert sum(states.values()) == 300

    in_a_world(scenario, connector=MemoryConnector(rule=rule, latency=0.1))
