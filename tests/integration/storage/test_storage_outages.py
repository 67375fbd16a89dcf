"""Whatever a broken server does, every call ends soon as StorageUnavailable."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable

import pytest

from shared.errors import StorageUnavailable
from shared.storage.account import StorageAccount
from shared.storage.rows import delete, insert, merge
from tests.twins.storage_servers import Behaviour, account_at, connection_string_of, serving

TRY_SECONDS = 0.2


def answering(answer: bytes) -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(answer)
        await writer.drain()

    return behave


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Do nothing: the server closes a connection when its behaviour ends."""


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.transport.abort()


async def stay_silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    while await reader.read(65_536):
        pass


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(65_536)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(TRY_SECONDS / 4)


@contextlib.asynccontextmanager
async def account_of(behaviour: Behaviour) -> AsyncIterator[StorageAccount]:
    """An account whose every service is a server that behaves like this."""
    async with serving(behaviour) as port:
        account = account_at(connection_string_of(port), try_seconds=TRY_SECONDS)
        yield account
        await account.close()


async def outcomes_of_all_calls(account: StorageAccount) -> dict[str, str]:
    """The name of what each kind of call raised, all made at once."""
    table = account.table("Rows")

    async def scan() -> list[str]:
        return [row.key async for row in table.scan("p")]

    calls: dict[str, Awaitable[object]] = {
        "get": table.get("p", "a"),
        "scan": scan(),
        "insert": table.write("p", [insert("a", {})]),
        "merge": table.write("p", [merge("a", {})]),
        "delete": table.write("p", [delete("a")]),
        "transaction": table.write("p", [insert("a", {}), merge("b", {})]),
        "put": account.queue("sends").put(b"{}"),
        "ensure tables": account.ensure(tables=["Rows"]),
        "ensure queues": account.ensure(queues=["sends"]),
    }
    results = await asyncio.gather(*calls.values(), return_exceptions=True)
    return {name: type(result).__name__ for name, result in zip(calls, results, strict=True)}


def http(status: int, body: bytes = b"") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    "behaviour",
    [
        hang_up,
        reset,
        stay_silent,
        drip,
        answering(b"\x16\x03\x01 this is not HTTP\r\n\r\n"),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
        answering(http(500)),
        answering(http(503, b'{"odata.error":{"code":"ServerBusy","message":{"lang":"en-US","value":"busy"}}}')),
        answering(http(503, b"<html>a proxy's page</html>")),
    ],
    ids=[
        *("hangs up", "resets", "stays silent", "drips", "garbage", "half an answer"),
        *("500 without body", "503", "503 with a page"),
    ],
)
async def test_broken_server_is_storage_unavailable_soon(behaviour: Behaviour) -> None:
    async with account_of(behaviour) as account:
        started = time.monotonic()
        outcomes = await outcomes_of_all_calls(account)
        elapsed = time.monotonic() - started

    assert set(outcomes.values()) == {StorageUnavailable.__name__}, outcomes
    assert elapsed < 3


async def test_server_that_is_gone_is_storage_unavailable_soon() -> None:
    async with serving(hang_up) as port:
        pass
    account = account_at(connection_string_of(port), try_seconds=TRY_SECONDS)

    outcomes = await outcomes_of_all_calls(account)
    await account.close()

    assert set(outcomes.values()) == {StorageUnavailable.__name__}, outcomes


async def test_each_call_is_tried_three_times() -> None:
    requests: list[bytes] = []

    async def count_and_reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append((await reader.readline()).split()[0])
        writer.transport.abort()

    async with account_of(count_and_reset) as account:
        await outcomes_of_all_calls(account)

    # The merge is a PATCH; insert, transaction, put and the table's creation are POSTs. aiohttp doubles each try of the
    # other methods by itself.
    assert (requests.count(b"PATCH"), requests.count(b"POST")) == (3, 12)


async def test_cancelled_call_is_cancelled() -> None:
    async with account_of(stay_silent) as account:
        call = asyncio.create_task(account.table("Rows").get("p", "a"))
        await asyncio.sleep(TRY_SECONDS / 4)
        call.cancel()

        with pytest.raises(asyncio.CancelledError):
            await call
