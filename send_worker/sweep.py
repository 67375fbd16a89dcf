"""The sweep: reads indexes and nudges what stands still. It does no work itself, so that it always fits its minute.

It looks at lanes, due markers, plans and ends of every open broadcast, never at batch rows.
"""

import asyncio
import logging

from send_worker.closing import STOP_SECONDS
from shared.domain.broadcasts import LEASE_SECONDS, Broadcast, PauseReason
from shared.domain.reports import LIVE_BATCHES
from shared.errors import BroadcastNotFound, StorageError
from shared.nudging import Nudging
from shared.pacer import Pacers
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts, Held
from shared.storage.directory import Directory, OpenBroadcast
from shared.telemetry import log_event

LOOK_SECONDS = 60.0
OVERDUE_SECONDS = 180.0
"""The tick comes each minute; timers were seen to freeze, and then whoever is awake sweeps."""
AT_ONCE = 8
"""Broadcasts that are looked at side by side."""
MOST_WOKEN = 1_000
"""Broadcasts that one sweep wakes; the next one wakes more."""
ABANDONED_SECONDS = 24 * 3600.0
"""An `open` row without a head after a day is an acceptance that was never finished."""

logger = logging.getLogger(__name__)


class Sweep:
    """Looks after all open broadcasts."""

    def __init__(self, store: Broadcasts, directory: Directory, pacers: Pacers, nudging: Nudging, clock: Clock) -> None:
        self._store = store
        self._directory = directory
        self._pacers = pacers
        self._nudging = nudging
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
            if last is None or now - last > OVERDUE_SECONDS:
                log_event(logger, "sweep_overdue", level=logging.ERROR, seconds=int(now - (last or now)))
                await self.run()
        except StorageError as error:
            log_event(logger, "sweep_failed", level=logging.WARNING, cause=type(error).__name__)

    async def run(self) -> None:
        """Look at every open broadcast once."""
        now = self._clock.now()
        await self._directory.note_sweep(at=now)
        for sleeper in await self._directory.due(until=now + LOOK_SECONDS, limit=MOST_WOKEN):
            await self._directory.wake(sleeper, at=now)
        waiting = list(reversed(await self._directory.open_broadcasts()))

        async def look() -> None:
            while waiting:
                opened = waiting.pop()
                try:
                    await self._look_at(opened)
                except StorageError as error:
                    # One broadcast that cannot be read keeps nobody from the others.
                    log_event(
                        logger,
                        "sweep_failed",
                        level=logging.WARNING,
                        broadcast=opened.broadcast_id,
                        cause=type(error).__name__,
                    )

        await asyncio.gather(*(look() for _ in range(AT_ONCE)))

    async def _look_at(self, opened: OpenBroadcast) -> None:
        try:
            broadcast = await self._store.head(opened.broadcast_id)
            broadcast = broadcast.under(tenant_stopped=await self._pacers.of(broadcast.tenant).switch.is_stopped())
            held = await self._store.cursor(opened.broadcast_id)
        except BroadcastNotFound:
            if self._clock.now() - opened.opened_at > ABANDONED_SECONDS:
                await self._directory.close(opened.broadcast_id)
            return
        if broadcast.sleeps(self._clock.now() + LOOK_SECONDS):
            await self._lay_down(broadcast)
            return
        if broadcast.finished_at is None and held.cursor.is_finished and held.cursor.rows > LIVE_BATCHES:
            # The planner's function stores the sums that are too many to be read for each look at them.
            await self._nudging.plan(broadcast.id)
        if broadcast.finished_at is not None:
            await self._nudging.plan(broadcast.id)
            return
        if self._needs_planner(broadcast, held):
            await self._nudging.plan(broadcast.id)
        if broadcast.own_clock is not None:
            return
        if broadcast.paused is PauseReason.BLOCKED_AUTH:
            # One batch finds out whether tokens work again, and resumes the broadcast if they do.
            await self._nudging.batch(broadcast.id, 0)
        elif broadcast.paused is None and (broadcast.revision or broadcast.stopped_at(self._clock.now()) is None):
            await self._nudge_batches(broadcast, held)

    async def _lay_down(self, broadcast: Broadcast) -> None:
        """Look at a broadcast no more until its plan is due.

        A revision announces itself in the `open` row before it stands in the head: such a row stays, and the next
        sweep looks again.
        """
        await self._directory.lay_down(broadcast.id, tenant=broadcast.tenant, until=broadcast.plan_at)
        opening = await self._directory.opening(broadcast.id)
        head = await self._store.head(broadcast.id)
        if opening is not None and opening.revision <= head.revision and head.sleeps(self._clock.now()):
            await self._directory.close(broadcast.id, version=opening.version)

    def _needs_planner(self, broadcast: Broadcast, held: Held) -> bool:
        """Whether a plan stands still, or a stopped broadcast can be closed."""
        stopped_at = broadcast.stopped_at(self._clock.now())
        if broadcast.own_clock is not None and (held.cursor.is_finished or stopped_at is not None):
            # Its children fall due one after the other, and follow it.
            return True
        if stopped_at is not None:
            # What was sent may still have to be revised: then the lanes tell when that is done.
            return not broadcast.revision and self._clock.now() > stopped_at + STOP_SECONDS
        return not held.cursor.is_finished and held.age > LEASE_SECONDS

    async def _nudge_batches(self, broadcast: Broadcast, held: Held) -> None:
        now = self._clock.now()
        nudged = await self._nudging.wake_still(broadcast, held.cursor, now=now, still=LEASE_SECONDS)
        if nudged:
            log_event(logger, "batches_nudged", broadcast=broadcast.id, batches=nudged)
