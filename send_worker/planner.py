"""The planner: turns an audience into batch rows, run by run, and closes broadcasts whose work is done.

Every step is one transaction of the rows it wrote and the cursor: a second planner, or one that was thought dead,
writes nothing. Sending starts after the first run, which is one page.
"""

import logging
from dataclasses import replace

from send_worker.children import Children
from send_worker.closing import Closing
from send_worker.collecting import Collecting
from send_worker.counting import Counting
from send_worker.digesting import Digesting
from send_worker.emitting import Emitting
from send_worker.plan_steps import PlanSteps
from send_worker.splitting import Splitting
from shared.domain.audience import Audience, unpack_audience
from shared.domain.broadcasts import Broadcast
from shared.domain.cursors import Phase
from shared.errors import BroadcastNotFound, RowConflict, StorageUnavailable
from shared.nudging import TICK_SECONDS, Nudging
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts, Held
from shared.telemetry import log_event
from shared.work.elapsed import monotonic

BUDGET_SECONDS = 60.0
"""A planner works for so long, then nudges itself."""
SHORT_REST = 45.0
"""A rest that is over before the sweep takes the plan for one that stands still."""

logger = logging.getLogger(__name__)


class Planner:
    """Plans broadcasts and closes them."""

    def __init__(
        self,
        store: Broadcasts,
        *,
        steps: PlanSteps,
        collecting: Collecting,
        digesting: Digesting,
        emitting: Emitting,
        splitting: Splitting,
        children: Children,
        closing: Closing,
        counting: Counting,
        nudging: Nudging,
        clock: Clock,
    ) -> None:
        self._store = store
        self._steps = steps
        self._collecting = collecting
        self._digesting = digesting
        self._emitting = emitting
        self._splitting = splitting
        self._children = children
        self._closing = closing
        self._counting = counting
        self._nudging = nudging
        self._clock = clock

    async def handle(self, broadcast_id: str) -> None:
        """Answer one nudge. A lost race or failing storage ends the work in silence: the sweep nudges again."""
        try:
            broadcast = await self._store.head(broadcast_id)
            await self._plan(broadcast)
        except BroadcastNotFound:
            log_event(logger, "nudge_dropped", broadcast=broadcast_id)
        except RowConflict:
            log_event(logger, "plan_left_to_another", broadcast=broadcast_id)
        except StorageUnavailable as error:
            log_event(logger, "plan_ended_by_storage", broadcast=broadcast_id, cause=str(error))

    async def _plan(self, broadcast: Broadcast) -> None:
        if broadcast.sleeps(self._clock.now() + TICK_SECONDS):
            # The tick nudges when the time has come.
            return
        until = monotonic() + BUDGET_SECONDS
        held = await self._store.cursor(broadcast.id)
        if not held.cursor.is_finished:
            audience = unpack_audience(await self._store.audience(broadcast.id))
            while not held.cursor.is_finished:
                if broadcast.stopped_at(self._clock.now()) is not None:
                    break
                if monotonic() > until:
                    await self._nudging.plan(broadcast.id)
                    return
                if held.cursor.rests_until > self._clock.now():
                    break
                if held.cursor.phase is Phase.RAMP:
                    held = await self._ramp(broadcast, held)
                    if held.cursor.phase is Phase.RAMP:
                        break
                else:
                    held = await self._step(broadcast, audience, held, until)
                broadcast = await self._store.head(broadcast.id)
                await self._counting.count_if_due(broadcast, held.cursor)
        if broadcast.own_clock is not None:
            await self._children.look_after(broadcast.id)
        if not await self._closing.close_if_ended(broadcast.id):
            await self._counting.count_if_due(broadcast, held.cursor)

    async def _step(self, broadcast: Broadcast, audience: Audience, held: Held, until: float) -> Held:
        """Collect a run, which becomes valid by the cursor's step, or walk it. A plan that cannot read on rests."""
        if held.cursor.phase is Phase.FREEZE:
            held = await self._digesting.freeze(broadcast, held)
        elif held.cursor.phase is Phase.COLLECT:
            held = await self._collect_run(broadcast, audience, held, until)
        elif broadcast.own_clock is not None:
            held = await self._splitting.emit(broadcast, held, until)
        else:
            held = await self._emitting.emit(broadcast, held, until)
        rest = held.cursor.rests_until - self._clock.now()
        if 0 < rest <= SHORT_REST:
            # Only who wrote the rest nudges, so that nudges do not breed; the sweep does after a longer one.
            await self._nudging.plan(broadcast.id, delay=rest)
        return held

    async def _collect_run(self, broadcast: Broadcast, audience: Audience, held: Held, until: float) -> Held:
        if broadcast.digest:
            audience = await self._digesting.audience(broadcast, held.cursor)
        cursor = await self._collecting.step(broadcast, audience, held.cursor, until=until)
        if broadcast.digest:
            cursor = await self._digesting.collected(broadcast, cursor)
        return await self._steps.step(broadcast.id, held, cursor)

    async def _ramp(self, broadcast: Broadcast, held: Held) -> Held:
        """Begin the wait of a slow start once its first people were tried, and end it; it stays in RAMP meanwhile."""
        cursor, now = held.cursor, self._clock.now()
        if not cursor.goes_on_at:
            lanes = await self._store.lanes(broadcast.id, broadcast.revision)
            # Something due may be people who were given the app by now, and whose message was not tried yet.
            untried = await self._store.due_markers(broadcast.id, until=now, limit=1)
            if untried or any(cursor.holds(lane.batch) for lane in lanes):
                return held
            wait = broadcast.ramp.wait if broadcast.ramp else 0.0
            held = await self._steps.step(broadcast.id, held, replace(cursor, goes_on_at=now + wait))
        remaining = held.cursor.goes_on_at - now
        if remaining <= 0:
            return await self._steps.step(broadcast.id, held, replace(held.cursor, phase=Phase.EMIT))
        if remaining <= TICK_SECONDS:
            # What is further away is the sweep's, each minute.
            await self._nudging.plan(broadcast.id, delay=remaining)
        return held
