"""Retention: what has ended long ago is removed, in steps that may break off anywhere.

A broadcast's key goes first, so that a request that comes again begins anew instead of meeting half a broadcast; then
its own rows, the head last; then its row in the tenant's list, by which the next run finds whatever is left. A child
goes after its parent.
"""

import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from functools import partial

from shared.errors import BroadcastNotFound, StorageUnavailable
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.storage.directory import Directory, Entry
from shared.storage.names import BROADCAST_QUEUE, DIGEST_ITEM_QUEUE, INSTALL_QUEUE, PLAN_QUEUE, SEND_QUEUE
from shared.storage.poison import PoisonMessages
from shared.storage.rejections import UNKNOWN_TENANT, Rejections
from shared.telemetry import log_event
from shared.work.elapsed import monotonic

BUDGET_SECONDS = 60.0
"""One run removes for so long; the next one goes on."""

logger = logging.getLogger(__name__)


class Retention:
    """Removes ended broadcasts, rejections and poison that are older than `keep`; nothing where that is None."""

    def __init__(
        self,
        *,
        broadcasts: Broadcasts,
        directory: Directory,
        rejections: Rejections,
        poison: PoisonMessages,
        clock: Clock,
        tenants: Collection[str],
        keep: timedelta | None,
    ) -> None:
        self._broadcasts = broadcasts
        self._directory = directory
        self._rejections = rejections
        self._poison = poison
        self._clock = clock
        self._tenants = tenants
        self._keep = keep
        self._until = 0.0

    async def run(self) -> None:
        """Remove what is due, for a minute at most. Failing storage ends the run: the next one goes on."""
        if self._keep is None:
            return
        self._until = monotonic() + BUDGET_SECONDS
        before = max(0.0, self._clock.now() - self._keep.total_seconds())
        try:
            for tenant in (*self._tenants, UNKNOWN_TENANT):
                await self._clear(partial(self._rejections.remove_before, tenant, before=before))
            for queue in (BROADCAST_QUEUE, PLAN_QUEUE, SEND_QUEUE, INSTALL_QUEUE, DIGEST_ITEM_QUEUE):
                await self._clear(partial(self._poison.remove_before, queue, before=before))
            for tenant in self._tenants:
                await self._clear_broadcasts(tenant, before)
        except StorageUnavailable as error:
            log_event(logger, "removal_ended_by_storage", cause=str(error))

    async def _clear(self, remove: Callable[[], Awaitable[int]]) -> None:
        while self._has_time() and await remove():
            pass

    async def _clear_broadcasts(self, tenant: str, before: float) -> None:
        async for entry in self._directory.accepted_before(tenant, before):
            if not self._has_time():
                return
            if await self._is_due(entry, before) and await self._remove(tenant, entry):
                log_event(logger, "broadcast_removed", broadcast=entry.broadcast_id, tenant=tenant)

    async def _is_due(self, entry: Entry, before: float) -> bool:
        """Whether a broadcast has ended so long ago, or is what a broken-off acceptance or removal left."""
        try:
            broadcast = await self._broadcasts.head(entry.broadcast_id)
        except BroadcastNotFound:
            return not await self._directory.is_open(entry.broadcast_id)
        if broadcast.parent and await self._stands(broadcast.parent):
            # A parent that is edited would take a child that was removed for one that is still to be made.
            return False
        if broadcast.finished_at is None or broadcast.finished_at > before:
            return False
        return not await self._directory.is_open(entry.broadcast_id)

    async def _stands(self, broadcast_id: str) -> bool:
        try:
            await self._broadcasts.head(broadcast_id)
        except BroadcastNotFound:
            return False
        return True

    async def _remove(self, tenant: str, entry: Entry) -> bool:
        await self._directory.forget_key(tenant, entry)
        while await self._broadcasts.remove_rows(entry.broadcast_id):
            if not self._has_time():
                return False
        await self._directory.forget(tenant, entry)
        return True

    def _has_time(self) -> bool:
        return monotonic() < self._until
