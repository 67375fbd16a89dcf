"""The `Queue` port on Azure's queues: plain UTF-8 text, one hour to live, visible after a delay."""

from math import ceil

from azure.storage.queue.aio import QueueClient

from shared.storage.failures import translated

LIFETIME_SECONDS = 3600


class AzureQueue:
    """One queue of the account."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    async def put(self, body: bytes, *, delay: float = 0) -> None:
        """Put one message that becomes visible after `delay` seconds, rounded up.

        Raises RowTooLarge above 64 KiB, and ValueError for a delay that the message would not outlive.
        """
        text, hidden_seconds = body.decode(), whole_seconds(delay)
        with translated():
            await self._client.send_message(text, visibility_timeout=hidden_seconds, time_to_live=LIFETIME_SECONDS)


def whole_seconds(delay: float) -> int:
    """The delay as queues take it. Azure refuses one that is not shorter than the message's life."""
    seconds = max(0, ceil(delay))
    if seconds >= LIFETIME_SECONDS:
        raise ValueError(f"a message lives for {LIFETIME_SECONDS} s, so it cannot be hidden for {seconds} s")
    return seconds
