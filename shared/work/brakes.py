"""The brakes: pause a broadcast when its answers say that going on would do harm.

- Credentials refused: no recipient is lost to an expired secret; it goes on by itself when tokens work again.
- The first messages rejected, and none accepted: everybody would get the same refusal.
- Half of the last two hundred refused: something is wrong with the audience, and a person should look first.
"""

import logging
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from shared.domain.broadcasts import Broadcast, PauseReason
from shared.errors import StorageError
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.teams.answers import Verdict
from shared.telemetry import log_event
from shared.work.heads import Heads

FIRST_REJECTIONS = 20
"""So many rejections in a row at the beginning, in one process, are the message's fault."""
WATCHED = 200
REFUSED_SHARE = 0.5
REJECTIONS = frozenset({Verdict.REJECTED, Verdict.TOO_LARGE})
REFUSALS = REJECTIONS | {
    Verdict.BLOCKED_BY_USER,
    Verdict.BLOCKED_BY_ADMIN,
    Verdict.CONVERSATION_GONE,
    Verdict.SERVICE_ERROR,
    Verdict.WRONG_HOST,
}
KEPT = 64

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Watch:
    """What one process saw of a broadcast since its last pause."""

    accepted: int = 0
    rejected: int = 0
    refused: deque[bool] = field(default_factory=lambda: deque(maxlen=WATCHED))

    def take(self, verdict: Verdict, *, refusals_seen: bool) -> PauseReason | None:
        """Count an answer; why the broadcast should pause, if it should."""
        if verdict is Verdict.UNAUTHORIZED:
            return PauseReason.BLOCKED_AUTH
        self.accepted += verdict is Verdict.ACCEPTED
        self.rejected += verdict in REJECTIONS
        self.refused.append(verdict in REFUSALS)
        if self.rejected >= FIRST_REJECTIONS and not self.accepted:
            return PauseReason.MESSAGE_REJECTED
        if not refusals_seen and len(self.refused) == WATCHED and sum(self.refused) >= REFUSED_SHARE * WATCHED:
            return PauseReason.REFUSALS
        return None


class Brakes:
    """Watches the answers of this process."""

    def __init__(self, store: Broadcasts, heads: Heads, clock: Clock) -> None:
        self._store = store
        self._heads = heads
        self._clock = clock
        self._watches: OrderedDict[tuple[str, float | None], Watch] = OrderedDict()

    async def watch(self, broadcast_id: str, verdict: Verdict) -> None:
        """Take in an answer, and pause the broadcast where it says so. Never raises StorageError."""
        try:
            broadcast = await self._heads.head(broadcast_id)
            if broadcast.paused is not None:
                return
            reason = self._watch_of(broadcast).take(verdict, refusals_seen=broadcast.refusals_seen)
            stopped = broadcast.stopped_at(self._clock.now()) is not None
            if reason is not None and (not stopped or reason is PauseReason.BLOCKED_AUTH):
                await self._pause(broadcast, reason)
        except StorageError as error:
            # The next answer says the same.
            log_event(logger, "pause_not_noted", level=logging.ERROR, broadcast=broadcast_id, cause=str(error))

    async def _pause(self, broadcast: Broadcast, reason: PauseReason) -> None:
        now = self._clock.now()
        # This process knows at once; the others read the head within three seconds.
        self._heads.know_paused(broadcast, reason, at=now)
        if await self._store.changes.pause(broadcast.id, reason, at=now):
            log_event(logger, "broadcast_paused", level=logging.ERROR, broadcast=broadcast.id, reason=reason.value)

    def _watch_of(self, broadcast: Broadcast) -> Watch:
        key = (broadcast.id, broadcast.paused_at)
        watch = self._watches.setdefault(key, Watch())
        self._watches.move_to_end(key)
        if len(self._watches) > KEPT:
            self._watches.popitem(last=False)
        return watch
