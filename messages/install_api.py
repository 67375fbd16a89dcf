"""The HTTP API of a tenant's installs: what keeps them up, and the call to try again now that it is mended."""

import logging
from collections.abc import Collection
from http import HTTPStatus

from messages.answers import Answer, instant, json_answer
from messages.queries import known_tenant
from messages.waking import Waking
from shared.ports import Clock
from shared.storage.installations import Installations
from shared.telemetry import log_event

logger = logging.getLogger(__name__)


class InstallApi:
    """Answers operators. An app that was forbidden to install tries by itself every few minutes, too."""

    def __init__(self, installations: Installations, waking: Waking, *, clock: Clock, tenants: Collection[str]) -> None:
        self._installations = installations
        self._waking = waking
        self._clock = clock
        self._tenants = tenants

    async def get(self, tenant: str) -> Answer:
        """What keeps the tenant's installs up, and when that was last seen."""
        return await self._answer(known_tenant(tenant, self._tenants))

    async def retry(self, tenant: str) -> Answer:
        """Try to install again at once: if nothing is mended, what kept it up stands there anew some seconds later."""
        tenant = known_tenant(tenant, self._tenants)
        if await self._installations.lift_block(tenant):
            log_event(logger, "installs_retried", level=logging.WARNING, tenant=tenant)
        # Also where nothing was lifted: an earlier call may have broken off before it woke anybody.
        await self._waking.wake(tenant)
        return await self._answer(tenant)

    async def _answer(self, tenant: str) -> Answer:
        block = await self._installations.block(tenant)
        seen_at = None if block is None else instant(self._clock.now() - block.age)
        return json_answer(
            HTTPStatus.OK, {"tenant": tenant, "install_blocked": block and block.state, "seen_at": seen_at}
        )
