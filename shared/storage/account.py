"""The storage account that the settings name: its tables, its queues and its clock over one transport."""

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import ResourceExistsError
from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueClient

from shared.domain.clouds import CloudName
from shared.settings import Settings
from shared.storage.clock import StorageClock
from shared.storage.failures import translated
from shared.storage.queues import AzureQueue
from shared.storage.tables import AzureTable
from shared.storage.transport import ALL_METHODS, BACKOFF_SECONDS, TRIES, TRY_SECONDS, ClockedTransport

_GOVERNMENT = frozenset({CloudName.GCC_HIGH, CloudName.DOD})
_TABLE_RETRIES = {
    "retry_total": TRIES - 1,
    "retry_connect": TRIES - 1,
    "retry_read": TRIES - 1,
    "retry_status": TRIES - 1,
    "retry_backoff_factor": BACKOFF_SECONDS,
    "retry_backoff_max": 2 * BACKOFF_SECONDS,
}
# The queue client has a policy of its own, which would wait 15 seconds before a second try.
_QUEUE_RETRIES = {
    "retry_total": TRIES - 1,
    "initial_backoff": BACKOFF_SECONDS,
    "increment_base": 0,
    "random_jitter_range": BACKOFF_SECONDS,
}
_QUEUE_API_VERSION = "2025-11-05"  # The newest that Azurite knows; it refuses the client's own default.


class StorageAccount:
    """Owns the transport and the credential of all storage clients. Nothing connects before the first call."""

    def __init__(self, settings: Settings, *, try_seconds: float = TRY_SECONDS) -> None:
        self.clock = StorageClock()
        self._settings = settings
        self._transport = ClockedTransport(self.clock, try_seconds=try_seconds)
        self._credential = None if settings.storage else _credential(settings)
        self._table_clients: dict[str, TableClient] = {}
        self._queue_clients: dict[str, QueueClient] = {}

    def table(self, name: str) -> AzureTable:
        """The table of this name, whether it exists or not."""
        return AzureTable(self._table_client(name))

    def queue(self, name: str) -> AzureQueue:
        """The queue of this name, whether it exists or not."""
        return AzureQueue(self._queue_client(name))

    async def ensure(self, *, tables: Iterable[str] = (), queues: Iterable[str] = ()) -> None:
        """Create what is missing of these: one call each, all at once."""
        with translated():
            await asyncio.gather(
                *(_create_table(self._table_client(name)) for name in tables),
                *(_create_queue(self._queue_client(name)) for name in queues),
            )

    async def close(self) -> None:
        """Close all connections. The account cannot be used afterwards."""
        await self._transport.close()
        if self._credential is not None:
            await self._credential.close()

    def _table_client(self, name: str) -> TableClient:
        if name not in self._table_clients:
            self._table_clients[name] = self._new_table_client(name)
        return self._table_clients[name]

    def _queue_client(self, name: str) -> QueueClient:
        if name not in self._queue_clients:
            self._queue_clients[name] = self._new_queue_client(name)
        return self._queue_clients[name]

    def _new_table_client(self, name: str) -> TableClient:
        options: dict[str, Any] = {"transport": self._transport, **_TABLE_RETRIES}
        if self._settings.storage:
            return TableClient.from_connection_string(self._settings.storage, name, **options)
        return TableClient(service_address(self._settings, "table"), name, credential=self._credential, **options)

    def _new_queue_client(self, name: str) -> QueueClient:
        options: dict[str, Any] = {
            "transport": self._transport,
            "api_version": _QUEUE_API_VERSION,
            **_QUEUE_RETRIES,
        }
        if self._settings.storage:
            return QueueClient.from_connection_string(self._settings.storage, name, **options)
        return QueueClient(service_address(self._settings, "queue"), name, credential=self._credential, **options)


def service_address(settings: Settings, service: str) -> str:
    """The address of the account's `table` or `queue` service where an identity opens it."""
    given = settings.storage_table_uri if service == "table" else settings.storage_queue_uri
    if given:
        return given
    suffix = "core.usgovcloudapi.net" if settings.cloud_name in _GOVERNMENT else "core.windows.net"
    return f"https://{settings.storage_account}.{service}.{suffix}"


def _credential(settings: Settings) -> AsyncTokenCredential:
    # It loads msal, which an account with a connection string does not need.
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415

    if settings.storage_client_id:
        return ManagedIdentityCredential(client_id=settings.storage_client_id)
    return DefaultAzureCredential(authority=urlsplit(settings.login_url).netloc)


async def _create_table(client: TableClient) -> None:
    try:
        await client.create_table(retry_on_methods=ALL_METHODS)
    except ResourceExistsError:
        return


async def _create_queue(client: QueueClient) -> None:
    try:
        await client.create_queue()
    except ResourceExistsError:
        return
