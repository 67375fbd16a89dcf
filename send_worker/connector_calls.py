"""Calls to the Bot Connector for the planner, each in its slot of the pace: what failed becomes an error of ours."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NoReturn, Protocol

from send_worker.speaker import GCC_SERVICE_URL
from shared.domain.pacing import FarAway
from shared.domain.pages import Trouble
from shared.domain.recipients import RecipientKind, recipient_key
from shared.errors import (
    DirectoryRefused,
    DirectoryUnavailable,
    ServiceHostRefused,
    TokenRefused,
    TokenUnavailable,
)
from shared.pacer import Pacers
from shared.ports import Clock
from shared.teams.answers import Answer, Verdict
from shared.teams.protocol import Request


class Connector(Protocol):
    """What is needed of a `ConnectorClient`."""

    async def send(self, request: Request) -> Answer:
        """Send a request and decipher its answer."""


class ServiceUrls(Protocol):
    """Tells where the Connector is reached."""

    async def service_url(self, tenant: str, keys: Sequence[str]) -> str:
        """The service URL for a conversation that has one of these keys."""


class ConnectorCalls:
    """Asks the Connector about conversations. All methods raise DirectoryUnavailable and DirectoryRefused."""

    def __init__(self, connector: Connector, *, service_urls: ServiceUrls, pacers: Pacers, clock: Clock) -> None:
        self._connector = connector
        self._service_urls = service_urls
        self._pacers = pacers
        self._clock = clock

    async def ask(self, tenant: str, conversation: str, build: Callable[[str], Request]) -> Answer:
        """The answer to what `build` makes of the service URL of a team or a group chat. Raises StorageError, too."""
        keys = [recipient_key(kind, conversation) for kind in (RecipientKind.CHANNEL, RecipientKind.CHAT)]
        service_url = await self._service_urls.service_url(tenant, keys)
        answer = await self._send(tenant, build(service_url))
        if answer.kind is Verdict.WRONG_HOST and service_url != GCC_SERVICE_URL:
            return await self._send(tenant, build(GCC_SERVICE_URL))
        return answer

    def fail(self, trouble: Trouble, answer: Answer) -> NoReturn:
        """Raise what an answer of no use means."""
        if trouble is Trouble.WAITING:
            raise DirectoryUnavailable(answer.code or answer.kind.name, retry_after=answer.retry_after)
        raise DirectoryRefused(answer.code or answer.kind.name)

    async def _send(self, tenant: str, request: Request) -> Answer:
        await self._take_slot(tenant)
        try:
            return await self._connector.send(request)
        except TokenUnavailable as error:
            raise DirectoryUnavailable("TokenUnavailable") from error
        except (TokenRefused, ServiceHostRefused) as error:
            raise DirectoryRefused(type(error).__name__) from error

    async def _take_slot(self, tenant: str) -> None:
        """Wait for one urgent slot: nobody of the audience gets the message before its roster is read."""
        pacer = self._pacers.of(tenant)
        while True:
            slots = await pacer.reserve(1, urgent=True)
            if isinstance(slots, FarAway):
                raise DirectoryUnavailable("HeraldPace", retry_after=slots.wait)
            await asyncio.sleep(max(0.0, slots.first_at - self._clock.now()))
            if not pacer.is_void(slots):
                return
