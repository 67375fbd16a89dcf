"""The HTTP API of tenants: one switch that stops all of a tenant's sending, for the moment when something is wrong."""

import logging
from collections.abc import Collection
from http import HTTPStatus

from messages.answers import Answer, instant, json_answer
from messages.problems import unknown_tenant
from shared.errors import BroadcastNotFound
from shared.nudging import Nudging
from shared.pacer import Pacers
from shared.stop_switch import StopSwitch
from shared.storage.broadcasts import Broadcasts
from shared.storage.directory import Directory
from shared.telemetry import log_event

logger = logging.getLogger(__name__)


class TenantApi:
    """Answers operators. What a bot answers to a person who writes to it is no sending of this kind, and goes on."""

    def __init__(
        self,
        broadcasts: Broadcasts,
        directory: Directory,
        *,
        pacers: Pacers,
        nudging: Nudging,
        tenants: Collection[str],
    ) -> None:
        self._broadcasts = broadcasts
        self._directory = directory
        self._pacers = pacers
        self._nudging = nudging
        self._tenants = tenants

    async def get(self, tenant: str) -> Answer:
        """Whether the tenant's sending is stopped."""
        return await self._answer(self._known(tenant))

    async def stop(self, tenant: str) -> Answer:
        """Stop all of the tenant's broadcasts. Senders learn of it within three seconds."""
        tenant = self._known(tenant)
        if await self._switch(tenant).stop():
            log_event(logger, "tenant_stopped", level=logging.WARNING, tenant=tenant)
        return await self._answer(tenant)

    async def resume(self, tenant: str) -> Answer:
        """Let the tenant's broadcasts go on, and wake them; what this leaves out the sweep wakes within a minute."""
        tenant = self._known(tenant)
        await self._switch(tenant).go_on()
        log_event(logger, "tenant_resumed", level=logging.WARNING, tenant=tenant)
        for opened in await self._directory.open_broadcasts():
            if opened.tenant == tenant:
                await self._wake(opened.broadcast_id)
        return await self._answer(tenant)

    async def _wake(self, broadcast_id: str) -> None:
        try:
            broadcast = await self._broadcasts.head(broadcast_id)
            await self._nudging.wake(broadcast, (await self._broadcasts.cursor(broadcast_id)).cursor)
        except BroadcastNotFound:
            return

    def _known(self, tenant: str) -> str:
        folded = tenant.strip().lower()
        if folded not in self._tenants:
            raise unknown_tenant(tenant)
        return folded

    def _switch(self, tenant: str) -> StopSwitch:
        return self._pacers.of(tenant).switch

    async def _answer(self, tenant: str) -> Answer:
        return json_answer(HTTPStatus.OK, {"tenant": tenant, "stopped_at": instant(await self._switch(tenant).look())})
