"""The sender: answers a nudge by claiming a batch, works along its lane for half a minute, and hands over.

A nudge names a batch and carries nothing else: lost, doubled, late or for a finished batch, it does no harm.
"""

import logging
import random
from dataclasses import dataclass, field

from send_worker.batch_run import BatchRun, End
from send_worker.brakes import Brakes
from send_worker.group import GroupPoster
from send_worker.outside import Outside
from shared.domain.broadcasts import Broadcast, PauseReason
from shared.domain.rehearsals import Mode
from shared.errors import BroadcastNotFound, StorageUnavailable
from shared.nudging import Nudging
from shared.pacer import Pacer
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.telemetry import log_event
from shared.work.claim import Claim
from shared.work.elapsed import monotonic
from shared.work.heads import Heads
from shared.work.settling import settle_batch
from shared.work.stake import Stake
from shared.work.taking import Taking

BUDGET_SECONDS = 30.0
"""One invocation goes on along its lane for so long, then it hands over by a nudge."""
MOST_BATCHES = 12
"""Batches of one tenant that may be worked on in one process, so that tenants do not block each other."""
PROBE_SECONDS = 45.0
LONGEST_DELAY = 1800.0
"""A nudge lives for an hour; where its time is further away the sweep nudges until then."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Tenant:
    """What the batches of one tenant share in this process."""

    outside: Outside
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
        outside: Outside,
        sandbox: Outside,
        nudging: Nudging,
        clock: Clock,
    ) -> None:
        self._store = store
        self._outside = outside
        self._sandbox = sandbox
        self._nudging = nudging
        self._clock = clock
        self._heads = Heads(store, outside.pacers, clock)
        self._brakes = Brakes(store, self._heads, clock)
        self._taking = Taking(store, self._heads, nudging, clock)
        self._tenants: dict[tuple[str, bool], _Tenant] = {}

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
        tenant = self._tenant(broadcast)
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
        await self._nudging.batch(broadcast_id, number, delay=delay)

    async def _resume_if_authorized(self, broadcast: Broadcast) -> None:
        """Let a broadcast go on that stood still because its credentials were refused, once a token can be had.

        A token can be had, too, where the Connector refuses it: so this is tried once in a while, not by each nudge.
        """
        if self._clock.now() - (broadcast.paused_at or 0.0) < PROBE_SECONDS:
            return
        if not await self._outside.speaker.is_authorized():
            return
        self._heads.forget(broadcast.id)
        if await self._store.changes.resume(broadcast.id, reason=PauseReason.BLOCKED_AUTH):
            log_event(logger, "broadcast_resumed", broadcast=broadcast.id)
            await self._nudging.wake(broadcast, (await self._store.cursor(broadcast.id)).cursor)

    def _tenant(self, broadcast: Broadcast) -> _Tenant:
        """What the broadcast shares with others of its tenant, made at its first use."""
        is_pretended = broadcast.mode is Mode.SANDBOX
        key = broadcast.tenant, is_pretended
        if key not in self._tenants:
            outside = self._sandbox if is_pretended else self._outside
            pacers = outside.pacers
            self._tenants[key] = _Tenant(outside, pacers.of(broadcast.tenant), Stake(pacers.ceiling))
        return self._tenants[key]

    async def _walk(self, broadcast: Broadcast, number: int, tenant: _Tenant) -> None:
        """Work on a batch and on what follows it in its lane, while there is time."""
        until = monotonic() + BUDGET_SECONDS
        claim = await self._taking.take(broadcast, number, stake=tenant.stake)
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
                        delay = min(run.wait * jitter, LONGEST_DELAY)
                        await self._nudging.batch(broadcast.id, claim.number, delay=delay)
                    return
                following = await self._settle(claim, may_go_on=monotonic() < until)
                if claim.is_lost:
                    return
            finally:
                claim.give_back_stake()
            if following is None and had_place:
                number = broadcast.lanes.after(claim.number)
                if monotonic() >= until:
                    await self._nudging.batch(broadcast.id, number)
                    return
                # Read again after the lane's step: a planner that wrote the batch before it did not see the step.
                following = await self._taking.take(broadcast, number, stake=tenant.stake)
            claim = following
            if claim is not None and (await self._heads.head(broadcast.id)).revision != broadcast.revision:
                # The lanes of another revision have started: this one's are of no use any more.
                await claim.settle(keep_place=True)
                claim.give_back_stake()
                return
        await self._look_for_the_end(broadcast)

    def _run(self, claim: Claim, tenant: _Tenant, message: bytes) -> BatchRun:
        poster = GroupPoster(
            claim,
            heads=self._heads,
            speaker=tenant.outside.speaker,
            brakes=self._brakes,
            witness=tenant.outside.witness,
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
        """Give the batch back, and have the next one of its lane for it where there is time; the claim of that one."""
        stopped = await self._heads.is_stopped(claim.broadcast.id)
        following = await self._taking.following(claim) if may_go_on and claim.has_place else None
        return await settle_batch(claim, sending=not stopped, following=following)

    async def _look_for_the_end(self, broadcast: Broadcast) -> None:
        """Have the broadcast closed, or its slow start go on, once all lanes are through; the sweep does it else."""
        cursor = (await self._store.cursor(broadcast.id)).cursor
        is_planned = cursor.waits_for_lanes or broadcast.stopped_at(self._clock.now()) is not None
        if is_planned and all(
            not cursor.holds(lane.batch) for lane in await self._store.lanes(broadcast.id, broadcast.revision)
        ):
            await self._nudging.plan(broadcast.id)
