"""The HTTP API of installs: to see to the app without a message; what keeps a tenant's installs up; to try again."""

import logging
from collections.abc import Callable, Collection
from http import HTTPStatus

from messages.answers import Answer, Links, instant, json_answer
from messages.bodies import read_document, with_key
from messages.problems import installs_not_set_up
from messages.queries import known_tenant
from messages.reports import Reports
from messages.waking import Waking
from shared.acceptance import Acceptance
from shared.domain.scopes import Scope
from shared.install_requests import read_install_request
from shared.ports import Clock
from shared.storage.installations import Installations
from shared.telemetry import log_event

logger = logging.getLogger(__name__)


class InstallApi:
    """Answers operators. `scopes` are those in which the app is installed; `new_key` makes a key where none is given.

    An app that was forbidden to install tries by itself every few minutes, too.
    """

    def __init__(
        self,
        installations: Installations,
        waking: Waking,
        *,
        acceptance: Acceptance,
        reports: Reports,
        clock: Clock,
        tenants: Collection[str],
        scopes: Collection[Scope],
        new_key: Callable[[], str],
        takes_names: bool = False,
    ) -> None:
        self._installations = installations
        self._waking = waking
        self._acceptance = acceptance
        self._reports = reports
        self._clock = clock
        self._tenants = tenants
        self._scopes = scopes
        self._new_key = new_key
        self._takes_names = takes_names

    async def create(self, body: bytes, *, key_header: str | None, url: str) -> Answer:
        """See to the app of an audience: 202 with the broadcast that does so and says nothing."""
        if not self._scopes:
            raise installs_not_set_up()
        document, found = with_key(read_document(body), key_header)
        request = read_install_request(
            document,
            tenants=self._tenants,
            scopes=self._scopes,
            key=self._new_key(),
            found=found,
            takes_names=self._takes_names,
        )
        broadcast, links = (await self._acceptance.accept(request)).broadcast_id, Links(url)
        report = await self._reports.broadcast(broadcast, links)
        return json_answer(HTTPStatus.ACCEPTED, report, headers={"Location": links.broadcast(broadcast)})

    async def get(self, tenant: str) -> Answer:
        """What keeps the tenant's installs up, and when that was last seen."""
        return await self._answer(known_tenant(tenant, self._tenants))

    async def retry(self, tenant: str) -> Answer:
        """Try to install again at once: if nothing is mended, what kept it up stands there anew some seconds later."""
        tenant = known_tenant(tenant, self._tenants)
        for scope in Scope:
            if await self._installations.lift_block(tenant, scope):
                log_event(logger, "installs_retried", level=logging.WARNING, tenant=tenant, scope=scope)
        # Also where nothing was lifted: an earlier call may have broken off before it woke anybody.
        await self._waking.wake(tenant)
        return await self._answer(tenant)

    async def _answer(self, tenant: str) -> Answer:
        now = self._clock.now()
        blocks = [
            {"scope": scope, "install_blocked": block.state, "seen_at": instant(now - block.age)}
            for scope, block in (await self._installations.blocks(tenant)).items()
        ]
        first = blocks[0] if blocks else {"install_blocked": None, "seen_at": None}
        return json_answer(
            HTTPStatus.OK,
            {
                "tenant": tenant,
                "install_blocked": first["install_blocked"],
                "seen_at": first["seen_at"],
                "by_scope": blocks,
            },
        )
