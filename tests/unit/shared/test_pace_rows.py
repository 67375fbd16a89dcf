"""Pace rows: a compare-and-swap that loses politely."""

import pytest

from shared.domain.pacing import Pace
from shared.errors import RowConflict, StorageUnavailable
from shared.storage.pace import PaceRows
from tests.twins.storage import MemoryTable, Moment, fail_once

PACE = Pace(next_at=1.25, urgent_next_at=2.5, rate=49.75, rate_at=3.0, epoch=7)


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable(lambda: 0.0)


async def test_a_tenant_without_history_has_no_row(table: MemoryTable) -> None:
    assert await PaceRows(table).read("t") is None


async def test_a_pace_comes_back_as_it_was_written(table: MemoryTable) -> None:
    rows = PaceRows(table)

    etag = await rows.swap("t", PACE, etag=None)

    assert await rows.read("t") == (PACE, etag)


async def test_tenants_do_not_share_a_row(table: MemoryTable) -> None:
    rows = PaceRows(table)

    await rows.swap("t", PACE, etag=None)

    assert await rows.read("other") is None


async def test_who_is_late_with_the_first_row_does_not_write(table: MemoryTable) -> None:
    rows = PaceRows(table)
    await rows.swap("t", PACE, etag=None)

    assert await rows.swap("t", Pace(rate=1.0), etag=None) is None
    assert (await rows.read("t") or (None,))[0] == PACE


async def test_who_is_late_with_a_step_does_not_write(table: MemoryTable) -> None:
    rows = PaceRows(table)
    old = await rows.swap("t", Pace(rate=1.0), etag=None)
    await rows.swap("t", PACE, etag=old)

    assert await rows.swap("t", Pace(rate=2.0), etag=old) is None
    assert (await rows.read("t") or (None,))[0] == PACE


async def test_a_lost_answer_reads_as_a_lost_race(table: MemoryTable) -> None:
    table.hook = fail_once(RowConflict("the second try met the first"), moment=Moment.AFTER, verb="write")

    assert await PaceRows(table).swap("t", PACE, etag=None) is None


async def test_storage_that_fails_is_told(table: MemoryTable) -> None:
    table.hook = fail_once(StorageUnavailable("busy"), moment=Moment.BEFORE, verb="write")

    with pytest.raises(StorageUnavailable):
        await PaceRows(table).swap("t", PACE, etag=None)
