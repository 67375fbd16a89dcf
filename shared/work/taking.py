"""Taking batches: which of them this process may work on, called by a nudge or next in the lane that it goes along."""

import logging
from secrets import token_hex

from shared.domain.batches import Batch
from shared.domain.broadcasts import LEASE_SECONDS, Broadcast
from shared.domain.outcomes import Outcome
from shared.domain.revisions import begin
from shared.nudging import TICK_SECONDS, Nudging
from shared.ports import Clock
from shared.storage.broadcast_keys import due_at, parked_key
from shared.storage.broadcasts import Broadcasts
from shared.storage.rows import delete, upsert
from shared.telemetry import log_event
from shared.work.claim import Claim
from shared.work.heads import Heads
from shared.work.settling import lane_step
from shared.work.stake import Stake

HOLDER_WAIT = 3.0
MOST_FRUITLESS = 5
"""Claims in a row without an answer after which a batch is set aside: it may be what kills its process."""

logger = logging.getLogger(__name__)


class Taking:
    """Takes batches that need work and are free; what is not to be had yet is nudged again, or left to the sweep.

    One who is `installing` takes those whose people should be given the app, anybody else all others.
    """

    def __init__(
        self, store: Broadcasts, heads: Heads, nudging: Nudging, clock: Clock, *, installing: bool = False
    ) -> None:
        self._store = store
        self._heads = heads
        self._nudging = nudging
        self._clock = clock
        self._installing = installing

    async def take(self, broadcast: Broadcast, number: int, *, stake: Stake) -> Claim | None:
        """Claim a batch that still needs work; None where there is none, or where it is somebody else's."""
        batch = await self._store.batch(broadcast.id, number)
        if batch is None or not await self._is_mine(broadcast, batch):
            return None
        progress = begin(batch.progress, broadcast.revision)
        is_left = not progress.placed and not progress.due_marker
        if is_left and (progress.is_final or progress.fruitless >= MOST_FRUITLESS):
            return None
        stopped = await self._heads.is_over(broadcast.id)
        if await self._is_held(broadcast.id) or (stopped and not broadcast.revision):
            # What stands in `sending` then counts as uncertain; a claim would make it look as if it was never sent.
            await self._come_back(broadcast, number)
            return None
        if not self._is_my_turn(batch, stopped=stopped):
            await self._hand_on(broadcast, number)
            return None
        claim = Claim(self._store, broadcast, batch, lease=token_hex(8), stake=stake, stopped=stopped)
        if batch.progress.fruitless >= MOST_FRUITLESS:
            await self._park(claim)
            return None
        return claim if await claim.claim() else None

    async def following(self, claim: Claim) -> Batch | None:
        """The batch behind a claimed one in its lane, where the handover may claim it; else None."""
        batch = await self._store.batch(claim.broadcast.id, claim.broadcast.lanes.after(claim.number))
        if batch is None or not _can_follow(batch, claim.broadcast) or not self._is_my_turn(batch, stopped=False):
            return None
        return batch

    async def hand_on_what_is_due(self, claim: Claim) -> None:
        """Nudge whose turn it is with a batch that was settled while something of it is due at once."""
        if claim.due_marker and due_at(claim.due_marker) <= self._clock.now():
            await self._hand_on(claim.broadcast, claim.number)

    async def hand_on_what_can_be_sent(self, claim: Claim) -> None:
        """Have those sent to who were given the app before the others of their batch turned out to be held up."""
        if self._installing and not claim.is_lost and Outcome.PENDING in claim.deliveries.outcomes:
            await self._hand_on(claim.broadcast, claim.number)

    async def leave_to_others(self, broadcast: Broadcast, number: int) -> None:
        """Hand a batch on that needs nothing of this worker, who cannot work for now."""
        batch = await self._store.batch(broadcast.id, number)
        if batch is not None and not self._is_my_turn(batch, stopped=False):
            await self._hand_on(broadcast, number)

    async def _hand_on(self, broadcast: Broadcast, number: int) -> None:
        """Nudge whose turn it is: the installer at once, the sender when the broadcast's moment has come."""
        if self._installing:
            await self._nudging.send(broadcast.id, number, delay=broadcast.wait(self._clock.now()))
        else:
            await self._nudging.install(broadcast.id, number)

    def _is_my_turn(self, batch: Batch, *, stopped: bool) -> bool:
        """Whether the batch is this worker's: the installer's while people of it should be given the app now."""
        return self._installing is (not stopped and bool(batch.progress.to_install(self._clock.now())))

    async def _is_held(self, broadcast_id: str) -> bool:
        """Whether nothing may be done: the app is given to people before the moment of their message, too."""
        return await (self._heads.is_paused if self._installing else self._heads.is_held)(broadcast_id)

    async def _come_back(self, broadcast: Broadcast, number: int) -> None:
        """Have a nudge again that came a little before the broadcast's moment: queues have clocks of their own."""
        if not self._installing and 0 < (wait := broadcast.wait(self._clock.now())) <= TICK_SECONDS:
            await self._nudging.send(broadcast.id, number, delay=wait)

    async def _is_mine(self, broadcast: Broadcast, batch: Batch) -> bool:
        """Whether a batch is free, and is of this process's revision or next to come to it."""
        behind = batch.progress.revision < broadcast.revision
        if batch.progress.revision > broadcast.revision:
            # The head is seconds old: by it the old words would come back.
            self._heads.forget(broadcast.id)
            await self._nudging.batch(broadcast.id, batch.number, delay=1.0)
            return False
        if batch.is_held(LEASE_SECONDS):
            if behind:
                # Its holder works for an earlier revision's lane: nobody else would go on along this one.
                await self._nudging.batch(broadcast.id, batch.number, delay=HOLDER_WAIT)
            return False
        if not behind:
            return True
        # A revision comes to a batch by its lane alone: whoever took one out of its turn would make the lane jump.
        lanes = await self._store.lanes(broadcast.id, broadcast.revision)
        return any(lane.batch == batch.number for lane in lanes)

    async def _park(self, claim: Claim) -> None:
        """Set a batch aside, with an alarm, and let its lane go on: its deliveries stay open until it is replayed."""
        also = [upsert(parked_key(claim.number), {"fruitless": MOST_FRUITLESS})]
        had_place = claim.has_place
        if had_place:
            also.append(lane_step(claim))
        if claim.due_marker:
            also.append(delete(claim.due_marker))
        await claim.settle(due_marker="", also=also)
        if claim.is_lost:
            return
        log_event(logger, "batch_parked", level=logging.ERROR, broadcast=claim.broadcast.id, batch=claim.number)
        if had_place:
            await self._nudging.batch(claim.broadcast.id, claim.broadcast.lanes.after(claim.number))


def _can_follow(batch: Batch, broadcast: Broadcast) -> bool:
    """Whether a batch can be claimed by the handover of the one before it in its lane."""
    is_free = not batch.is_held(LEASE_SECONDS) and batch.progress.fruitless < MOST_FRUITLESS
    return is_free and batch.progress.revision <= broadcast.revision
