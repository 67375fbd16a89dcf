"""Emitting: a walk's recipients become batch rows, each portion with the cursor's step in one transaction."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

from send_worker.digesting import Digesting
from send_worker.plan_steps import PlanSteps
from send_worker.walking import Walking
from send_worker.walks import Walk
from shared.domain.batches import Recipient
from shared.domain.broadcasts import Broadcast
from shared.domain.cursors import Cursor, Phase
from shared.domain.lanes import BATCH_SIZE
from shared.domain.modes import Mode
from shared.domain.plans import ROWS_PER_STEP, Portion, portions
from shared.domain.rehearsals import add_prospects, room_in_ramp
from shared.domain.scopes import Scope, needs_installer
from shared.nudging import Nudging
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts, Held
from shared.work.elapsed import monotonic

MOST_AHEAD = ROWS_PER_STEP * BATCH_SIZE
"""Recipients that are looked up at a time."""


class Emitting:
    """Emits plans. `scopes` are those in which the app is given to whoever lacks it."""

    def __init__(
        self,
        store: Broadcasts,
        *,
        steps: PlanSteps,
        digesting: Digesting,
        walking: Walking,
        nudging: Nudging,
        clock: Clock,
        scopes: Collection[Scope] = (),
    ) -> None:
        self._store = store
        self._steps = steps
        self._digesting = digesting
        self._walking = walking
        self._nudging = nudging
        self._clock = clock
        self._scopes = scopes

    async def emit(self, broadcast: Broadcast, held: Held, until: float) -> Held:
        """Write all of the plan's last run, or as much as there is time and room for. Raises RowConflict.

        `until` is by the process's monotonic clock.
        """
        walk = await self._walking.begin(broadcast, held.cursor)
        is_late = False
        while not walk.is_through:
            broadcast = await self._store.head(broadcast.id)
            # One portion is written in any case: a plan goes on also where reading its runs takes all of the time.
            if is_late or broadcast.stopped_at(self._clock.now()) is not None:
                return held
            room = self._room(broadcast, held.cursor)
            if room == 0:
                return await self._steps.step(broadcast.id, held, replace(held.cursor, phase=Phase.RAMP))
            recipients = await walk.ahead(MOST_AHEAD if room is None else min(room, MOST_AHEAD))
            for portion in self._portions(broadcast, recipients):
                held = await self._write(broadcast, held, portion, walk)
            # Who is told nothing leaves the cursor where it was: to end here would be to begin there again.
            is_late = bool(recipients) and monotonic() > until
        return await self._walking.end(broadcast, held)

    def _room(self, broadcast: Broadcast, cursor: Cursor) -> int | None:
        """How many recipients may be planned now: in a slow start at most its first people."""
        ramp = None if broadcast.mode is Mode.DRY_RUN else broadcast.ramp
        return room_in_ramp(ramp, planned=cursor.recipients, is_over=cursor.goes_on_at > 0)

    def _portions(self, broadcast: Broadcast, recipients: Sequence[Recipient]) -> Iterator[Portion]:
        scopes = self._scopes if broadcast.lanes.installs else ()
        return portions(recipients, is_stranger=partial(needs_installer, scopes=scopes, mode=broadcast.mode))

    async def _write(self, broadcast: Broadcast, held: Held, portion: Portion, walk: Walk) -> Held:
        """Write rows and the cursor's step, then nudge the lanes that wait for one of the rows.

        A dry run only counts: where no row is, nothing can be sent.
        """
        step, rows = portion.step(held.cursor)
        if broadcast.mode is Mode.DRY_RUN:
            prospects = add_prospects(step.prospects, portion.recipients)
            counted = replace(held.cursor, recipients=step.recipients, after=step.after, prospects=prospects)
            return await self._steps.step(broadcast.id, held, counted)
        stepped = await self._steps.step(broadcast.id, held, step, rows, also=walk.beside(portion.recipients))
        if broadcast.digest:
            await self._digesting.remove_taken(broadcast)
        # Lanes are read after the rows were written: a sender that did not find its row has stepped its lane by then.
        for lane in await self._store.lanes(broadcast.id, (await self._store.head(broadcast.id)).revision):
            if step.holds(lane.batch) and not held.cursor.holds(lane.batch):
                await self._nudging.batch_in_time(broadcast, lane.batch, now=self._clock.now())
        return stepped
