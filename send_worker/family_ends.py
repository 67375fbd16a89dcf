"""The end of a parent: when its children are closed, with their sums for its own."""

from dataclasses import replace

from send_worker.plan_steps import PlanSteps
from shared.domain.broadcasts import Broadcast
from shared.domain.families import MomentSums, sum_up_family
from shared.domain.own_clocks import unpack_moments
from shared.domain.plans import Phase
from shared.domain.reports import Report, final_report
from shared.families import Families
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts


class FamilyEnds:
    """Tells whether families have ended."""

    def __init__(self, store: Broadcasts, families: Families, *, steps: PlanSteps, clock: Clock) -> None:
        self._store = store
        self._families = families
        self._steps = steps
        self._clock = clock

    async def sums_if_ended(self, parent: Broadcast) -> Report | None:
        """The last sums of a parent, whose children have all been closed; None where something is left to do.

        Of one that was stopped the cursor is written, be it as it was: whoever read it before makes no child any more.
        Raises RowConflict.
        """
        held = await self._store.cursor(parent.id)
        now = self._clock.now()
        is_stopped = parent.stopped_at(now) is not None
        are_made = held.cursor.is_finished and held.cursor.children == len(unpack_moments(held.cursor.moments))
        if not is_stopped and not are_made:
            return None
        members = await self._families.members(parent, held.cursor)
        children = [one.head for one in members if one.is_due]
        if any(one is None or one.finished_at is None or one.revision != parent.revision for one in children):
            return None
        if is_stopped:
            await self._steps.step(parent.id, held, replace(held.cursor, phase=Phase.FINISHED))
        sums = [
            MomentSums(moment=one.moment, child=one.head, report=final_report(one.head) if one.head else None)
            for one in members
        ]
        return replace(sum_up_family(parent, sums, now=now), counted_at=now)
