"""What every batch of a broadcast needs to know of it: its head, read at most three seconds ago, and its message."""

from collections import OrderedDict
from dataclasses import replace

from shared.domain.broadcasts import Broadcast, PauseReason
from shared.domain.retry import LAST_INTENT
from shared.errors import StorageUnavailable
from shared.pacer import Pacers
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.work.elapsed import monotonic

FRESH_SECONDS = 3.0
"""So late, at most, does a sender learn of a cancel."""
KEPT = 64
"""Broadcasts whose head and message a process remembers."""


class Heads:
    """Reads heads, and messages once, for all batches of this process."""

    def __init__(self, store: Broadcasts, pacers: Pacers, clock: Clock) -> None:
        self._store = store
        self._pacers = pacers
        self._clock = clock
        self._heads: OrderedDict[str, tuple[float, Broadcast]] = OrderedDict()
        self._messages: OrderedDict[str, bytes] = OrderedDict()

    async def head(self, broadcast_id: str) -> Broadcast:
        """The head as it stood at most three seconds ago, or when storage last answered. Raises BroadcastNotFound.

        It counts as paused while its tenant's sending is stopped.
        """
        broadcast = await self._read(broadcast_id)
        return broadcast.under(tenant_stopped=await self._pacers.of(broadcast.tenant).switch.is_stopped())

    async def _read(self, broadcast_id: str) -> Broadcast:
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

    def know_paused(self, broadcast: Broadcast, reason: PauseReason, *, at: float) -> None:
        """Take in a pause that this process decided on."""
        self._heads[broadcast.id] = (monotonic(), replace(broadcast, paused=reason, paused_at=at))

    def forget(self, broadcast_id: str) -> None:
        """Read the head anew at the next question."""
        self._heads.pop(broadcast_id, None)

    async def is_paused(self, broadcast_id: str) -> bool:
        """Whether nothing at all may be done: neither installed nor sent nor revised."""
        return (await self.head(broadcast_id)).paused is not None

    async def is_held(self, broadcast_id: str) -> bool:
        """Whether nothing may be sent or revised: paused, or its moment has not come."""
        broadcast = await self.head(broadcast_id)
        return broadcast.paused is not None or broadcast.wait(self._clock.now()) > 0

    async def is_stopped(self, broadcast_id: str) -> bool:
        """Whether no further intent may be written: held, cancelled, expired, or in an expiry's last five seconds."""
        return await self.is_held(broadcast_id) or await self.is_over(broadcast_id)

    async def may_post(self, broadcast_id: str) -> bool:
        """Whether a message may still be posted for which the intent was written a while ago.

        Not where storage is away since: nobody could know of a pause.
        """
        is_stopped = await self.is_stopped(broadcast_id)
        known = self._heads.get(broadcast_id)
        return not is_stopped and known is not None and monotonic() - known[0] <= FRESH_SECONDS

    async def is_over(self, broadcast_id: str) -> bool:
        """Whether nothing will be sent any more, also not later: cancelled, expired, or about to expire."""
        broadcast = await self.head(broadcast_id)
        return broadcast.stopped_at(self._clock.now() + LAST_INTENT.total_seconds()) is not None

    async def message(self, broadcast: Broadcast) -> bytes:
        """The encoded activity of the broadcast's revision, or the sheet of a digest; empty for a recall."""
        if broadcast.recalled:
            return b""
        key = f"{broadcast.id}!{broadcast.revision}"
        if key not in self._messages:
            self._messages[key] = await self._store.content(broadcast.id, broadcast.revision)
            if len(self._messages) > KEPT:
                self._messages.popitem(last=False)
        self._messages.move_to_end(key)
        return self._messages[key]
