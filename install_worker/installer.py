"""The installer: answers a nudge by claiming a batch of people without the app, and works along its lane.

What concerns everybody of a tenant in a scope (no consent, no app in the catalogue) stands in one row, and all of these
installs wait: every few minutes one batch finds out whether it is mended.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from install_worker.install_run import InstallRun
from shared.domain.broadcasts import Broadcast
from shared.domain.scopes import scope_of
from shared.nudging import Nudging
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.storage.installations import Installations
from shared.telemetry import log_event
from shared.work.claim import Claim
from shared.work.heads import Heads
from shared.work.stake import Stake
from shared.work.turning_away import TurnedAway
from shared.work.walk import LaneWalk, ending_in_silence

MOST_BATCHES = 8
"""Batches of one tenant that may be worked on in one process."""
GENTLE_SECONDS = 3.0
"""So long one batch alone is worked on where a tenant's installs begin: its people then have the message, which takes a
poll of the queue, long before a hundred others have the app."""
PROBE_SECONDS = 300.0
"""So often one batch of a blocked tenant is tried."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Tenant:
    """What the batches of one tenant share in this process."""

    turned_away: TurnedAway
    batches: int = 0
    began_at: float = 0.0
    """When the first of the batches that are under way was begun."""


class Installer:
    """Works on batches of people without the app. One per process."""

    def __init__(
        self,
        store: Broadcasts,
        *,
        heads: Heads,
        walk: LaneWalk,
        begin: Callable[[Claim], InstallRun],
        installations: Installations,
        nudging: Nudging,
        clock: Clock,
    ) -> None:
        self._store = store
        self._heads = heads
        self._walk = walk
        self._begin = begin
        self._installations = installations
        self._nudging = nudging
        self._clock = clock
        self._tenants: dict[str, _Tenant] = {}

    async def handle(self, broadcast_id: str, number: int) -> None:
        """Answer one nudge. Storage that fails ends the work in silence: the sweep nudges again."""
        with ending_in_silence(broadcast_id, number):
            await self._handle(await self._heads.head(broadcast_id), number)

    async def _handle(self, broadcast: Broadcast, number: int) -> None:
        tenant = self._tenants.setdefault(broadcast.tenant, _Tenant(TurnedAway(self._clock)))
        if tenant.batches >= MOST_BATCHES:
            wait = tenant.turned_away.wait(broadcast.id, number)
            if wait is not None:
                await self._nudging.install(broadcast.id, number, delay=wait)
            return
        if await self._is_blocked(broadcast, number):
            # The sweep nudges each minute what stands still; who has the app is sent to meanwhile.
            await self._walk.leave_to_others(broadcast, number)
            return
        tenant.batches += 1
        runs = list[InstallRun]()

        def begin(claim: Claim) -> InstallRun:
            runs.append(self._begin(claim))
            return runs[-1]

        try:
            await self._begin_gently(tenant)
            await self._walk.walk(broadcast, number, stake=Stake(None), begin=begin)
        finally:
            tenant.batches -= 1
        await self._learn(broadcast.tenant, runs)

    async def _begin_gently(self, tenant: _Tenant) -> None:
        """Wait where another batch of the tenant was begun just now, and was the first one."""
        now = self._clock.now()
        if tenant.batches == 1:
            tenant.began_at = now
            return
        await asyncio.sleep(max(0.0, tenant.began_at + GENTLE_SECONDS - now))

    async def _is_blocked(self, broadcast: Broadcast, number: int) -> bool:
        """Whether what a batch needs is held up, and this batch is not the one that finds out whether it still is.

        Of a broadcast that is over nobody is given the app: it waits for no block, and cannot find anything out.
        """
        if await self._heads.is_over(broadcast.id):
            return False
        blocks = await self._installations.blocks(broadcast.tenant)
        batch = await self._store.batch(broadcast.id, number) if blocks else None
        scope = batch and scope_of(batch.recipients[0].key)
        if not scope or scope not in blocks:
            return False
        block = blocks[scope]
        return block.age < PROBE_SECONDS or not await self._installations.probe(broadcast.tenant, scope, block)

    async def _learn(self, tenant: str, runs: list[InstallRun]) -> None:
        """Block the tenant's installs in a scope, or let them go on, by what the batches came to."""
        blocked = {run.records.scope: run.records.blocks_all for run in runs if run.records.blocks_all is not None}
        for scope, state in blocked.items():
            await self._installations.set_block(tenant, scope, state)
            log_event(logger, "installs_blocked", level=logging.ERROR, tenant=tenant, scope=scope, reason=state.value)
        if any(run.records.blocked is not None and run.records.blocks_all is None for run in runs):
            log_event(logger, "upgrades_refused", level=logging.ERROR, tenant=tenant)
        for scope in sorted({run.records.scope for run in runs if run.records.is_let} - set(blocked)):
            if await self._installations.lift_block(tenant, scope):
                log_event(logger, "installs_resumed", tenant=tenant, scope=scope)
