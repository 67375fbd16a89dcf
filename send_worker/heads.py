"""What every batch of a broadcast needs to know of it: its head, read at most three seconds ago, and its message."""

from collections import OrderedDict

from send_worker.elapsed import monotonic
from shared.domain.broadcasts import Broadcast
from shared.domain.retry import LAST_INTENT
from shared.errors import StorageUnavailable
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts

FRESH_SECONDS = 3.0
"""So late, at most, does a sender learn of a cancel."""
KEPT = 64
"""Broadcasts whose head and message a process remembers."""


class Heads:
    """Reads heads, and messages once, for all batches of this process."""

    def __init__(self, store: Broadcasts, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._heads: OrderedDict[str, tuple[float, Broadcast]] = OrderedDict()
        self._messages: OrderedDict[str, bytes] = OrderedDict()

    async def head(self, broadcast_id: str) -> Broadcast:
        """The head as it stood at most three seconds ago, or when storage last answered. Raises BroadcastNotFound."""
        known = self._heads.get(broadcast_id)
        asked_at = monotonic()
        if known is not None and asked_at - known[0] <= FRESH_SECONDS:
            return known[1]
        try:
            broadcast = await self._store.head(broadcast_id)
        except StorageUnavailable:
            # Answers that are under way should still be journaled; without storage no intent can be written anyway.
            if known is None:
                raise
            return known[1]
        self._heads[broadcast_id] = (asked_at, broadcast)
        self._heads.move_to_end(broadcast_id)
        if len(self._heads) > KEPT:
            self._heads.popitem(last=False)
        return broadcast

    async def is_stopped(self, broadcast_id: str) -> bool:
        """Whether no further intent may be written: cancelled, expired, or within an expiry's last five seconds."""
        broadcast = await self.head(broadcast_id)
        return broadcast.stopped_at(self._clock.now() + LAST_INTENT.total_seconds()) is not None

    async def message(self, broadcast_id: str) -> bytes:
        """The encoded activity."""
        if broadcast_id not in self._messages:
            self._messages[broadcast_id] = await self._store.content(broadcast_id)
            if len(self._messages) > KEPT:
                self._messages.popitem(last=False)
        self._messages.move_to_end(broadcast_id)
        return self._messages[broadcast_id]
