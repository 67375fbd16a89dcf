"""A parked batch that was given back: leftovers that are due, whoever comes first to them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from shared.domain.outcomes import State
from shared.errors import RowConflict
from shared.storage import names
from shared.storage.broadcast_keys import parked_key
from shared.storage.rows import insert
from shared.work.taking import MOST_FRUITLESS
from tests.twins.loop import run_virtually
from tests.twins.world import World


def in_a_world(scenario: Callable[[World], Awaitable[None]]) -> None:
    async def run() -> None:
        world = World()
        try:
            await scenario(world)
        finally:
            await world.stop()

    run_virtually(run())


async def parked(world: World) -> str:
    """A broadcast of ten people whose only batch is about to be parked, and whose nudge was lost."""
    await world.install(range(10))
    broadcast_id = await world.accept(users=range(10))
    world.account.queue(names.SEND_QUEUE).take()
    store = world.app().broadcasts
    batch = await store.batch(broadcast_id, 0)
    assert batch is not None
    hopeless = replace(batch.progress, fruitless=MOST_FRUITLESS)
    await store.write_batch(broadcast_id, batch, hopeless, writer="w", writes=1, settle=True)
    world.start()
    await world.instances[0].pipeline.sender.handle(broadcast_id, 0)
    assert await store.parked.numbers(broadcast_id, limit=1) == [0]
    return broadcast_id


@pytest.mark.parametrize("nudged", [True, False], ids=["nudged", "the nudge is lost"])
def test_a_batch_that_was_given_back_is_sent_and_its_broadcast_ends(nudged: bool) -> None:
    async def scenario(world: World) -> None:
        broadcast_id = await parked(world)
        app = world.app()
        batch = await app.broadcasts.batch(broadcast_id, 0)
        assert batch is not None

        await app.broadcasts.parked.unpark(broadcast_id, batch, at=app.clock.now())
        if nudged:
            await app.nudging.batch(broadcast_id, 0)
        await world.finished(broadcast_id, within=400)

        assert world.states(broadcast_id) == {State.SENT: 10}
        assert set(world.connector.received.values()) == {1}
        rows = world.account.table(names.BROADCASTS).rows(broadcast_id)
        assert not [key for key in rows if key.startswith(("due!", "parked!"))]

    in_a_world(scenario)


def test_a_batch_is_given_back_once() -> None:
    async def scenario(world: World) -> None:
        broadcast_id = await parked(world)
        app = world.app()
        batch = await app.broadcasts.batch(broadcast_id, 0)
        assert batch is not None
        await app.broadcasts.parked.unpark(broadcast_id, batch, at=app.clock.now())

        with pytest.raises(RowConflict):
            await app.broadcasts.parked.unpark(broadcast_id, batch, at=app.clock.now())

    in_a_world(scenario)


def test_a_marker_that_stands_is_kept() -> None:
    async def scenario(world: World) -> None:
        broadcast_id = await parked(world)
        store = world.app().broadcasts
        batch = await store.batch(broadcast_id, 0)
        assert batch is not None
        marker = f"due!{'9' * 13}!{0:08d}"
        also = [insert(marker, {})]
        progress = replace(batch.progress, due_marker=marker)
        await store.write_batch(broadcast_id, batch, progress, writer="w", writes=2, settle=True, also=also)
        batch = await store.batch(broadcast_id, 0)
        assert batch is not None

        await store.parked.unpark(broadcast_id, batch, at=0.0)

        assert [one.key for one in await store.due_markers(broadcast_id, limit=9)] == [marker]
        assert parked_key(0) not in world.account.table(names.BROADCASTS).rows(broadcast_id)

    in_a_world(scenario)
