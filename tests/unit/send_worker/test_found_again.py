"""What is held, blocked or left is found again: no stop, block or hole between two turns loses anybody."""

import asyncio
from collections import Counter

from messages.parts import poison_api
from shared.domain.outcomes import State
from shared.domain.rehearsals import Ramp
from shared.errors import StorageUnavailable
from shared.storage import names
from shared.storage.rows import insert, merge
from shared.teams.answers import Answer, Verdict
from tests.twins.graph import MemoryGraph, refusal
from tests.twins.storage import Call, Moment
from tests.twins.teams import MemoryConnector, Rule
from tests.twins.world import EPOCH, TENANT, World, in_a_world, object_id


def deferring_once(person: str) -> Rule:
    left = [person]

    def rule(whom: str) -> Answer | None:
        if whom in left:
            left.remove(whom)
            return Answer(kind=Verdict.THROTTLED, code="Throttled", retry_after=40.0)
        return Answer(kind=Verdict.BLOCKED_BY_USER) if whom == "a:1" else None

    return rule


def test_who_is_deferred_when_the_broadcast_is_held_is_sent_to_once_it_goes_on() -> None:
    """The tenant is stopped while the last answer of a batch is noted in the person's reference."""

    async def scenario(world: World) -> None:
        await world.install(range(10))
        world.start()
        switch = world.app().pacers.of(TENANT).switch

        async def slow_references(call: Call) -> None:
            # A block is noted: storage takes its time over it, and an operator stops the tenant meanwhile.
            if call.verb == "write" and call.moment is Moment.BEFORE:
                await switch.stop()
                await asyncio.sleep(4)

        world.account.table(names.CONVERSATIONS).hook = slow_references
        broadcast = await world.accept(everyone=True)
        await asyncio.sleep(60)
        await switch.go_on()
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 9, State.UNDELIVERABLE: 1}

    in_a_world(scenario, connector=MemoryConnector(rule=deferring_once("a:0")))


def test_a_stop_in_the_last_seconds_of_an_install_turn_loses_nobody() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        late = object_id(7)
        # One of the twenty is refused in passing, four times with three seconds.
        world.graph.rule = lambda request, person: (
            refusal(429, "TooManyRequests", retry_after=10.0) if person == late and request.method == "POST" else None
        )
        world.start()
        broadcast = await world.accept(users=range(20))
        switch = world.app().pacers.of(TENANT).switch
        while world.graph.requests["POST installedApps"] < 20 + 3:
            await asyncio.sleep(0.5)
        await asyncio.sleep(2)
        await switch.stop()
        await asyncio.sleep(60)
        world.graph.rule = None
        await switch.go_on()
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 20}

    in_a_world(scenario, graph=MemoryGraph())


def test_who_has_the_app_is_tried_again_while_installs_are_blocked() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.start()
        throttled = Counter(f"19:{object_id(n)}_bot@unq.gbl.spaces" for n in range(200))

        def rule(whom: str) -> Answer | None:
            if throttled[whom] > 0:
                throttled[whom] -= 1
                return Answer(kind=Verdict.BUSY, retry_after=60.0)
            return None

        world.connector.rule = rule
        broadcast = await world.accept(users=range(200))
        while world.graph.installs.total() < 200:
            await asyncio.sleep(0.5)
        # Everybody of these has the app and is deferred for a minute. Consent is withdrawn, and another finds out.
        await asyncio.sleep(5)
        world.graph.rule = lambda request, _: (
            refusal(403, "Forbidden", "Missing role permissions on the request. API requires one of 'X'.")
            if request.method == "POST"
            else None
        )
        await world.accept(users=range(1000, 1020), key="other")
        await asyncio.sleep(15 * 60)

        assert world.states(broadcast) == {State.SENT: 200}

    in_a_world(scenario, graph=MemoryGraph())


def test_the_wait_of_a_slow_start_begins_when_those_who_were_given_the_app_were_tried() -> None:
    async def scenario(world: World) -> None:
        world.start()
        table = world.account.table(names.PACE)
        await table.write(
            TENANT,
            [
                insert(
                    "connector",
                    {
                        "next_at": EPOCH + 1200.0,
                        "urgent_next_at": 0.0,
                        "rate": 49.75,
                        "rate_at": EPOCH,
                        "epoch": 1,
                        "stopped_at": 0.0,
                    },
                )
            ],
        )
        broadcast = await world.accept(users=range(60), ramp=Ramp(people=20, wait=300.0))
        await asyncio.sleep(1000)
        cursor = (await world.app().broadcasts.cursor(broadcast)).cursor

        assert world.posts() == 0
        assert cursor.recipients == 20
        assert cursor.goes_on_at == 0.0

    in_a_world(scenario, graph=MemoryGraph())


def test_a_switch_that_was_set_by_hand_where_no_row_was_holds() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(10))
        await world.account.table(names.PACE).write(TENANT, [insert("connector", {"stopped_at": EPOCH})])
        world.start()
        await world.accept(users=range(10))
        await asyncio.sleep(200)
        assert world.posts() == 0
        assert await world.app().pacers.of(TENANT).switch.is_stopped()

    in_a_world(scenario, connector=MemoryConnector(rate=None), pace=None)


def test_a_new_process_that_cannot_read_the_switch_sends_nothing() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(100))
        await world.app().pacers.of(TENANT).switch.stop()

        async def away(_call: Call) -> None:
            raise StorageUnavailable("the pace partition is busy")

        world.account.table(names.PACE).hook = away
        world.start()
        await world.accept(everyone=True)
        await asyncio.sleep(120)

        assert world.posts() == 0

    in_a_world(scenario, connector=MemoryConnector(rate=None), pace=None)


def test_a_parked_batch_of_a_recalled_broadcast_can_be_replayed_and_ends() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(150))
        world.start()
        broadcast = await world.accept(everyone=True)
        table, app = world.account.table(names.BROADCASTS), world.app()
        while "batch!00000001" not in table.rows(broadcast):
            await asyncio.sleep(0.05)
        await table.write(broadcast, [merge("batch!00000001", {"fruitless": 5, "lease": ""})])
        await asyncio.sleep(200)
        await app.directory.open(broadcast, tenant=TENANT, opened_at=app.clock.now(), revision=1)
        assert await app.broadcasts.changes.revise(
            await app.broadcasts.head(broadcast), content=None, at=app.clock.now()
        )
        await asyncio.sleep(200)

        replay = poison_api(app)._replay
        assert await replay.broadcast(broadcast) == [1]
        await world.finished(broadcast)

    in_a_world(scenario)
