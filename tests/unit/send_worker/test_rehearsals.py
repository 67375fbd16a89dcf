"""Rehearsals, slow starts and the tenant's switch: the whole pipeline on twins, in virtual time."""

import asyncio

import pytest

from shared.domain.modes import Mode
from shared.domain.outcomes import State
from shared.domain.rehearsals import Ramp
from shared.storage import names
from tests.twins.teams import MemoryConnector
from tests.twins.world import TENANT, World, in_a_world

URL = "https://herald.test/api/broadcasts"
TEN_MINUTES = 600.0


def batches_of(world: World, broadcast: str) -> list[str]:
    """The keys of the broadcast's batch rows."""
    return [key for key in world.account.table(names.BROADCASTS).rows(broadcast) if key.startswith("batch!")]


@pytest.mark.parametrize("instances", [1, 3])
def test_a_slow_start_lets_the_others_wait_until_the_first_were_tried(instances: int) -> None:
    async def scenario(world: World) -> None:
        await world.install(range(250))
        world.start(instances)
        broadcast = await world.accept(everyone=True, ramp=Ramp(people=30, wait=TEN_MINUTES))

        await asyncio.sleep(TEN_MINUTES - 10)
        first = await world.report(broadcast)
        seconds = await world.finished(broadcast)

        assert (first["state"], first["total"], first["planned"]) == ("sending", 30, False)
        assert first["counts"] == first["counts"] | {"sent": 30}
        assert set(world.connector.received.values()) == {1}
        assert world.states(broadcast) == {State.SENT: 250}
        assert 0 < seconds < 120

    in_a_world(scenario)


def test_a_slow_start_cuts_the_first_batches_to_exactly_its_people() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(1_200))
        world.start()
        broadcast = await world.accept(everyone=True, ramp=Ramp(people=230, wait=TEN_MINUTES))

        await asyncio.sleep(TEN_MINUTES / 2)

        assert world.states(broadcast) == {State.SENT: 230}
        assert len(batches_of(world, broadcast)) == 3
        await world.finished(broadcast)
        assert world.states(broadcast) == {State.SENT: 1_200}
        assert set(world.connector.received.values()) == {1}

    in_a_world(scenario)


def test_a_slow_start_waits_for_first_people_whose_nudges_were_lost() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(50))
        broadcast = await world.accept(everyone=True, ramp=Ramp(people=20, wait=TEN_MINUTES))
        world.account.queue(names.PLAN_QUEUE).messages.clear()
        world.start()
        async with asyncio.timeout(300):
            while not world.account.queue(names.SEND_QUEUE).messages:
                await asyncio.sleep(0.01)
        world.account.queue(names.SEND_QUEUE).messages.clear()

        await asyncio.sleep(TEN_MINUTES)

        assert world.states(broadcast) == {State.SENT: 20}
        await world.finished(broadcast)
        assert world.states(broadcast) == {State.SENT: 50}

    in_a_world(scenario)


def test_a_slow_start_is_none_where_the_first_people_are_all() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(5))
        world.start()

        broadcast = await world.accept(users=range(5), ramp=Ramp(people=5, wait=TEN_MINUTES))

        assert await world.finished(broadcast) < 120
        assert world.states(broadcast) == {State.SENT: 5}

    in_a_world(scenario)


def test_a_dry_run_counts_and_leaves_nothing_that_could_be_sent() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(1_040))
        world.start(2)

        broadcast = await world.accept(users=range(1_030, 1_060), everyone=True, mode=Mode.DRY_RUN)
        await world.finished(broadcast)

        report = await world.report(broadcast)
        assert (report["state"], report["mode"], report["total"]) == ("finished", "dry_run", 0)
        assert report["rehearsal"] == {
            "recipients": 1_060,
            "counts": {
                "reachable": 1_040,
                "blocked": 0,
                "to_install": 20,
                "user_not_found": 0,
                "conversation_gone": 0,
                "opted_out": 0,
            },
            "message_bytes": len(await world.app().broadcasts.content(broadcast)),
            # 1,040 messages, and 20 that need a chat first, at 49.75 requests a second.
            "estimated_seconds": 22,
        }
        assert batches_of(world, broadcast) == []
        assert world.posts() == 0

    in_a_world(scenario)


def test_a_dry_run_of_a_slow_start_counts_everybody_and_tells_its_wait() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(40))
        world.start()

        ramp = Ramp(people=10, wait=TEN_MINUTES)
        broadcast = await world.accept(everyone=True, mode=Mode.DRY_RUN, ramp=ramp)
        await world.finished(broadcast, within=180)

        rehearsal = (await world.report(broadcast))["rehearsal"]
        assert isinstance(rehearsal, dict)
        assert (rehearsal["recipients"], rehearsal["estimated_seconds"]) == (40, 601)

    in_a_world(scenario)


def test_a_sandbox_does_everything_but_the_calls() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(300))
        known = world.account.table(names.CONVERSATIONS)
        references = {key: dict(values) for key, values in known.rows(TENANT).items()}
        world.start(2)

        # The last ten are strangers, with whom a chat would have to be created.
        broadcast = await world.accept(users=range(290, 310), everyone=True, mode=Mode.SANDBOX)
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 310}
        assert world.posts() == 0
        assert known.rows(TENANT) == references
        # Its slots are its own: what is sent in earnest keeps the whole pace.
        assert set(world.account.table(names.PACE).rows(TENANT)) == {"sandbox"}

    in_a_world(scenario)


def test_a_stopped_tenant_sends_nothing_until_it_goes_on() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(1_500))
        world.start(2)
        broadcast = await world.accept(everyone=True)
        await asyncio.sleep(10)
        switch = world.app().pacers.of(TENANT).switch

        await switch.stop()
        await asyncio.sleep(10)
        at_first, posts = await world.report(broadcast), world.posts()
        await asyncio.sleep(300)

        assert 0 < posts < 1_500
        assert world.posts() == posts
        assert (at_first["state"], at_first["paused_for"]) == ("paused", "tenant_stopped")
        await switch.go_on()
        await world.finished(broadcast)
        assert world.states(broadcast) == {State.SENT: 1_500}
        assert set(world.connector.received.values()) == {1}

    in_a_world(scenario)


def test_the_switch_works_without_a_limit_too() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(100))
        switch = world.app().pacers.of(TENANT).switch
        await switch.stop()
        world.start()

        broadcast = await world.accept(everyone=True)
        await asyncio.sleep(120)

        assert world.posts() == 0
        await switch.go_on()
        await world.finished(broadcast)
        assert world.states(broadcast) == {State.SENT: 100}

    in_a_world(scenario, connector=MemoryConnector(rate=None), pace=None)
