"""The installer: answers a nudge by claiming a batch of people without the app, and works along its lane.

What concerns everybody of a tenant (no consent, no app in the catalogue) stands in one row, and all installs of the
tenant wait: every few minutes one batch finds out whether it is mended.
"""

import logging
import random
from collections import Counter
from collections.abc import Callable

from install_worker.install_run import InstallRun
from shared.domain.broadcasts import Broadcast
from shared.nudging import Nudging
from shared.storage.installations import Installations
from shared.telemetry import log_event
from shared.work.claim import Claim
from shared.work.heads import Heads
from shared.work.stake import Stake
from shared.work.walk import LaneWalk, ending_in_silence

MOST_BATCHES = 8
"""Batches of one tenant that may be worked on in one process."""
PROBE_SECONDS = 300.0
"""So often one batch of a blocked tenant is tried."""

logger = logging.getLogger(__name__)


class Installer:
    """Works on batches of people without the app. One per process."""

    def __init__(
        self,
        *,
        heads: Heads,
        walk: LaneWalk,
        begin: Callable[[Claim], InstallRun],
        installations: Installations,
        nudging: Nudging,
    ) -> None:
        self._heads = heads
        self._walk = walk
        self._begin = begin
        self._installations = installations
        self._nudging = nudging
        self._batches: Counter[str] = Counter()

    async def handle(self, broadcast_id: str, number: int) -> None:
        """Answer one nudge. Storage that fails ends the work in silence: the sweep nudges again."""
        with ending_in_silence(broadcast_id, number):
            await self._handle(await self._heads.head(broadcast_id), number)

    async def _handle(self, broadcast: Broadcast, number: int) -> None:
        tenant = broadcast.tenant
        if self._batches[tenant] >= MOST_BATCHES:
            delay = random.uniform(2.0, 6.0)  # noqa: S311 - jitter between instances is no secret
            await self._nudging.install(broadcast.id, number, delay=delay)
            return
        block = await self._installations.block(tenant)
        if block is not None and (block.age < PROBE_SECONDS or not await self._installations.probe(tenant, block)):
            # The sweep nudges each minute what stands still; who has the app is sent to meanwhile.
            await self._walk.leave_to_others(broadcast, number)
            return
        self._batches[tenant] += 1
        runs = list[InstallRun]()

        def begin(claim: Claim) -> InstallRun:
            runs.append(self._begin(claim))
            return runs[-1]

        try:
            await self._walk.walk(broadcast, number, stake=Stake(None), begin=begin)
        finally:
            self._batches[tenant] -= 1
        await self._learn(tenant, runs)

    async def _learn(self, tenant: str, runs: list[InstallRun]) -> None:
        """Block the tenant's installs, or let them go on, by what the batches came to."""
        blocked = next((run.blocked for run in runs if run.blocked is not None), None)
        if blocked is not None:
            await self._installations.set_block(tenant, blocked)
            log_event(logger, "installs_blocked", level=logging.ERROR, tenant=tenant, reason=blocked.value)
        elif any(run.has_installed for run in runs) and await self._installations.lift_block(tenant):
            log_event(logger, "installs_resumed", tenant=tenant)
