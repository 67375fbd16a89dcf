"""Accounts at any address, and servers on loopback that behave as a test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from shared.settings import read_settings
from shared.storage.account import StorageAccount
from shared.storage.transport import TRY_SECONDS

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def account_at(connection_string: str, *, try_seconds: float = TRY_SECONDS) -> StorageAccount:
    """The account of a bot with this connection string."""
    settings = read_settings(
        MicrosoftAppId="app",
        MicrosoftAppPassword="secret",
        MicrosoftAppTenantId="0b7e6c52-94d1-4c7f-8f3a-61f0de2a9b84",
        AzureWebJobsStorage=connection_string,
    )
    return StorageAccount(settings, try_seconds=try_seconds)


def connection_string_of(port: int) -> str:
    """The connection string of an account whose services are all at this port."""
    address = f"http://127.0.0.1:{port}/account"
    return f"AccountName=account;AccountKey=a2V5;TableEndpoint={address};QueueEndpoint={address}"


@contextlib.asynccontextmanager
async def serving(behaviour: Behaviour) -> AsyncIterator[int]:
    """The port of a server that treats each connection like this; all connections are closed at the end."""
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(handler := asyncio.ensure_future(_behave(behaviour, reader, writer)))
        handler.add_done_callback(handlers.discard)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    for handler in handlers:
        handler.cancel()
    await asyncio.gather(*handlers, return_exceptions=True)


async def _behave(behaviour: Behaviour, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(ConnectionError):
            await behaviour(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
