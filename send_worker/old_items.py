"""Old items: those that expired before a digest took them, and what tells of requests that cannot come again.

Each digest is looked through once a day, page by page. How far is written down, so a run goes on where one ended.
"""

import logging
from collections.abc import Collection

from shared.errors import StorageUnavailable
from shared.ports import Clock
from shared.storage.digest_items import DigestItems, Looked
from shared.telemetry import log_event
from shared.work.elapsed import monotonic

BUDGET_SECONDS = 60.0
"""One run removes for so long; the next one goes on."""
DAY_SECONDS = 86_400.0

logger = logging.getLogger(__name__)


class OldItems:
    """Removes them."""

    def __init__(self, items: DigestItems, *, clock: Clock, tenants: Collection[str]) -> None:
        self._items = items
        self._clock = clock
        self._tenants = tenants

    async def run(self) -> None:
        """Look through the digests whose turn it is, for a minute at most. Failing storage ends the run."""
        until = monotonic() + BUDGET_SECONDS
        try:
            for tenant in self._tenants:
                async for looked in self._items.digests(tenant):
                    await self._look_through(tenant, looked, until)
        except StorageUnavailable as error:
            log_event(logger, "removal_ended_by_storage", cause=str(error))

    async def _look_through(self, tenant: str, looked: Looked, until: float) -> None:
        now = self._clock.now()
        is_due = bool(looked.after) or now - looked.at >= DAY_SECONDS
        while is_due and monotonic() < until:
            looked = await self._items.remove_old(tenant, looked, now=now)
            is_due = bool(looked.after)
