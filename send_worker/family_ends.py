"""The end of a parent: when its children are closed, with their sums for its own."""

from dataclasses import replace

from send_worker.plan_steps import PlanSteps
from shared.domain.broadcasts import Broadcast
from shared.domain.cursors import Phase
from shared.domain.families import MomentSums, sum_up_family
from shared.domain.ids import child_key
from shared.domain.outcomes import Outcome
from shared.domain.own_clocks import unpack_moments
from shared.domain.reports import Report, final_report
from shared.families import Families, Member
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.storage.directory import Directory


class FamilyEnds:
    """Tells whether families have ended."""

    def __init__(
        self, store: Broadcasts, families: Families, *, directory: Directory, steps: PlanSteps, clock: Clock
    ) -> None:
        self._store = store
        self._families = families
        self._directory = directory
        self._steps = steps
        self._clock = clock

    async def sums_if_ended(self, parent: Broadcast) -> Report | None:
        """The last sums of a parent, whose children have all been closed; None where something is left to do.

        Of one that was stopped the cursor is written, be it as it was: whoever read it before makes no child any more.
        Where a child was refused nobody of its moment gets the message: they count as cancelled. Raises RowConflict.
        """
        held = await self._store.cursor(parent.id)
        now = self._clock.now()
        is_stopped = parent.stopped_at(now) is not None
        are_made = held.cursor.is_finished and held.cursor.children == len(unpack_moments(held.cursor.moments))
        if not is_stopped and not are_made:
            return None
        members = await self._families.members(parent, held.cursor)
        for one in members:
            if one.is_due and not await self._has_ended(one, parent):
                return None
        if is_stopped:
            await self._steps.step(parent.id, held, replace(held.cursor, phase=Phase.FINISHED))
        sums = [
            MomentSums(moment=one.moment, child=one.head, report=final_report(one.head) if one.head else None)
            for one in members
        ]
        report = sum_up_family(parent, sums, now=now)
        report.outcomes[Outcome.CANCELLED] += report.outcomes.pop(Outcome.PENDING, 0)
        return replace(report, outcomes=+report.outcomes, counted_at=now)

    async def _has_ended(self, member: Member, parent: Broadcast) -> bool:
        child = member.head
        if child is not None:
            return child.finished_at is not None and child.revision == parent.revision
        # Not made yet, or refused: then another broadcast has its key.
        entry = await self._directory.find_key(parent.tenant, child_key(parent=parent.id, at=member.moment.at))
        return entry is not None and entry.broadcast_id != member.id
