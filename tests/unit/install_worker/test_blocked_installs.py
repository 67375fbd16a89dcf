"""What a tenant's block does to people who come to the app by another way meanwhile."""

import asyncio

import orjson

from messages import parts
from shared.domain.outcomes import State
from shared.storage import names
from shared.storage.broadcasts import Broadcasts
from tests.twins.graph import MemoryGraph, refusal
from tests.twins.world import World, in_a_world


def test_who_comes_to_the_app_by_another_way_does_not_wait_for_the_block() -> None:
    missing = refusal(403, "Forbidden", "Missing role permissions on the request.")

    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(users=range(60))
        await asyncio.sleep(30)
        await world.install(range(60))
        seconds = await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 60}
        assert seconds < 600

    in_a_world(scenario, graph=MemoryGraph(rule=lambda request, _: missing if request.method == "POST" else None))


def test_what_is_over_does_not_wait_for_the_block() -> None:
    missing = refusal(403, "Forbidden", "Missing role permissions on the request.")

    async def scenario(world: World) -> None:
        await world.install(range(10))
        world.start()
        broadcast = await world.accept(users=range(70))
        await asyncio.sleep(30)
        words = orjson.dumps({"content": {"text": "Hello again"}})
        await parts.wishes(world.app()).edit(broadcast, words, url="https://herald.test/api/broadcasts")
        await Broadcasts(world.account.table(names.BROADCASTS)).changes.cancel(broadcast, at=world.account.now())
        seconds = await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 10, State.AWAITING_INSTALL: 60}
        assert seconds < 300

    in_a_world(scenario, graph=MemoryGraph(rule=lambda request, _: missing if request.method == "POST" else None))


def test_a_probe_that_installs_the_app_ends_the_block_also_where_teams_tells_of_it() -> None:
    missing = refusal(403, "Forbidden", "Missing role permissions on the request.")

    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.graph.tells = lambda person: world.install([int(person.rpartition("-")[2], 16)])
        world.graph.rule = lambda request, _: missing if request.method == "POST" else None
        world.start()
        broadcast = await world.accept(users=range(60))
        await asyncio.sleep(30)
        world.graph.rule = None
        seconds = await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 60}
        assert seconds < 600

    in_a_world(scenario, graph=MemoryGraph())
