"""Broadcasts for a moment: planned ahead, nothing is sent before it, and what sleeps costs the tick nothing."""

import asyncio
from datetime import timedelta

import pytest

from messages import parts
from shared.domain.outcomes import State
from shared.errors import InvalidRequest
from shared.storage import names
from tests.twins.graph import MemoryGraph
from tests.twins.storage import Call
from tests.twins.world import EPOCH, World, in_a_world, object_id

HOUR = 3600.0
URL = "https://herald.test/api/broadcasts"


def now() -> float:
    return EPOCH + asyncio.get_running_loop().time()


async def until(instant: float) -> None:
    await asyncio.sleep(instant - now())


def sent_at(world: World) -> list[float]:
    """When the Connector was called, as instants."""
    return [EPOCH + at for at in world.connector.posted_at]


@pytest.mark.parametrize("ahead", [20.0, 90.0, 20 * 60.0, HOUR])
@pytest.mark.parametrize("people", [3, 250])
def test_nothing_is_sent_before_the_moment_and_everything_right_behind_it(ahead: float, people: int) -> None:
    async def scenario(world: World) -> None:
        await world.install(range(people))
        world.start(2)
        moment = now() + ahead

        broadcast = await world.accept(users=range(people), starts_at=moment)
        await until(moment - 1.0)
        before = world.posts(), (await world.report(broadcast))["state"]
        await world.finished(broadcast)

        assert before == (0, "scheduled")
        assert world.states(broadcast) == {State.SENT: people}
        assert moment <= min(sent_at(world)) <= moment + 5.0
        assert max(sent_at(world)) <= moment + people / 49.75 + 15.0

    in_a_world(scenario)


def test_the_audience_is_read_half_an_hour_before_the_moment() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(10))
        world.start()
        moment = now() + HOUR

        broadcast = await world.accept(everyone=True, starts_at=moment)
        await until(moment - 40 * 60)
        early = await world.report(broadcast)
        await world.install(range(10, 30))
        await until(moment - 20 * 60)
        ready = await world.report(broadcast)
        await world.install(range(30, 40))
        await world.finished(broadcast)

        assert (early["planned"], early["total"]) == (False, 0)
        assert (ready["planned"], ready["total"], ready["state"]) == (True, 30, "scheduled")
        assert world.states(broadcast) == {State.SENT: 30}

    in_a_world(scenario)


def test_people_have_the_app_when_the_moment_comes() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.start()
        moment = now() + HOUR

        broadcast = await world.accept(users=range(60), starts_at=moment)
        await until(moment - 1.0)
        installed, posted = set(world.graph.installs), world.posts()
        await world.finished(broadcast)

        assert installed == {object_id(number) for number in range(60)}
        assert posted == 0
        assert world.states(broadcast) == {State.SENT: 60}
        assert max(sent_at(world)) <= moment + 15.0

    in_a_world(scenario, graph=MemoryGraph())


def test_a_cancel_before_the_moment_closes_the_broadcast_and_sends_nothing() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(10))
        world.start()
        broadcast = await world.accept(everyone=True, starts_at=now() + 2 * HOUR)
        await asyncio.sleep(300)

        await parts.broadcast_api(world.app()).cancel(broadcast, url=URL)
        seconds = await world.finished(broadcast)

        assert seconds < 300
        assert (await world.report(broadcast))["state"] == "cancelled"
        await asyncio.sleep(2 * HOUR)
        assert world.posts() == 0

    in_a_world(scenario)


def test_an_edit_before_the_moment_changes_what_is_sent() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(10))
        world.start()
        moment = now() + HOUR
        broadcast = await world.accept(everyone=True, starts_at=moment)
        await asyncio.sleep(300)

        await parts.wishes(world.app()).edit(broadcast, b'{"content": {"text": "New words"}}', url=URL)
        await until(moment - 5.0)
        before = world.posts()
        await world.finished(broadcast)

        assert before == 0
        assert world.states(broadcast) == {State.SENT: 10}
        assert len(world.connector.posted_at) == 10
        assert {text for said in world.connector.texts.values() for text in said.values()} == {"New words"}

    in_a_world(scenario)


def test_a_moment_that_was_long_ago_is_refused_and_one_just_missed_is_sent_at_once() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(3))
        world.start()

        with pytest.raises(InvalidRequest) as refused:
            await world.accept(everyone=True, starts_at=now() - 2 * HOUR, key="long ago")
        broadcast = await world.accept(everyone=True, starts_at=now() - 60.0, key="just missed")
        await world.finished(broadcast)

        assert [fault.pointer for fault in refused.value.faults] == ["/send/at"]
        assert world.states(broadcast) == {State.SENT: 3}

    in_a_world(scenario)


def test_the_same_request_after_its_moment_is_the_same_broadcast() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(3))
        world.start()
        moment = now() + 60.0
        first = await world.accept(everyone=True, starts_at=moment)
        await world.finished(first)
        await asyncio.sleep(2 * HOUR)

        assert await world.accept(everyone=True, starts_at=moment) == first

    in_a_world(scenario)


def test_what_sleeps_costs_the_tick_nothing() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(3))
        world.start()
        for number in range(200):
            await world.accept(everyone=True, starts_at=now() + (24 + number) * HOUR, key=f"{number}")
        await asyncio.sleep(200)

        calls: list[Call] = []

        async def count(call: Call) -> None:
            calls.append(call)

        world.account.table(names.BROADCASTS).hook = count
        await asyncio.sleep(600)

        assert calls == []

    in_a_world(scenario)


def test_an_expiry_counts_from_the_moment() -> None:
    async def scenario(world: World) -> None:
        world.start()
        moment = now() + HOUR

        broadcast = await world.accept(everyone=True, starts_at=moment, expires_after=timedelta(hours=4))

        assert (await world.app().broadcasts.head(broadcast)).expires_at == moment + 4 * HOUR

    in_a_world(scenario)
