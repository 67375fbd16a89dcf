"""Working on one claimed batch: slots for what is due, intents by group, results promptly, until all were tried once.

Turns go by batch, intents by group: a batch reserves the slots of all its due deliveries at once (two seconds of
pace), and its groups run back to back, so that what stands in `sending` at a crash is a few groups.
"""

import asyncio
import math
from collections.abc import Sequence

from send_worker.group import Group, GroupPoster
from shared.domain.broadcasts import Priority
from shared.domain.lanes import BATCH_SIZE, SMALLEST_GROUP, group_size
from shared.domain.pacing import URGENT_SHARE, FarAway, Slots
from shared.errors import StorageError
from shared.pacer import Pacer
from shared.ports import Clock
from shared.work.claim import HOLDER_SECONDS, Claim
from shared.work.heads import Heads
from shared.work.stake import Stake
from shared.work.walk import End

LEAD = 0.25
"""An intent is written so many seconds before the first of its slots."""
STAY = 15.0
"""Retries that are due within so many seconds of the time when all were tried are waited for; later ones are marked."""
RESERVATION_SECONDS = 2.05
STORAGE_WAIT = 5.0
STALE_ANSWERS = 1.2
"""Answers older than this are journaled even when no intent is due: a straggler must not keep others `sending`."""
STALE_ANSWERS_WHEN_CROWDED = 0.1


class BatchRun:
    """One claimed batch, from the first slot to the last answer. It never settles the claim."""

    def __init__(
        self,
        claim: Claim,
        *,
        heads: Heads,
        pacer: Pacer,
        stake: Stake,
        poster: GroupPoster,
        clock: Clock,
    ) -> None:
        self._claim = claim
        self._heads = heads
        self._pacer = pacer
        self._stake = stake
        self._poster = poster
        self._clock = clock
        self._groups: list[Group] = []
        self._all_tried_at: float | None = None
        self.wait = 0.0
        """Seconds until the slots that were too far away."""

    async def work(self) -> End:
        """Do what the batch needs now."""
        try:
            return await self._work()
        finally:
            # In-flight posts end by their own time-outs; nothing of an invocation outlives it.
            await self._poster.finish()
            self._claim.deliveries.settle_answers()

    async def _work(self) -> End:
        claim = self._claim
        while not claim.is_lost:
            claim.deliveries.settle_answers()
            held = await self._heads.is_held(claim.broadcast.id)
            stopped = held or await self._heads.is_over(claim.broadcast.id)
            due = self._within_reservation(self._due(sending=not stopped, revising=not held))
            if due:
                slots = await self._reserve(self._slots_of(due))
                if isinstance(slots, FarAway):
                    self.wait = slots.wait
                    await self._wait_for_answers()
                    return End.LOST if claim.is_lost else End.FAR_AWAY
                await self._start_groups(due, slots)
            elif self._is_posting():
                await self._wait_for_answers(until_one=True)
            elif held or (stopped and not claim.broadcast.revision):
                return End.STOPPED
            elif not await self._wait_for_retry(sending=not stopped):
                return End.LOST if claim.is_lost else End.TRIED
        return End.LOST

    def _due(self, *, sending: bool, revising: bool) -> list[int]:
        """What may be done now: first what was never sent, then what was sent with other words."""
        deliveries, now = self._claim.deliveries, self._clock.now()
        return (deliveries.due(now) if sending else []) + (deliveries.to_revise(now) if revising else [])

    async def _reserve(self, slots: int) -> Slots | FarAway:
        reserving = asyncio.ensure_future(self._pacer.reserve(slots, urgent=self._is_urgent))
        try:
            while not (await asyncio.wait([reserving], timeout=STALE_ANSWERS))[0]:
                await self._write_what_is_known()
            return await reserving
        except StorageError:
            # The answers at hand must still be journaled, so the batch ends as if its slots were far away.
            return FarAway(wait=STORAGE_WAIT)

    async def _start_groups(self, due: Sequence[int], slots: Slots) -> None:
        """Write intents and post groups, each shortly before its slots, until the reservation is used up or void."""
        claim = self._claim
        while due:
            if self._pacer.is_void(slots):
                return
            group_slots = self._group_slots(slots)
            positions = self._within(due, group_slots)
            await self._sleep_until(slots.first_at - LEAD)
            if claim.is_lost or not await self._may_post(positions):
                return
            if not await self._wait_for_room(len(positions)) or self._pacer.is_void(slots):
                return
            claim.intend(positions)
            if not await claim.journal():
                return
            group = Group(positions=positions, slots=slots)
            self._groups.append(group)
            self._poster.start(group)
            due = due[len(positions) :]
            slots = slots.after(self._slots_of(positions))
            while self._is_crowded(group_slots):
                await self._wait_for_answers(until_one=True)
                if claim.is_lost:
                    return
        # The next reservation is made when the last slots of this one are about to be used.
        await self._sleep_until(slots.first_at - 0.15)

    async def _may_post(self, positions: Sequence[int]) -> bool:
        """Whether a group may still be posted, by a head of at most three seconds ago."""
        broadcast_id = self._claim.broadcast.id
        if all(map(self._claim.deliveries.is_sent, positions)):
            return not await self._heads.is_held(broadcast_id)
        return not await self._heads.is_stopped(broadcast_id)

    async def _wait_for_room(self, number: int) -> bool:
        """Wait until the process may stake so many more deliveries; false when the claim is lost meanwhile."""
        claim = self._claim
        if self._stake.has_room(number):
            return True
        self._stake.waiting += 1
        try:
            while not self._stake.has_room(number) and not claim.is_lost:
                if claim.is_behind:
                    # What was answered in memory counts until it is written: two batches could wait for each other.
                    await claim.journal()
                else:
                    await asyncio.sleep(0.05)
        finally:
            self._stake.waiting -= 1
        return not claim.is_lost

    async def _wait_for_answers(self, *, until_one: bool = False) -> None:
        """Wait for what is being posted, or only for the next answer, and journal answers promptly."""
        claim = self._claim
        while self._is_posting() and not claim.is_lost:
            await claim.deliveries.changed(1.0)
            stale = STALE_ANSWERS_WHEN_CROWDED if self._stake.waiting else STALE_ANSWERS
            if claim.deliveries.is_dirty or (claim.deliveries.unwritten and claim.seconds_since_write > stale):
                await claim.journal()
            if until_one:
                return

    async def _wait_for_retry(self, *, sending: bool) -> bool:
        """Wait for a retry that is due soon after all were tried; false when there is none."""
        claim = self._claim
        next_due_at = claim.deliveries.next_due_at(sending=sending)
        if self._all_tried_at is None:
            self._all_tried_at = self._clock.now()
        if next_due_at is None or next_due_at - self._all_tried_at > STAY:
            return False
        await self._sleep_until(next_due_at + 0.01)
        if claim.seconds_since_write > HOLDER_SECONDS / 2:
            await claim.journal()
        return not claim.is_lost

    def _is_posting(self) -> bool:
        self._groups = [group for group in self._groups if group.left]
        return bool(self._groups)

    def _is_crowded(self, group_slots: int) -> bool:
        """Whether so much is unanswered that another intent must wait."""
        self._is_posting()
        sending = self._claim.deliveries.standing - len(self._claim.deliveries.answers)
        return len(self._groups) > 2 or sending > 2 * group_slots

    @property
    def _is_urgent(self) -> bool:
        return self._claim.broadcast.priority is Priority.URGENT

    def _slots_of(self, positions: Sequence[int]) -> int:
        return sum(map(self._claim.deliveries.requests_for, positions))

    def _within_reservation(self, due: list[int]) -> list[int]:
        rate = self._pacer.rate
        if rate is None:
            return due
        share = URGENT_SHARE if self._is_urgent else 1.0
        return self._within(due, max(SMALLEST_GROUP, min(BATCH_SIZE, math.ceil(rate * share * RESERVATION_SECONDS))))

    def _group_slots(self, slots: Slots) -> int:
        return group_size(1 / slots.interval if slots.interval else None)

    def _within(self, positions: Sequence[int], slots: int) -> list[int]:
        """As many of the first positions as fit into so many slots; at least one."""
        taken, used = list[int](), 0
        for position in positions:
            used += self._slots_of([position])
            if taken and used > slots:
                break
            taken.append(position)
        return taken

    async def _write_what_is_known(self) -> None:
        """Journal before a long wait: what was answered must not stand in `sending` meanwhile."""
        if self._claim.is_behind and not self._claim.is_lost:
            await self._claim.journal()

    async def _sleep_until(self, instant: float) -> None:
        """Sleep, and write meanwhile what becomes known."""
        while (wait := instant - self._clock.now()) > 0:
            await asyncio.sleep(min(wait, STALE_ANSWERS))
            if wait > STALE_ANSWERS:
                await self._write_what_is_known()
