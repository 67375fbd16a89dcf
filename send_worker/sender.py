"""The sender: answers a nudge by claiming a batch, works along its lane for half a minute, and hands over.

A nudge names a batch and carries nothing else: lost, doubled, late or for a finished batch, it does no harm.
"""

import logging
from dataclasses import dataclass

from send_worker.batch_run import BatchRun
from send_worker.group import GroupPoster
from send_worker.outside import Outside
from send_worker.wording import Wording, wording_of
from shared.domain.broadcasts import Broadcast, PauseReason
from shared.domain.modes import Mode
from shared.nudging import Nudging
from shared.pacer import Pacer
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.telemetry import log_event
from shared.work.brakes import Brakes
from shared.work.claim import Claim
from shared.work.heads import Heads
from shared.work.stake import Stake
from shared.work.taking import Taking
from shared.work.turning_away import TurnedAway
from shared.work.walk import LaneWalk, ending_in_silence

MOST_BATCHES = 12
"""Batches of one tenant that may be worked on in one process, so that tenants do not block each other."""
PROBE_SECONDS = 45.0

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Tenant:
    """What the batches of one tenant share in this process."""

    outside: Outside
    pacer: Pacer
    stake: Stake
    turned_away: TurnedAway
    batches: int = 0


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
        taking = Taking(store, self._heads, nudging, clock)
        self._walk = LaneWalk(store, heads=self._heads, taking=taking, nudging=nudging, clock=clock)
        self._tenants: dict[tuple[str, bool], _Tenant] = {}

    async def handle(self, broadcast_id: str, number: int) -> None:
        """Answer one nudge. Storage that fails ends the work in silence: the sweep nudges again."""
        with ending_in_silence(broadcast_id, number):
            await self._handle(await self._heads.head(broadcast_id), number)

    async def _handle(self, broadcast: Broadcast, number: int) -> None:
        if broadcast.paused is PauseReason.BLOCKED_AUTH:
            await self._resume_if_authorized(broadcast)
            return
        tenant = self._tenant(broadcast)
        if tenant.batches >= MOST_BATCHES:
            wait = tenant.turned_away.wait(broadcast.id, number)
            if wait is not None:
                await self._nudging.batch(broadcast.id, number, delay=wait)
            return
        tenant.batches += 1
        try:
            wording = wording_of(broadcast, await self._heads.message(broadcast))
            await self._walk.walk(
                broadcast, number, stake=tenant.stake, begin=lambda claim: self._run(claim, tenant, wording)
            )
        finally:
            tenant.batches -= 1

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
            self._tenants[key] = _Tenant(
                outside, pacers.of(broadcast.tenant), Stake(pacers.ceiling), TurnedAway(self._clock)
            )
        return self._tenants[key]

    def _run(self, claim: Claim, tenant: _Tenant, wording: Wording) -> BatchRun:
        poster = GroupPoster(
            claim,
            heads=self._heads,
            speaker=tenant.outside.speaker,
            brakes=self._brakes,
            witness=tenant.outside.witness,
            pacer=tenant.pacer,
            clock=self._clock,
            wording=wording,
        )
        return BatchRun(
            claim,
            heads=self._heads,
            pacer=tenant.pacer,
            stake=tenant.stake,
            poster=poster,
            clock=self._clock,
        )
