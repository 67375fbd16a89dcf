"""Digests on each recipient's own clock: everybody is told what gathered by their own midnight, each item once."""

import asyncio
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest

from send_worker.pipeline import build_pipeline
from shared.domain.digests import Severity
from shared.domain.ids import child_id, occurrence_id
from shared.domain.own_clocks import OwnClock
from shared.domain.recipients import RecipientKind, recipient_key
from shared.domain.references import Reference, values_of
from shared.errors import StorageUnavailable
from shared.storage import names
from shared.storage.rows import upsert
from tests.twins.digests import DIGEST, drop, tell, told, waiting
from tests.twins.directory import MemoryDirectory
from tests.twins.graph import MemoryGraph, refusal
from tests.twins.storage import Breaking, Moment, yielding
from tests.twins.world import EPOCH, SERVICE_URL, TENANT, World, in_a_world, object_id

MIDNIGHT = datetime(2027, 1, 16)  # noqa: DTZ001 - a local time
"""The world begins on 2027-01-15 at 08:00 UTC: two hours before the first clock shows this."""
ZONES = ("Pacific/Kiritimati", "Pacific/Auckland", "Australia/Sydney", "Asia/Tokyo")
HOUR = 3600.0


def person(number: int) -> str:
    return recipient_key(RecipientKind.USER, object_id(number))


async def install(world: World, people: int) -> None:
    """People with the app, in each zone in turn."""
    for number in range(people):
        reference = Reference(
            conversation=f"a:{number}",
            service_url=SERVICE_URL,
            member=f"29:{number}",
            time_zone=ZONES[number % len(ZONES)],
        )
        await world.account.table(names.CONVERSATIONS).write(TENANT, [upsert(person(number), values_of(reference))])


def at(zone: int) -> float:
    """Seconds from the world's begin to midnight in a zone."""
    return OwnClock(at=MIDNIGHT, default_zone="").instant(ZONES[zone]) - EPOCH


async def until(world: World, seconds: float) -> None:
    await asyncio.sleep(max(0.0, EPOCH + seconds - world.app().clock.now()))


def own_clock() -> OwnClock:
    return OwnClock(at=MIDNIGHT, default_zone="Asia/Tokyo")


async def children_of(world: World, parent: str) -> list[dict[str, Any]]:
    moments: list[dict[str, Any]] = (await world.report(parent))["clock"]["moments"]
    return moments


def test_everybody_is_told_at_midnight_what_gathered_by_then_and_each_item_once() -> None:
    async def scenario(world: World) -> None:
        await install(world, 12)
        world.start(2)
        await drop(world, "For all", audience={"everyone": "installed"})
        await drop(world, "Early, for the East", person=0, severity=Severity.CRITICAL)
        await drop(world, "Early, for the West", person=3)
        parent = await tell(world, own_clock=own_clock())

        await until(world, at(2) - HOUR)
        assert {"a:0", "a:1"} < set(world.connector.received)
        await drop(world, "Late, for all", audience={"everyone": "installed"})
        await drop(world, "Late, for the East", person=0)
        await drop(world, "Late, for the West", person=3)
        await world.finished(parent, within=12 * HOUR)

        children = [one["broadcast"] for one in await children_of(world, parent)]
        assert len(children) == len(ZONES)
        assert await told(world, *children) == {
            **{(person(number), "For all"): 1 for number in range(12)},
            (person(0), "Early, for the East"): 1,
            (person(3), "Early, for the West"): 1,
            (person(3), "Late, for the West"): 1,
        }
        assert set(world.connector.received.values()) == {1}
        assert await waiting(world) == ["Late, for all", "Late, for the East"]
        report = await world.report(parent)
        assert (report["digest"], report["total"], report["counts"]["sent"]) == (DIGEST, 12, 12)

    in_a_world(scenario)


def test_a_person_of_an_audience_whom_nobody_knows_is_told_as_not_found() -> None:
    async def scenario(world: World) -> None:
        await install(world, 8)
        world.start()
        people = [*(object_id(number) for number in range(8)), "nobody@contoso.com"]
        await drop(world, "For some", audience={"users": people})
        parent = await tell(world, own_clock=own_clock())
        await world.finished(parent, within=12 * HOUR)

        report = await world.report(parent)
        assert (report["counts"]["sent"], report["reasons"]) == (8, {"user_not_found": 1})

    in_a_world(scenario, graph=MemoryDirectory([]))


def test_the_next_one_tells_what_was_left() -> None:
    async def scenario(world: World) -> None:
        await install(world, 8)
        world.start(2)
        await drop(world, "First", person=0)
        first = await tell(world, key="first", own_clock=own_clock())
        await world.finished(first, within=12 * HOUR)
        await drop(world, "Second", person=0)
        later = OwnClock(at=MIDNIGHT + timedelta(hours=7), default_zone="Asia/Tokyo")
        second = await tell(world, key="second", own_clock=later)
        await world.finished(second, within=12 * HOUR)

        children = [one["broadcast"] for parent in (first, second) for one in await children_of(world, parent)]
        assert await told(world, *children) == {(person(0), "First"): 1, (person(0), "Second"): 1}
        assert world.connector.received == {"a:0": 2}
        assert await waiting(world) == []

    in_a_world(scenario)


@pytest.mark.parametrize(("moment", "first"), [(Moment.BEFORE, 0), (Moment.AFTER, 1)])
def test_a_digest_on_own_clocks_that_breaks_off_at_any_call_tells_each_item_once(moment: Moment, first: int) -> None:
    """Each nudge is answered by a process of its own; the sweep's nudges come in between."""

    async def scenario(world: World) -> None:
        await install(world, 8)
        for number in count(first, 2):
            await drop(world, f"all {number}", audience={"everyone": "installed"})
            await drop(world, f"some {number}", audience={"users": [object_id(2), object_id(3)]})
            for own in range(4):
                await drop(world, f"own {own} of {number}", person=own)
            # Its moments are over, so all of its children are due at once.
            clock = OwnClock(at=MIDNIGHT - timedelta(days=1), default_zone="Asia/Tokyo")
            occurrence = occurrence_id(schedule="0" * 20, at=float(number))
            parent = await tell(world, key=f"{number}", own_clock=clock, broadcast_id=occurrence)
            hook = Breaking(number, moment, StorageUnavailable("the answer never came"))
            world.account.use_hook(hook)
            for _ in range(4):
                await build_pipeline(world.app()).planner.handle(parent)
                for zone in ZONES:
                    child = child_id(parent=parent, at=clock.instant(zone))
                    await build_pipeline(world.app()).planner.handle(child)
                await asyncio.sleep(15)
            world.account.use_hook(yielding)

            children = [one["broadcast"] for one in await children_of(world, parent)]
            shown = await told(world, *children)
            assert set(shown.values()) == {1}, number
            assert len(shown) == 8 + 2 + 4, number
            assert await waiting(world) == [], number
            if not hook.has_struck:
                break
        assert number > 100

    in_a_world(scenario)


def test_the_split_of_the_next_one_keeps_nobody_from_being_told_in_time() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        away = EPOCH + at(0) - 600
        world.graph.rule = lambda *_: refusal(503, "ServiceUnavailable") if world.app().clock.now() > away else None
        await install(world, 9)
        world.start()
        await drop(world, "First for all", audience={"everyone": "installed"})
        first = await tell(world, key="first", own_clock=own_clock())
        await until(world, at(0) - 300)
        # Its split asks for the zone of a ninth person, and waits for two hours.
        reference = Reference(conversation="a:8", service_url=SERVICE_URL, member="29:8")
        await world.account.table(names.CONVERSATIONS).write(TENANT, [upsert(person(8), values_of(reference))])
        await drop(world, "Second for all", audience={"everyone": "installed"})
        later = OwnClock(at=MIDNIGHT + timedelta(hours=2), default_zone="Asia/Tokyo")
        second = await tell(world, key="second", own_clock=later)
        await until(world, at(1) + 60)
        in_time, waits_for = dict(world.connector.received), (await world.report(second))["plan_waits_for"]
        for parent in (first, second):
            await world.finished(parent, within=14 * HOUR)

        assert waits_for == "directory"
        assert in_time == {f"a:{number}": 1 for number in (0, 1, 4, 5, 8)}
        children = [one["broadcast"] for parent in (first, second) for one in await children_of(world, parent)]
        assert await told(world, *children) == {
            (person(number), title): 1 for number in range(9) for title in ("First for all", "Second for all")
        }
        assert await waiting(world) == []

    graph = MemoryGraph()
    graph.mailbox_zones = {object_id(9): "Asia/Tokyo"}
    in_a_world(scenario, graph=graph)


def test_a_digest_that_is_cancelled_between_its_moments_leaves_the_others_items_of_their_own() -> None:
    async def scenario(world: World) -> None:
        await install(world, 8)
        world.start(2)
        await drop(world, "For the East", person=0)
        await drop(world, "For the West", person=3)
        parent = await tell(world, own_clock=own_clock())
        await until(world, at(0) + HOUR)
        app = world.app()
        await app.broadcasts.changes.cancel(parent, at=app.clock.now())
        await world.finished(parent, within=12 * HOUR)

        assert world.connector.received == {"a:0": 1}
        assert await waiting(world) == ["For the West"]
        assert (await world.report(parent))["total"] == 1

    in_a_world(scenario)
