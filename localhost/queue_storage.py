"""The storage calls of a queue trigger, on one HTTP session for the whole host.

Errors of the storage library leave this module as they are: the trigger backs off on any of them.
"""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from aiohttp import ClientSession, TCPConnector
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from localhost.queue_message import WireMessage

# The host receives a message for ten minutes, whatever host.json says, and renews that while the function runs.
INVISIBILITY = timedelta(minutes=10)


@asynccontextmanager
async def open_session() -> AsyncIterator[ClientSession]:
    """Open the host's HTTP session for storage; it heeds no proxies and asks the environment nothing per call."""
    async with ClientSession(connector=TCPConnector(limit=64), auto_decompress=False, trust_env=False) as session:
        yield session


def open_service(connection: str, session: ClientSession) -> QueueServiceClient:
    """Make a client of a queue service that shares the session."""
    transport = AioHttpTransport(session=session, session_owner=False, use_env_settings=False)
    return QueueServiceClient.from_connection_string(
        connection,
        transport=transport,
        retry_total=2,
        initial_backoff=1,
        increment_base=1,
        random_jitter_range=1,
        connection_timeout=5,
        read_timeout=30,
    )


class TriggerQueue:
    """One queue and its poison queue, as a trigger uses them."""

    def __init__(self, service: QueueServiceClient, name: str) -> None:
        self.name = name
        self._queue: QueueClient = service.get_queue_client(name)
        self._poison: QueueClient | None = None
        if has_poison_queue(name):
            self._poison = service.get_queue_client(f"{name}-poison")

    @property
    def has_poison(self) -> bool:
        """Whether failed messages have a poison queue to go to."""
        return self._poison is not None

    async def receive(self, count: int) -> list[WireMessage] | None:
        """Receive up to `count` messages; nothing where the queue does not exist."""
        pages = self._queue.receive_messages(
            messages_per_page=count, max_messages=count, visibility_timeout=int(INVISIBILITY.total_seconds())
        )
        try:
            return [
                WireMessage(
                    id=message.id,
                    text=message.content,
                    pop_receipt=message.pop_receipt or "",
                    dequeue_count=message.dequeue_count or 0,
                    inserted_at=message.inserted_on,
                    expires_at=message.expires_on,
                    next_visible_at=message.next_visible_on,
                )
                async for message in pages
            ]
        except ResourceNotFoundError:
            return None

    async def renew(self, message_id: str, pop_receipt: str, timeout: timedelta) -> str:
        """Set when a message is seen again and return its new pop receipt."""
        seconds = math.ceil(timeout.total_seconds())
        updated = await self._queue.update_message(message_id, pop_receipt, visibility_timeout=seconds)
        return updated.pop_receipt or pop_receipt

    async def delete(self, message_id: str, pop_receipt: str) -> None:
        """Delete a message; one that is gone, or was received by another since, is left alone."""
        try:
            await self._queue.delete_message(message_id, pop_receipt)
        except ResourceNotFoundError:
            return

    async def copy_to_poison(self, text: str) -> None:
        """Put a message's text, as it stands on the wire, into the poison queue, creating that if need be."""
        if self._poison is None:
            return
        try:
            await self._poison.send_message(text)
        except ResourceNotFoundError:
            with suppress(ResourceExistsError):
                await self._poison.create_queue()
            await self._poison.send_message(text)


def has_poison_queue(name: str) -> bool:
    """Whether the host gives a queue a poison queue: not where that is one itself or its name would be too long."""
    return not name.endswith("-poison") and len(f"{name}-poison") <= 63
