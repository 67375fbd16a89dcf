"""The real clients pass the contracts on Azurite, and bear lost answers. `azurite` is its connection string."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from itertools import count
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.core.utils import parse_connection_string
from azure.storage.queue.aio import QueueClient

from shared.errors import RowConflict
from shared.ports import Queue, Table
from shared.storage.account import StorageAccount
from shared.storage.rows import insert, merge
from tests.twins.storage_contract import QueueContract, TableContract, Take, etag_of, values_of
from tests.twins.storage_servers import account_at, serving

pytestmark = pytest.mark.azurite


@pytest.fixture
async def account(azurite: str) -> AsyncIterator[StorageAccount]:
    account = account_at(azurite)
    await account.ensure(tables=["Contract"])
    yield account
    await account.close()


@pytest.fixture
def table(account: StorageAccount) -> Table:
    return account.table("Contract")


class TestAzureTable(TableContract):
    """The contract's fixture `table` is this module's."""


class TestAzureQueue(QueueContract):
    @pytest.fixture
    def name(self) -> str:
        return f"contract-{uuid4().hex}"

    @pytest.fixture
    async def queue(self, account: StorageAccount, name: str) -> Queue:
        await account.ensure(queues=[name])
        return account.queue(name)

    @pytest.fixture
    def take(self, azurite: str, name: str) -> Take:
        async def take() -> list[bytes]:
            reader = QueueClient.from_connection_string(azurite, name, api_version="2025-11-05")
            async with reader:
                messages = [message async for message in reader.receive_messages(messages_per_page=32)]
                for message in messages:
                    await reader.delete_message(message)
            return [message.content.encode() for message in messages]

        return take


async def test_creating_what_exists_does_nothing(account: StorageAccount) -> None:
    name = f"twice{uuid4().hex}"
    await account.ensure(tables=[name], queues=[name])
    await account.table(name).write("p", [insert("a", {})])

    await account.ensure(tables=[name], queues=[name])

    assert await account.table(name).get("p", "a") is not None


async def test_missing_table_is_no_missing_row(account: StorageAccount) -> None:
    table = account.table("NeverMade")

    with pytest.raises(ResourceNotFoundError):
        await table.get("p", "a")


async def test_clock_learns_from_every_answer(account: StorageAccount, table: Table) -> None:
    for _ in range(30):
        await table.get("p", "a")
        await asyncio.sleep(0.037)

    # Azurite runs on this machine, so the truth is zero.
    assert account.clock.now() == pytest.approx(time.time(), abs=0.2)


async def test_concurrent_reads_keep_their_own_time(table: Table) -> None:
    partition = uuid4().hex
    await table.write(partition, [insert(f"{number}", {"n": number}) for number in range(50)])

    rows = await asyncio.gather(*(table.get(partition, f"{number}") for number in range(50)))

    assert [row and row.values["n"] for row in rows] == list(range(50))
    assert all(row and -1 < row.age < 3 for row in rows)


@contextlib.asynccontextmanager
async def losing_answers(connection_string: str, *, lost: int) -> AsyncIterator[StorageAccount]:
    """An account behind a proxy that passes requests on, and drops the answers to the first `lost` of them."""
    parts = parse_connection_string(connection_string)
    target = urlsplit(parts["tableendpoint"])
    exchanges = count(1)

    async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(target.hostname, target.port)
        with contextlib.closing(back):
            while request := await reader.read(65_536):
                back.write(request)
                answer = await there.read(65_536)
                if next(exchanges) <= lost:
                    return
                writer.write(answer)

    async with serving(exchange) as port:
        account = account_at(connection_string.replace(f":{target.port}/", f":{port}/"))
        yield account
        await account.close()


async def test_lost_answer_of_an_unconditional_write_goes_unnoticed(azurite: str, table: Table) -> None:
    partition = uuid4().hex
    await table.write(partition, [insert("a", {"n": 1})])

    async with losing_answers(azurite, lost=1) as account:
        [etag] = await account.table("Contract").write(partition, [merge("a", {"n": 2})])

    assert await etag_of(table, partition, "a") == etag
    assert await values_of(table, partition, "a") == {"n": 2}


@pytest.mark.parametrize("together", [False, True], ids=["alone", "in a transaction"])
async def test_lost_answer_of_a_conditional_write_is_a_conflict_with_oneself(
    azurite: str, table: Table, together: bool
) -> None:
    partition = uuid4().hex
    [etag] = await table.write(partition, [insert("a", {"n": 1})])
    operations = [merge("a", {"n": 2}, etag=etag), insert("b", {})]

    async with losing_answers(azurite, lost=1) as account:
        with pytest.raises(RowConflict):
            await account.table("Contract").write(partition, operations if together else operations[:1])

    assert await values_of(table, partition, "a") == {"n": 2}
