"""What anybody with a plain queue client can do to messages: delete, double, poison, and put rubbish beside them."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Self

from azure.core.exceptions import AzureError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from localhost.chaos.kinds import DOUBLED, POISONED, Kind

REQUESTS, NUDGES, INSTALL_NUDGES = "broadcasts", "sends", "installs"
QUEUES = (REQUESTS, NUDGES, INSTALL_NUDGES)
POLL = 0.03
HELD_S = 30

# Storage is away now and then: the library need not tell of each of its tries.
logging.getLogger("azure").setLevel(logging.CRITICAL)


class QueueFaults:
    """A client of `QUEUES` and of their poison queues, as an async context manager."""

    def __init__(self, connection_string: str) -> None:
        self._queues = {
            name: QueueClient.from_connection_string(connection_string, name, retry_total=0)
            for queue in QUEUES
            for name in (queue, f"{queue}-poison")
        }
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for queue in self._queues.values():
            await self._resources.enter_async_context(queue)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    async def put(self, queue: str, text: str) -> bool:
        """Put a message; false where storage does not take it now."""
        with suppress(AzureError):
            await self._queues[queue].send_message(text)
            return True
        return False

    async def strike(
        self, queue: str, kind: Kind, *, for_s: float, wanted: Callable[[str], bool] = lambda _: True
    ) -> bool:
        """Race the hosts for a message for so many seconds, and do to the first one that is wanted what `kind` says.

        Answers whether that was done.
        """
        until = time.monotonic() + for_s
        while time.monotonic() < until:
            # Storage may be away, or the message gone to a host.
            with suppress(AzureError):
                message = await self._queues[queue].receive_message(visibility_timeout=HELD_S)
                if message is not None and wanted(message.content):
                    await self._do(queue, kind, message)
                    return True
                if message is not None:
                    await self._queues[queue].update_message(message, visibility_timeout=0)
            await asyncio.sleep(POLL)
        return False

    async def _do(self, queue: str, kind: Kind, message: QueueMessage) -> None:
        client = self._queues[queue]
        if kind in DOUBLED:
            await client.send_message(message.content)
            await client.update_message(message, visibility_timeout=0)
            return
        if kind in POISONED:
            await self._queues[f"{queue}-poison"].send_message(message.content)
        await client.delete_message(message)
