"""The HTTP API of tenants: one switch that stops all of a tenant's sending, for the moment when something is wrong."""

import logging
from collections.abc import Collection
from http import HTTPStatus

from messages.answers import Answer, instant, json_answer
from messages.queries import known_tenant
from messages.waking import Waking
from shared.pacer import Pacers
from shared.stop_switch import StopSwitch
from shared.telemetry import log_event

logger = logging.getLogger(__name__)


class TenantApi:
    """Answers operators. What a bot answers to a person who writes to it is no sending of this kind, and goes on."""

    def __init__(self, pacers: Pacers, waking: Waking, *, tenants: Collection[str]) -> None:
        self._pacers = pacers
        self._waking = waking
        self._tenants = tenants

    async def get(self, tenant: str) -> Answer:
        """Whether the tenant's sending is stopped."""
        return await self._answer(known_tenant(tenant, self._tenants))

    async def stop(self, tenant: str) -> Answer:
        """Stop all of the tenant's broadcasts. Senders learn of it within three seconds."""
        tenant = known_tenant(tenant, self._tenants)
        if await self._switch(tenant).stop():
            log_event(logger, "tenant_stopped", level=logging.WARNING, tenant=tenant)
        return await self._answer(tenant)

    async def resume(self, tenant: str) -> Answer:
        """Let the tenant's broadcasts go on, and wake them; what this leaves out the sweep finds."""
        tenant = known_tenant(tenant, self._tenants)
        await self._switch(tenant).go_on()
        log_event(logger, "tenant_resumed", level=logging.WARNING, tenant=tenant)
        await self._waking.wake(tenant)
        return await self._answer(tenant)

    def _switch(self, tenant: str) -> StopSwitch:
        return self._pacers.of(tenant).switch

    async def _answer(self, tenant: str) -> Answer:
        return json_answer(HTTPStatus.OK, {"tenant": tenant, "stopped_at": instant(await self._switch(tenant).look())})
