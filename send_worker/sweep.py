"""The sweep: reads indexes and nudges what stands still. It does no work itself, so that it always fits its minute.

It looks at lanes, due markers, plans and ends of every open broadcast, never at batch rows.
"""

import asyncio
import logging

from send_worker.closing import STOP_SECONDS
from shared.domain.broadcasts import LEASE_SECONDS, Broadcast
from shared.envelopes import Nudge, pack_nudge
from shared.errors import BroadcastNotFound, StorageError
from shared.ports import Clock, Queue
from shared.storage.broadcasts import Broadcasts, Held
from shared.storage.directory import Directory, OpenBroadcast
from shared.telemetry import log_event

MOST_DUE = 200
"""Due markers that one sweep nudges for each broadcast; the next minute brings more."""
LOOK_SECONDS = 60.0
OVERDUE_SECONDS = 180.0
"""The tick comes each minute; timers were seen to freeze, and then whoever is awake sweeps."""
AT_ONCE = 8
"""Broadcasts that are looked at side by side."""
ABANDONED_SECONDS = 24 * 3600.0
"""An `open` row without a head after a day is an acceptance that was never finished."""

logger = logging.getLogger(__name__)


class Sweep:
    """Looks after all open broadcasts."""

    def __init__(self, store: Broadcasts, directory: Directory, *, plans: Queue, sends: Queue, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._plans = plans
        self._sends = sends
        self._clock = clock
        self._looked_at = clock.now()

    async def run_if_overdue(self) -> None:
        """Run where the timer seems to have died: any handler asks, and the table is looked at once a minute."""
        now = self._clock.now()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        try:
            last = await self._directory.last_sweep()
            if last is not None and now - last > OVERDUE_SECONDS:
                log_event(logger, "sweep_overdue", level=logging.ERROR, seconds=int(now - last))
                await self.run()
        except StorageError as error:
            log_event(logger, "sweep_failed", level=logging.WARNING, cause=type(error).__name__)

    async def run(self) -> None:
        """Look at every open broadcast once."""
        await self._directory.note_sweep(at=self._clock.now())
        waiting = list(reversed(await self._directory.open_broadcasts()))

        async def look() -> None:
            while waiting:
                await self._look_at(waiting.pop())

        await asyncio.gather(*(look() for _ in range(AT_ONCE)))

    async def _look_at(self, opened: OpenBroadcast) -> None:
        try:
            broadcast = await self._store.head(opened.broadcast_id)
            held = await self._store.cursor(opened.broadcast_id)
        except BroadcastNotFound:
            if self._clock.now() - opened.opened_at > ABANDONED_SECONDS:
                await self._directory.close(opened.broadcast_id)
            return
        if broadcast.finished_at is not None or await self._needs_planner(broadcast, held):
            await self._plans.put(pack_nudge(Nudge(broadcast=broadcast.id)))
            return
        if broadcast.stopped_at(self._clock.now()) is None:
            await self._nudge_batches(broadcast, held)

    async def _needs_planner(self, broadcast: Broadcast, held: Held) -> bool:
        """Whether a plan stands still, or a stopped broadcast can be closed."""
        stopped_at = broadcast.stopped_at(self._clock.now())
        if stopped_at is not None:
            return self._clock.now() > stopped_at + STOP_SECONDS
        return not held.cursor.is_finished and held.age > LEASE_SECONDS

    async def _nudge_batches(self, broadcast: Broadcast, held: Held) -> None:
        now = self._clock.now()
        lanes = await self._store.lanes(broadcast.id)
        still = [lane.batch for lane in lanes if lane.batch < held.cursor.batches and lane.age > LEASE_SECONDS]
        due = await self._store.due_markers(broadcast.id, until=now, limit=MOST_DUE)
        for number in (*still, *(marker.batch for marker in due)):
            await self._sends.put(pack_nudge(Nudge(broadcast=broadcast.id, batch=number)))
        through = held.cursor.is_finished and all(lane.batch >= held.cursor.batches for lane in lanes)
        if through and not due and not await self._store.due_markers(broadcast.id, limit=1):
            # Every lane is through and nothing is due: whoever was to close it did not.
            await self._plans.put(pack_nudge(Nudge(broadcast=broadcast.id)))
        if still or due:
            log_event(logger, "batches_nudged", broadcast=broadcast.id, lanes=len(still), due=len(due))
