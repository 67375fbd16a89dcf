"""The planner: turns an audience into batch rows, run by run, and closes broadcasts whose work is done.

Every step is one transaction of the rows it wrote and the cursor: a second planner, or one that was thought dead,
writes nothing. Sending starts after the first run, which is one page.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from send_worker.closing import Closing
from send_worker.collecting import Collecting
from send_worker.counting import Counting
from shared.domain.audience import Audience, unpack_audience
from shared.domain.batches import Recipient
from shared.domain.broadcasts import Broadcast
from shared.domain.lanes import BATCH_SIZE
from shared.domain.modes import Mode
from shared.domain.plans import (
    ROWS_PER_STEP,
    Cursor,
    NewBatches,
    Phase,
    Portion,
    leave_out,
    portions,
)
from shared.domain.rehearsals import add_prospects, room_in_ramp
from shared.domain.scopes import Scope, needs_installer
from shared.errors import BroadcastNotFound, RowConflict, StorageUnavailable
from shared.nudging import TICK_SECONDS, Nudging
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts, Held
from shared.telemetry import log_event
from shared.work.elapsed import monotonic

BUDGET_SECONDS = 60.0
"""A planner works for so long, then nudges itself."""
MIXED = "mixed"
"""The kind of a run whose keys may stand in any other one."""
SHORT_REST = 45.0
"""A rest that is over before the sweep takes the plan for one that stands still."""

logger = logging.getLogger(__name__)


class Lookup(Protocol):
    """Finds what is known of recipients."""

    async def recipients(self, tenant: str, keys: Sequence[str]) -> list[Recipient]:
        """The recipients in the order of their sorted keys."""


class Planner:
    """Plans broadcasts and closes them."""

    def __init__(
        self,
        store: Broadcasts,
        *,
        collecting: Collecting,
        lookup: Lookup,
        closing: Closing,
        counting: Counting,
        nudging: Nudging,
        clock: Clock,
        scopes: Collection[Scope] = (),
    ) -> None:
        """`scopes` are those in which the app is given to whoever lacks it."""
        self._store = store
        self._collecting = collecting
        self._lookup = lookup
        self._closing = closing
        self._counting = counting
        self._nudging = nudging
        self._clock = clock
        self._scopes = scopes

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
                if held.cursor.phase is Phase.COLLECT:
                    held = await self._collect(broadcast, audience, held, until)
                    if held.cursor.rests_until > self._clock.now():
                        break
                elif held.cursor.phase is Phase.RAMP:
                    held = await self._ramp(broadcast, held)
                    if held.cursor.phase is Phase.RAMP:
                        break
                else:
                    held = await self._emit(broadcast, held, until)
                broadcast = await self._store.head(broadcast.id)
                await self._counting.count_if_due(broadcast, held.cursor)
        if not await self._closing.close_if_ended(broadcast.id):
            await self._counting.count_if_due(broadcast, held.cursor)

    async def _collect(self, broadcast: Broadcast, audience: Audience, held: Held, until: float) -> Held:
        """Collect a run, which becomes valid by the cursor's step. A plan that cannot read on rests."""
        if held.cursor.rests_until > self._clock.now():
            return held
        cursor = await self._collecting.step(broadcast, audience, held.cursor, until=until)
        held = await self._step(broadcast, held, cursor)
        rest = cursor.rests_until - self._clock.now()
        if 0 < rest <= SHORT_REST:
            # Only who wrote the rest nudges, so that nudges do not breed; the sweep does after a longer one.
            await self._nudging.plan(broadcast.id, delay=rest)
        return held

    async def _emit(self, broadcast: Broadcast, held: Held, until: float) -> Held:
        """Walk the collected run and write what no earlier run holds as batch rows."""
        cursor = held.cursor
        fresh = [key for key in await self._fresh_keys(broadcast.id, cursor) if key > cursor.after]
        position = 0
        while position < len(fresh):
            broadcast = await self._store.head(broadcast.id)
            # One portion is written in any case: a plan goes on also where reading its runs takes all of the time.
            is_late = position > 0 and monotonic() > until
            if is_late or broadcast.stopped_at(self._clock.now()) is not None:
                return held
            room = self._room(broadcast, held.cursor)
            if room == 0:
                return await self._step(broadcast, held, replace(held.cursor, phase=Phase.RAMP))
            most = ROWS_PER_STEP * BATCH_SIZE if room is None else min(room, ROWS_PER_STEP * BATCH_SIZE)
            keys = fresh[position : position + most]
            position += len(keys)
            recipients = await self._lookup.recipients(broadcast.tenant, keys)
            scopes = self._scopes if broadcast.lanes.installs else ()
            is_stranger = partial(needs_installer, scopes=scopes, mode=broadcast.mode)
            for portion in portions(recipients, is_stranger=is_stranger):
                held = await self._write(broadcast, held, portion)
        done = replace(held.cursor, phase=Phase.COLLECT, after="")
        return await self._step(broadcast, held, done)

    def _room(self, broadcast: Broadcast, cursor: Cursor) -> int | None:
        """How many recipients may be planned now: in a slow start at most its first people."""
        ramp = None if broadcast.mode is Mode.DRY_RUN else broadcast.ramp
        return room_in_ramp(ramp, planned=cursor.recipients, is_over=cursor.goes_on_at > 0)

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
            held = await self._step(broadcast, held, replace(cursor, goes_on_at=now + wait))
        remaining = held.cursor.goes_on_at - now
        if remaining <= 0:
            return await self._step(broadcast, held, replace(held.cursor, phase=Phase.EMIT))
        if remaining <= TICK_SECONDS:
            # What is further away is the sweep's, each minute.
            await self._nudging.plan(broadcast.id, delay=remaining)
        return held

    async def _write(self, broadcast: Broadcast, held: Held, portion: Portion) -> Held:
        """Write rows and the cursor's step, then nudge the lanes that wait for one of the rows.

        A dry run only counts: where no row is, nothing can be sent.
        """
        step, rows = portion.step(held.cursor)
        if broadcast.mode is Mode.DRY_RUN:
            prospects = add_prospects(step.prospects, portion.recipients)
            counted = replace(held.cursor, recipients=step.recipients, after=step.after, prospects=prospects)
            return await self._step(broadcast, held, counted)
        stepped = await self._step(broadcast, held, step, rows)
        # Lanes are read after the rows were written: a sender that did not find its row has stepped its lane by then.
        for lane in await self._store.lanes(broadcast.id, (await self._store.head(broadcast.id)).revision):
            if step.holds(lane.batch) and not held.cursor.holds(lane.batch):
                await self._nudging.batch_in_time(broadcast, lane.batch, now=self._clock.now())
        return stepped

    async def _step(self, broadcast: Broadcast, held: Held, cursor: Cursor, rows: Sequence[NewBatches] = ()) -> Held:
        try:
            etag = await self._store.step(broadcast.id, cursor, etag=held.etag, rows=rows)
        except RowConflict:
            # The client below tries again when an answer is lost, and then meets its own success.
            stands = await self._store.cursor(broadcast.id)
            if stands.cursor != cursor:
                raise
            return stands
        return Held(cursor=cursor, etag=etag)

    async def _fresh_keys(self, broadcast_id: str, cursor: Cursor) -> list[str]:
        *earlier, last = cursor.run_names
        _, keys = await self._store.runs.read(broadcast_id, last)
        for name in cursor.except_runs.split() if cursor.kind != "text" else ():
            keys = leave_out(keys, [(await self._store.runs.read(broadcast_id, name))[1]])
        for name in earlier:
            # One earlier run at a time is in memory: at most a mebibyte of ids.
            kind, known = await self._store.runs.read(broadcast_id, name)
            if kind == cursor.kind or MIXED in (kind, cursor.kind):
                keys = leave_out(keys, [known])
        return keys
