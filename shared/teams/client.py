"""The calls to the Bot Connector: one pooled session per process. What answers mean is `answers.py`'s knowledge."""

from collections.abc import Collection
from typing import Protocol

import aiohttp
from yarl import URL

from shared.errors import ServiceHostRefused
from shared.teams.answers import Answer, Verdict
from shared.teams.protocol import Request, is_trusted

# Teams' own limit for an answer is longer, but a delivery that waits holds a slot of the pace.
TIMEOUT = aiohttp.ClientTimeout(total=10, connect=5)
CONNECTIONS_WITH_LIMIT = 64
"""Plenty for 50 requests a second at answers of up to one second."""
CONNECTIONS_WITHOUT_LIMIT = 300


class Tokens(Protocol):
    """What the client needs of a `TokenSource`."""

    async def token(self) -> str:
        """The token to use now. Raises TokenRefused or TokenUnavailable."""

    def drop(self, refused: str) -> bool:
        """Forget a refused token; whether another one may be accepted."""


class ConnectorClient:
    """Sends requests over one session, which the first call makes on the running loop."""

    def __init__(
        self,
        tokens: Tokens,
        *,
        service_hosts: Collection[str],
        connections: int,
        timeout: aiohttp.ClientTimeout = TIMEOUT,
    ) -> None:
        self._tokens = tokens
        self._service_hosts = service_hosts
        self._connections = connections
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: Request) -> Answer:
        """Send a request and decipher its answer; a failing transport is an answer too.

        A token that the Connector refuses is dropped, and the request tried once more where another one may help.
        Raises ServiceHostRefused, TokenRefused and TokenUnavailable: in all three nothing was sent.
        """
        if not is_trusted(request.url, self._service_hosts):
            raise ServiceHostRefused(f"{request.url.partition('/v3/')[0]} is not a service URL that a setting names")
        token = await self._tokens.token()
        answer = await self._call(request, token)
        if answer.kind is Verdict.UNAUTHORIZED and self._tokens.drop(token):
            return await self._call(request, await self._tokens.token())
        return answer

    async def authorize(self) -> None:
        """Make sure that a token is at hand. Raises TokenRefused or TokenUnavailable."""
        await self._tokens.token()

    async def close(self) -> None:
        """Close the session's connections."""
        if self._session is not None:
            await self._session.close()

    async def _call(self, request: Request, token: str) -> Answer:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            response = await self._opened().request(
                request.method,
                URL(f"{request.url}?{request.query}" if request.query else request.url, encoded=True),
                data=request.body,
                headers=headers,
                # A redirect would carry the token to a host that nobody checked.
                allow_redirects=False,
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Answer(kind=Verdict.UNREACHABLE, code=type(error).__name__)
        except (aiohttp.ClientError, OSError) as error:
            return Answer(kind=Verdict.ANSWER_LOST, code=type(error).__name__)
        return request.decipher(response.status, response.headers, await _body_of(response))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._connections)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=self._timeout
            )
        return self._session


async def _body_of(response: aiohttp.ClientResponse) -> bytes:
    """The answer's body; empty where the connection broke in it, for the status alone has decided already."""
    try:
        async with response:
            return await response.read()
    except (aiohttp.ClientError, OSError):
        return b""
