"""Graph's pace: a row for each kind, shared by all instances, slowed down once for each epoch."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shared.domain.pacing import FarAway, Pace, Slots
from shared.errors import StorageUnavailable
from shared.graph.kinds import Kind, sustained_rate
from shared.graph.pace import GraphPace
from shared.graph.protocol import Response
from shared.pacer import PATIENCE
from shared.storage.pace import PaceRows
from tests.twins.loop import run_virtually
from tests.twins.storage import MemoryTable, Moment, fail_once

EPOCH = 1_800_000_000.0
KIND = Kind.INSTALLS_WRITE
THROTTLED = [Response(status=429, retry_after=4.0)] * 3


class Clock:
    """The loop's clock as storage would tell it."""

    def now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()


class Desk:
    """The table Pace, and paces over it as several instances have them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.table = MemoryTable(self.clock.now)

    def pace(self, *, is_limited: bool = True) -> GraphPace:
        return GraphPace(self.table, clock=self.clock, is_limited=is_limited)

    def rows(self, kind: Kind = KIND) -> PaceRows:
        return PaceRows(self.table, row=f"graph!{kind}")

    async def row(self, kind: Kind = KIND) -> Pace:
        found = await self.rows(kind).read("t")
        assert found is not None
        return found[0]


def at_a_desk(scenario: Callable[[Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario(Desk())

    run_virtually(run())


async def taken(pace: GraphPace, *, slots: int = 1, kind: Kind = KIND) -> Slots:
    found = await pace.take("t", kind, slots=slots)
    assert isinstance(found, Slots)
    return found


def test_instances_keep_a_kinds_pace_together() -> None:
    async def scenario(desk: Desk) -> None:
        async def install(pace: GraphPace) -> None:
            for _ in range(10):
                await taken(pace, slots=15)

        started = desk.clock.now()
        await asyncio.gather(*(install(desk.pace()) for _ in range(3)))

        # The last batch leaves at its first slot; a quarter of a second was caught up at the start.
        ideal = (3 * 10 - 1) * 15 / sustained_rate(KIND) - 0.25
        assert ideal - 0.01 <= desk.clock.now() - started <= ideal * 1.02 + 0.1

    at_a_desk(scenario)


def test_kinds_and_tenants_have_rows_of_their_own() -> None:
    async def scenario(desk: Desk) -> None:
        pace = desk.pace()
        await taken(pace, slots=15)
        await taken(pace, slots=7, kind=Kind.INSTALLS_DELETE)
        await pace.take("other", KIND, slots=1)

        assert set(desk.table.rows("t")) == {"graph!installs_write", "graph!installs_delete"}
        assert set(desk.table.rows("other")) == {"graph!installs_write"}

    at_a_desk(scenario)


def test_without_a_limit_nothing_waits_and_storage_is_not_asked() -> None:
    async def scenario(desk: Desk) -> None:
        started = desk.clock.now()

        await taken(desk.pace(is_limited=False), slots=10_000)

        assert desk.clock.now() == started
        assert desk.table.partitions() == []

    at_a_desk(scenario)


def test_slots_that_are_far_away_are_told_and_not_waited_for() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.rows().swap("t", Pace(rate=24.9, next_at=EPOCH + 300), etag=None)
        started = desk.clock.now()

        found = await desk.pace().take("t", KIND, slots=1)

        assert isinstance(found, FarAway)
        assert found.wait == pytest.approx(300, abs=1)
        assert desk.clock.now() - started < 1

    at_a_desk(scenario)


def test_throttling_lowers_the_rate_and_pauses_once_for_an_epoch() -> None:
    async def scenario(desk: Desk) -> None:
        pace, other = desk.pace(), desk.pace()
        slots, others = await taken(pace, slots=3), await taken(other, slots=3)

        now = desk.clock.now()
        await pace.learn("t", KIND, slots, THROTTLED)
        await other.learn("t", KIND, others, THROTTLED)

        row = await desk.row()
        assert row.epoch == 1
        assert row.rate == pytest.approx(sustained_rate(KIND) / 2)
        assert row.next_at == pytest.approx(now + 4.0, abs=0.1)

    at_a_desk(scenario)


def test_slots_of_an_epoch_that_ended_while_they_were_waited_for_are_taken_anew() -> None:
    async def scenario(desk: Desk) -> None:
        pace = desk.pace()
        first = await taken(pace, slots=40)
        waiting = asyncio.create_task(taken(pace))
        await asyncio.sleep(0.9)

        await pace.learn("t", KIND, first, THROTTLED)
        told_at = desk.clock.now()

        assert (await waiting).epoch == 1
        assert desk.clock.now() - told_at == pytest.approx(4.0, abs=0.3)

    at_a_desk(scenario)


def test_nobody_waits_longer_than_the_pacers_patience_for_a_slot() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.rows().swap("t", Pace(rate=24.9, next_at=EPOCH + PATIENCE - 1), etag=None)
        started = desk.clock.now()

        await taken(desk.pace())

        assert desk.clock.now() - started <= PATIENCE

    at_a_desk(scenario)


def test_pace_that_cannot_be_lowered_is_told_by_the_next(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(desk: Desk) -> None:
        pace = desk.pace()
        slots = await taken(pace)
        desk.table.hook = fail_once(StorageUnavailable("busy"), moment=Moment.BEFORE, verb="write")

        await pace.learn("t", KIND, slots, THROTTLED)
        await pace.learn("t", KIND, slots, THROTTLED)

        assert (await desk.row()).epoch == 1

    at_a_desk(scenario)
    assert "throttling_not_told" in caplog.text


def test_storage_that_fails_gives_no_slots() -> None:
    async def scenario(desk: Desk) -> None:
        desk.table.hook = fail_once(StorageUnavailable("busy"), moment=Moment.BEFORE, verb="write")

        with pytest.raises(StorageUnavailable):
            await desk.pace().take("t", KIND, slots=1)

    at_a_desk(scenario)
