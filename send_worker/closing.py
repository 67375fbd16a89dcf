"""Closing: a broadcast has ended when its plan is finished, every lane is through, and nothing is due or parked."""

import logging
from collections import Counter
from dataclasses import replace

from send_worker.digesting import Digesting
from send_worker.family_ends import FamilyEnds
from shared.domain.broadcasts import LEASE_SECONDS, SETTLING, Broadcast, count_as, pack_counts
from shared.domain.cursors import Cursor, Phase
from shared.domain.outcomes import Outcome
from shared.domain.reports import Report
from shared.domain.revisions import Revised, count_revised, pack_revised
from shared.errors import RowConflict
from shared.nudging import MOST_DUE, Nudging
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.storage.directory import Directory
from shared.telemetry import log_event

STOP_SECONDS = SETTLING.total_seconds() + LEASE_SECONDS
"""After a cancel or an expiry nobody holds a batch any more by this time, so that what stands is what counts."""
EXPIRING_SECONDS = 15.0
BEGINNING_SECONDS = 600.0
"""A revision that was announced so long ago and has not begun is taken for dead."""

logger = logging.getLogger(__name__)


class Closing:
    """Decides whether a broadcast has ended, stores its sums, and takes it out of the sweep's sight."""

    def __init__(
        self,
        store: Broadcasts,
        *,
        directory: Directory,
        digesting: Digesting,
        family_ends: FamilyEnds,
        nudging: Nudging,
        clock: Clock,
    ) -> None:
        self._store = store
        self._directory = directory
        self._digesting = digesting
        self._family_ends = family_ends
        self._nudging = nudging
        self._clock = clock

    async def close_if_ended(self, broadcast_id: str) -> bool:
        """Close the broadcast if nothing is left to do; whether it is closed. Closing it twice changes nothing.

        A revision writes the `open` row anew before it opens the broadcast again: so that row is read first, and it
        stays while the revision that it was written for may still begin.
        """
        opening = await self._directory.opening(broadcast_id)
        broadcast = await self._store.head(broadcast_id)
        cursor = (await self._store.cursor(broadcast_id)).cursor
        if broadcast.finished_at is None:
            if broadcast.own_clock is None:
                sums = await self._sums_if_ended(broadcast, cursor)
            else:
                sums = await self._family_ends.sums_if_ended(broadcast)
            if sums is None:
                return False
            finished = await self._store.changes.finish(
                broadcast.id,
                at=sums.counted_at,
                sums=pack_counts(sums.outcomes),
                revised_sums=pack_revised(sums.revised),
                revision=broadcast.revision,
            )
            if not finished:
                return False
            log_event(logger, "broadcast_closed", broadcast=broadcast.id, recipients=sums.total)
        if broadcast.parent:
            # It may have been the last one that its parent waits for.
            await self._nudging.plan(broadcast.parent)
        if opening is not None and (opening.revision <= broadcast.revision or opening.age > BEGINNING_SECONDS):
            await self._directory.close(broadcast_id, version=opening.version)
        return True

    async def _sums_if_ended(self, broadcast: Broadcast, cursor: Cursor) -> Report | None:
        """The last sums of a broadcast; None where something is left to do."""
        if not await self._has_ended(broadcast, cursor) or not await self._end_plan(broadcast):
            return None
        now = self._clock.now()
        if broadcast.digest and broadcast.stopped_at(now) is not None:
            # Its plan may have ended before it could remove what it had named.
            await self._digesting.settle_ended(broadcast)
        sums, revised, left = Counter[Outcome](), Counter[Revised](), list[int]()
        ends_as = broadcast.ends_open_as(now)
        async for row in self._store.summaries(broadcast.id, lease_seconds=LEASE_SECONDS):
            if row.held:
                # Its holder may still write what became of it; the next minute sees.
                return None
            counted = count_as(row.outcomes, held=False, ends_as=ends_as)
            outcomes = Counter(Outcome(character) for character in counted)
            sums.update(outcomes)
            if any(outcome.is_open for outcome in outcomes):
                left.append(row.number)
            revised.update(count_revised(row, revision=broadcast.revision))
        if left:
            await self._find_again(broadcast, left)
            return None
        return Report(outcomes=sums, rate=0.0, counted_at=now, revised=revised)

    async def _find_again(self, broadcast: Broadcast, left: list[int]) -> None:
        """Nudge batches with open deliveries that no lane and no marker leads to: no hole in the rules loses anybody.

        In an expiry's last seconds batches are left as they are, and count as expired once it has come.
        """
        if broadcast.stopped_at(self._clock.now() + EXPIRING_SECONDS) is not None:
            return
        log_event(logger, "deliveries_left", level=logging.ERROR, broadcast=broadcast.id, batches=len(left))
        for number in left[:MOST_DUE]:
            await self._nudging.batch(broadcast.id, number)

    async def _end_plan(self, broadcast: Broadcast) -> bool:
        """Step a stopped plan to its end, so that a planner that was frozen writes no batch behind the sums."""
        held = await self._store.cursor(broadcast.id)
        if held.cursor.is_finished:
            return True
        try:
            await self._store.step(broadcast.id, replace(held.cursor, phase=Phase.FINISHED), etag=held.etag)
        except RowConflict:
            return False
        return True

    async def _has_ended(self, broadcast: Broadcast, cursor: Cursor) -> bool:
        stopped_at = broadcast.stopped_at(self._clock.now())
        if stopped_at is not None and self._clock.now() <= stopped_at + STOP_SECONDS:
            return False
        if stopped_at is not None and not broadcast.revision:
            return True
        if not cursor.is_finished and stopped_at is None:
            return False
        lanes = await self._store.lanes(broadcast.id, broadcast.revision)
        if any(cursor.holds(lane.batch) for lane in lanes):
            return False
        if await self._store.due_markers(broadcast.id, limit=1):
            return False
        return not await self._store.parked.numbers(broadcast.id, limit=1)
