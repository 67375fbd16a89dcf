"""The sender: answers a nudge by claiming a batch, works along its lane for half a minute, and hands over.

A nudge names a batch and carries nothing else: lost, doubled, late or for a finished batch, it does no harm.
"""

import logging
import random
from dataclasses import dataclass
from secrets import token_hex

from send_worker.batch_run import BatchRun, End
from send_worker.claim import Claim
from send_worker.elapsed import monotonic
from send_worker.group import GroupPoster
from send_worker.heads import Heads
from send_worker.speaker import Speaker
from send_worker.stake import Stake
from shared.domain.broadcasts import LEASE_SECONDS, Broadcast
from shared.envelopes import Nudge, pack_nudge
from shared.errors import BroadcastNotFound, StorageUnavailable
from shared.pacer import Pacer, Pacers
from shared.ports import Clock, Queue
from shared.storage.broadcasts import Broadcasts, due_key, lane_key, parked_key
from shared.storage.rows import Operation, delete, insert, merge
from shared.telemetry import log_event

BUDGET_SECONDS = 30.0
"""One invocation goes on along its lane for so long, then it hands over by a nudge."""
MOST_BATCHES = 12
"""Batches of one tenant that may be worked on in one process, so that tenants do not block each other."""
MOST_FRUITLESS = 5
"""Claims in a row without an answer after which a batch is set aside: it may be what kills its process."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Tenant:
    """What the batches of one tenant share in this process."""

    pacer: Pacer
    stake: Stake
    batches: int = 0


class Sender:
    """Works on batches. One per process, so that its tenants' pacers are too."""

    def __init__(
        self,
        store: Broadcasts,
        *,
        pacers: Pacers,
        speaker: Speaker,
        sends: Queue,
        plans: Queue,
        clock: Clock,
    ) -> None:
        self._store = store
        self._pacers = pacers
        self._speaker = speaker
        self._sends = sends
        self._plans = plans
        self._clock = clock
        self._heads = Heads(store, clock)
        self._tenants: dict[str, _Tenant] = {}

    async def handle(self, broadcast_id: str, number: int) -> None:
        """Answer one nudge. Storage that fails ends the work in silence: the sweep nudges again."""
        try:
            broadcast = await self._heads.head(broadcast_id)
        except BroadcastNotFound:
            log_event(logger, "nudge_dropped", broadcast=broadcast_id, batch=number)
            return
        tenant = self._tenant(broadcast.tenant)
        if tenant.batches >= MOST_BATCHES:
            await self._nudge(broadcast_id, number, delay=random.uniform(2.0, 6.0))  # noqa: S311 - jitter
            return
        tenant.batches += 1
        try:
            await self._walk(broadcast, number, tenant)
        except StorageUnavailable as error:
            log_event(logger, "walk_ended_by_storage", broadcast=broadcast_id, batch=number, cause=str(error))
        finally:
            tenant.batches -= 1

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
            run = self._run(claim, tenant, await self._heads.message(broadcast.id))
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
        await self._look_for_the_end(broadcast)

    async def _take(self, broadcast: Broadcast, number: int, tenant: _Tenant) -> Claim | None:
        """Claim a batch that still needs work; None where there is none, or where it is somebody else's."""
        batch = await self._store.batch(broadcast.id, number)
        if batch is None or batch.is_held(LEASE_SECONDS):
            return None
        if batch.progress.is_final and not batch.progress.placed and not batch.progress.due_marker:
            return None
        claim = Claim(self._store, broadcast, batch, lease=token_hex(8), stake=tenant.stake)
        if batch.progress.fruitless >= MOST_FRUITLESS:
            await self._park(claim)
            return None
        return claim if await claim.claim() else None

    def _run(self, claim: Claim, tenant: _Tenant, message: bytes) -> BatchRun:
        poster = GroupPoster(claim, speaker=self._speaker, pacer=tenant.pacer, clock=self._clock, activity=message)
        return BatchRun(
            claim,
            heads=self._heads,
            pacer=tenant.pacer,
            stake=tenant.stake,
            poster=poster,
            clock=self._clock,
            pace=self._pacers.ceiling,
        )

    async def _settle(self, claim: Claim, *, may_go_on: bool) -> Claim | None:
        """Give the batch back, in one transaction with its due marker, its lane's step and the next batch's claim."""
        marker, also = self._due_marker(claim)
        if not claim.has_place:
            await claim.settle(due_marker=marker, also=also)
            return None
        also.append(self._lane_step(claim))
        following = None
        if may_go_on:
            following = await self._store.batch(claim.broadcast.id, claim.number + claim.broadcast.lanes)
        if following is None or following.is_held(LEASE_SECONDS) or following.progress.fruitless >= MOST_FRUITLESS:
            await claim.settle(due_marker=marker, also=also)
            return None
        return await claim.settle(due_marker=marker, also=also, following=following, following_lease=token_hex(8))

    async def _park(self, claim: Claim) -> None:
        """Set a batch aside, with an alarm, and let its lane go on: its deliveries stay open until it is replayed."""
        also = [insert(parked_key(claim.number), {"fruitless": MOST_FRUITLESS})]
        if claim.has_place:
            also.append(self._lane_step(claim))
        await claim.settle(also=also)
        log_event(logger, "batch_parked", level=logging.ERROR, broadcast=claim.broadcast.id, batch=claim.number)
        if not claim.is_lost:
            await self._nudge(claim.broadcast.id, claim.number + claim.broadcast.lanes)

    def _due_marker(self, claim: Claim) -> tuple[str, list[Operation]]:
        """The marker that a batch's leftovers need from now on, and the operations that bring it about."""
        due_at = claim.deliveries.next_due_at()
        marker = "" if due_at is None else due_key(due_at, claim.number)
        if marker == claim.due_marker:
            return marker, []
        operations = [delete(claim.due_marker)] if claim.due_marker else []
        return marker, [*operations, insert(marker, {})] if marker else operations

    def _lane_step(self, claim: Claim) -> Operation:
        # It needs no ETag: only the one transaction that takes a batch's place can step its lane from there.
        lanes = claim.broadcast.lanes
        return merge(lane_key(claim.number % lanes), {"batch": claim.number + lanes})

    async def _look_for_the_end(self, broadcast: Broadcast) -> None:
        """At a lane's end: help a lane that stands still, or have the broadcast closed when all are through."""
        cursor = (await self._store.cursor(broadcast.id)).cursor
        if not cursor.is_finished:
            return
        lanes = await self._store.lanes(broadcast.id)
        behind = [lane for lane in lanes if lane.batch < cursor.batches]
        if not behind:
            await self._plans.put(pack_nudge(Nudge(broadcast=broadcast.id)))
        for lane in behind:
            if lane.age > LEASE_SECONDS:
                await self._nudge(broadcast.id, lane.batch)

    async def _nudge(self, broadcast_id: str, number: int, *, delay: float = 0) -> None:
        await self._sends.put(pack_nudge(Nudge(broadcast=broadcast_id, batch=number)), delay=delay)
