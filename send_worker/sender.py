"""The sender: answers a nudge by claiming a batch, works along its lane for half a minute, and hands over.

A nudge names a batch and carries nothing else: lost, doubled, late or for a finished batch, it does no harm.
"""

import logging
import random
from dataclasses import dataclass, field
from secrets import token_hex

from send_worker.batch_run import BatchRun, End
from send_worker.brakes import Brakes
from send_worker.claim import Claim
from send_worker.elapsed import monotonic
from send_worker.group import GroupPoster
from send_worker.heads import Heads
from send_worker.speaker import Speaker
from send_worker.stake import Stake
from send_worker.witness import Witness
from shared.domain.batches import Batch
from shared.domain.broadcasts import LEASE_SECONDS, Broadcast, PauseReason
from shared.domain.lanes import lane_of
from shared.domain.revisions import begin
from shared.envelopes import Nudge, pack_nudge
from shared.errors import BroadcastNotFound, StorageUnavailable
from shared.nudging import Nudging
from shared.pacer import Pacer, Pacers
from shared.ports import Clock, Queue
from shared.storage.broadcast_keys import due_key, lane_key, parked_key
from shared.storage.broadcasts import Broadcasts
from shared.storage.rows import Operation, delete, insert, merge, upsert
from shared.telemetry import log_event

BUDGET_SECONDS = 30.0
"""One invocation goes on along its lane for so long, then it hands over by a nudge."""
MOST_BATCHES = 12
"""Batches of one tenant that may be worked on in one process, so that tenants do not block each other."""
HOLDER_WAIT = 3.0
PROBE_SECONDS = 45.0
LONGEST_DELAY = 1800.0
MOST_FRUITLESS = 5
"""Claims in a row without an answer after which a batch is set aside: it may be what kills its process."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Tenant:
    """What the batches of one tenant share in this process."""

    pacer: Pacer
    stake: Stake
    batches: int = 0
    put_back: dict[tuple[str, int], float] = field(default_factory=dict)
    """Nudges that come again by themselves, and when: another one for the same batch is dropped until then."""


class Sender:
    """Works on batches. One per process, so that its tenants' pacers are too."""

    def __init__(
        self,
        store: Broadcasts,
        *,
        pacers: Pacers,
        speaker: Speaker,
        witness: Witness,
        sends: Queue,
        nudging: Nudging,
        clock: Clock,
    ) -> None:
        self._store = store
        self._pacers = pacers
        self._speaker = speaker
        self._witness = witness
        self._sends = sends
        self._nudging = nudging
        self._clock = clock
        self._heads = Heads(store, clock)
        self._brakes = Brakes(store, self._heads, clock)
        self._tenants: dict[str, _Tenant] = {}

    async def handle(self, broadcast_id: str, number: int) -> None:
        """Answer one nudge. Storage that fails ends the work in silence: the sweep nudges again."""
        try:
            await self._handle(await self._heads.head(broadcast_id), number)
        except BroadcastNotFound:
            log_event(logger, "nudge_dropped", broadcast=broadcast_id, batch=number)
        except StorageUnavailable as error:
            log_event(logger, "walk_ended_by_storage", broadcast=broadcast_id, batch=number, cause=str(error))

    async def _handle(self, broadcast: Broadcast, number: int) -> None:
        if broadcast.paused is PauseReason.BLOCKED_AUTH:
            await self._resume_if_authorized(broadcast)
            return
        tenant = self._tenant(broadcast.tenant)
        if tenant.batches >= MOST_BATCHES:
            await self._put_back(tenant, broadcast.id, number)
            return
        tenant.batches += 1
        try:
            await self._walk(broadcast, number, tenant)
        finally:
            tenant.batches -= 1

    async def _put_back(self, tenant: _Tenant, broadcast_id: str, number: int) -> None:
        """Let a nudge come again in some seconds, once however often the sweep repeats it."""
        now = self._clock.now()
        tenant.put_back = {key: at for key, at in tenant.put_back.items() if at > now}
        if (broadcast_id, number) in tenant.put_back:
            return
        delay = random.uniform(2.0, 6.0)  # noqa: S311 - jitter between instances is no secret
        tenant.put_back[broadcast_id, number] = now + delay
        await self._nudge(broadcast_id, number, delay=delay)

    async def _resume_if_authorized(self, broadcast: Broadcast) -> None:
        """Let a broadcast go on that stood still because its credentials were refused, once a token can be had.

        A token can be had, too, where the Connector refuses it: so this is tried once in a while, not by each nudge.
        """
        if self._clock.now() - (broadcast.paused_at or 0.0) < PROBE_SECONDS or not await self._speaker.is_authorized():
            return
        self._heads.forget(broadcast.id)
        if await self._store.changes.resume(broadcast.id, reason=PauseReason.BLOCKED_AUTH):
            log_event(logger, "broadcast_resumed", broadcast=broadcast.id)
            await self._nudging.wake(broadcast, (await self._store.cursor(broadcast.id)).cursor)

    def _tenant(self, name: str) -> _Tenant:
        """The tenant's pacer and stake, made at its first use."""
        if name not in self._tenants:
            self._tenants[name] = _Tenant(self._pacers.of(name), Stake(self._pacers.ceiling))
        return self._tenants[name]

    async def _walk(self, broadcast: Broadcast, number: int, tenant: _Tenant) -> None:
        """Work on a batch and on what follows it in its lane, while there is time."""
        until = monotonic() + BUDGET_SECONDS
        claim = await self._take(broadcast, number, tenant)
        while claim is not None:
            had_place = claim.has_place
            run = self._run(claim, tenant, await self._heads.message(claim.broadcast))
            try:
                end = await run.work()
                if end is End.LOST:
                    return
                if end is not End.TRIED:
                    await claim.settle(keep_place=True)
                    if end is End.FAR_AWAY and not claim.is_lost:
                        jitter = random.uniform(0.8, 1.3)  # noqa: S311 - jitter between instances is no secret
                        await self._nudge(broadcast.id, claim.number, delay=run.wait * jitter)
                    return
                following = await self._settle(claim, may_go_on=monotonic() < until)
                if claim.is_lost:
                    return
            finally:
                claim.give_back_stake()
            if following is None and had_place:
                number = claim.number + broadcast.lanes
                if monotonic() >= until:
                    await self._nudge(broadcast.id, number)
                    return
                # Read again after the lane's step: a planner that wrote the batch before it did not see the step.
                following = await self._take(broadcast, number, tenant)
            claim = following
            if claim is not None and (await self._heads.head(broadcast.id)).revision != broadcast.revision:
                # The lanes of another revision have started: this one's are of no use any more.
                await claim.settle(keep_place=True)
                claim.give_back_stake()
                return
        await self._look_for_the_end(broadcast)

    async def _take(self, broadcast: Broadcast, number: int, tenant: _Tenant) -> Claim | None:
        """Claim a batch that still needs work; None where there is none, or where it is somebody else's."""
        batch = await self._store.batch(broadcast.id, number)
        if batch is None or not await self._is_mine_to_take(broadcast, batch):
            return None
        progress = begin(batch.progress, broadcast.revision)
        is_left = not progress.placed and not progress.due_marker
        if is_left and (progress.is_final or progress.fruitless >= MOST_FRUITLESS):
            return None
        stopped = await self._heads.is_stopped(broadcast.id)
        if await self._heads.is_held(broadcast.id) or (stopped and not broadcast.revision):
            # What stands in `sending` then counts as uncertain; a claim would make it look as if it was never sent.
            return None
        claim = Claim(self._store, broadcast, batch, lease=token_hex(8), stake=tenant.stake, stopped=stopped)
        if batch.progress.fruitless >= MOST_FRUITLESS:
            await self._park(claim)
            return None
        return claim if await claim.claim() else None

    async def _is_mine_to_take(self, broadcast: Broadcast, batch: Batch) -> bool:
        """Whether a batch is free, and is of this process's revision or next to come to it."""
        behind = batch.progress.revision < broadcast.revision
        if batch.progress.revision > broadcast.revision:
            # The head is seconds old: by it the old words would come back.
            self._heads.forget(broadcast.id)
            await self._nudge(broadcast.id, batch.number, delay=1.0)
            return False
        if batch.is_held(LEASE_SECONDS):
            if behind:
                # Its holder works for an earlier revision's lane: nobody else would go on along this one.
                await self._nudge(broadcast.id, batch.number, delay=HOLDER_WAIT)
            return False
        if not behind:
            return True
        # A revision comes to a batch by its lane alone: whoever took one out of its turn would make the lane jump.
        lanes = await self._store.lanes(broadcast.id, broadcast.revision)
        return any(lane.batch == batch.number for lane in lanes)

    def _run(self, claim: Claim, tenant: _Tenant, message: bytes) -> BatchRun:
        poster = GroupPoster(
            claim,
            heads=self._heads,
            speaker=self._speaker,
            brakes=self._brakes,
            witness=self._witness,
            pacer=tenant.pacer,
            clock=self._clock,
            activity=message,
        )
        return BatchRun(
            claim,
            heads=self._heads,
            pacer=tenant.pacer,
            stake=tenant.stake,
            poster=poster,
            clock=self._clock,
        )

    async def _settle(self, claim: Claim, *, may_go_on: bool) -> Claim | None:
        """Give the batch back, in one transaction with its due marker, its lane's step and the next batch's claim."""
        stopped = await self._heads.is_stopped(claim.broadcast.id)
        marker, also = self._due_marker(claim, sending=not stopped)
        if not claim.has_place:
            await claim.settle(due_marker=marker, also=also)
            return None
        also.append(self._lane_step(claim))
        following = None
        if may_go_on:
            following = await self._store.batch(claim.broadcast.id, claim.number + claim.broadcast.lanes)
        if following is None or not _can_follow(following, claim.broadcast):
            await claim.settle(due_marker=marker, also=also)
            return None
        return await claim.settle(due_marker=marker, also=also, following=following, following_lease=token_hex(8))

    async def _park(self, claim: Claim) -> None:
        """Set a batch aside, with an alarm, and let its lane go on: its deliveries stay open until it is replayed."""
        also = [upsert(parked_key(claim.number), {"fruitless": MOST_FRUITLESS})]
        had_place = claim.has_place
        if had_place:
            also.append(self._lane_step(claim))
        if claim.due_marker:
            also.append(delete(claim.due_marker))
        await claim.settle(due_marker="", also=also)
        if claim.is_lost:
            return
        log_event(logger, "batch_parked", level=logging.ERROR, broadcast=claim.broadcast.id, batch=claim.number)
        if had_place:
            await self._nudge(claim.broadcast.id, claim.number + claim.broadcast.lanes)

    def _due_marker(self, claim: Claim, *, sending: bool) -> tuple[str, list[Operation]]:
        """The marker that a batch's leftovers need from now on, and the operations that bring it about."""
        due_at = claim.deliveries.next_due_at(sending=sending)
        marker = "" if due_at is None else due_key(due_at, claim.number)
        if marker == claim.due_marker:
            return marker, []
        operations = [delete(claim.due_marker)] if claim.due_marker else []
        return marker, [*operations, insert(marker, {})] if marker else operations

    def _lane_step(self, claim: Claim) -> Operation:
        # It needs no ETag: only the one transaction that takes a batch's place can step its lane from there.
        lanes = claim.broadcast.lanes
        return merge(lane_key(lane_of(claim.number, lanes), claim.broadcast.revision), {"batch": claim.number + lanes})

    async def _look_for_the_end(self, broadcast: Broadcast) -> None:
        """Have the broadcast closed when all lanes are through; a lane that stands still is the sweep's."""
        cursor = (await self._store.cursor(broadcast.id)).cursor
        is_planned = cursor.is_finished or broadcast.stopped_at(self._clock.now()) is not None
        if is_planned and all(
            lane.batch >= cursor.batches for lane in await self._store.lanes(broadcast.id, broadcast.revision)
        ):
            await self._nudging.plan(broadcast.id)

    async def _nudge(self, broadcast_id: str, number: int, *, delay: float = 0) -> None:
        # A nudge lives for an hour; where its time is further away the sweep nudges until then.
        delay = min(delay, LONGEST_DELAY)
        await self._sends.put(pack_nudge(Nudge(broadcast=broadcast_id, batch=number)), delay=delay)


def _can_follow(batch: Batch, broadcast: Broadcast) -> bool:
    """Whether a batch can be claimed by the handover of the one before it in its lane."""
    is_free = not batch.is_held(LEASE_SECONDS) and batch.progress.fruitless < MOST_FRUITLESS
    return is_free and batch.progress.revision <= broadcast.revision
