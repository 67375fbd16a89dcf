"""The twins in memory pass the contracts, and their hooks fail calls on demand."""

import asyncio
import time

import pytest

from shared.errors import StorageUnavailable
from shared.storage.rows import Value, insert, merge
from tests.twins.storage import Call, MemoryAccount, MemoryQueue, MemoryTable, Moment, fail_once
from tests.twins.storage_contract import QueueContract, TableContract, Take, values_of


class TestMemoryTable(TableContract):
    @pytest.fixture
    def table(self) -> MemoryTable:
        return MemoryTable(time.time)


class TestMemoryQueue(QueueContract):
    @pytest.fixture
    def queue(self) -> MemoryQueue:
        return MemoryQueue(time.time)

    @pytest.fixture
    def take(self, queue: MemoryQueue) -> Take:
        async def take() -> list[bytes]:
            return queue.take()

        return take


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (Moment.BEFORE, None),  # the request was lost
        (Moment.AFTER, {"n": 1}),  # the answer was lost
    ],
)
async def test_failed_write_is_applied_only_where_its_answer_was_lost(
    moment: Moment, written: dict[str, int] | None
) -> None:
    table = MemoryTable(time.time, hook=fail_once(StorageUnavailable("down"), moment=moment, verb="write"))

    with pytest.raises(StorageUnavailable):
        await table.write("p", [insert("a", {"n": 1})])

    assert await values_of(table, "p", "a") == written


async def test_calls_of_two_tasks_interleave() -> None:
    order: list[str] = []

    async def hook(call: Call) -> None:
        order.append(f"{call.moment} {call.operations[0].key}")
        await asyncio.sleep(0)

    table = MemoryTable(time.time, hook=hook)
    await asyncio.gather(table.write("p", [insert("a", {})]), table.write("p", [insert("b", {})]))

    assert order == ["before a", "before b", "after a", "after b"]


async def test_scan_reads_each_page_when_it_comes_to_it() -> None:
    table = MemoryTable(time.time)
    for first in range(0, 1100, 100):
        await table.write("p", [insert(f"{number:05}", {"n": 0}) for number in range(first, first + 100)])

    seen: list[Value] = []
    async for row in table.scan("p"):
        if not seen:
            await table.write("p", [merge("00999", {"n": 1}), merge("01000", {"n": 1})])
        seen.append(row.values["n"])

    assert (seen[999], seen[1000]) == (0, 1)


async def test_time_is_that_of_the_clock_and_reading_has_whole_seconds() -> None:
    now = 100.75
    table = MemoryTable(lambda: now)
    await table.write("p", [insert("a", {})])
    now = 130.5

    row = await table.get("p", "a")

    assert row is not None
    assert (row.written_at, row.read_at) == (100.75, 130.0)


async def test_message_dies_after_an_hour() -> None:
    now = 0.0
    queue = MemoryQueue(lambda: now)
    await queue.put(b"a")
    await queue.put(b"b", delay=10)
    assert queue.take() == [b"a"]
    now = 3600.0

    assert queue.take() == []


async def test_account_s_stores_share_clock_and_hook() -> None:
    account = MemoryAccount(lambda: 7.0)
    calls: list[str] = []

    async def hook(call: Call) -> None:
        calls.append(f"{call.moment} {call.verb} {call.store}")

    account.use_hook(hook)
    await account.ensure(tables=["Rows"], queues=["sends"])
    await account.table("Rows").get("p", "a")
    await account.queue("sends").put(b"{}")

    assert account.clock.now() == 7.0
    assert calls == ["before get Rows", "after get Rows", "before put sends", "after put sends"]
