"""The calls to Microsoft Graph: one pooled session per process, paced, alone or as JSON batches.

What requests and answers mean is the knowledge of the pure modules beside this one.
"""

import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import aiohttp
from yarl import URL

from shared.domain.pacing import FarAway
from shared.errors import StorageError, TokenRefused, TokenUnavailable
from shared.graph.kinds import Kind, most_at_once
from shared.graph.pace import GraphPace
from shared.graph.protocol import (
    Request,
    Response,
    decipher,
    decipher_batch,
    encode_batch,
    held_back,
    next_page,
    unanswered,
)

TIMEOUT = aiohttp.ClientTimeout(total=30, connect=5)
"""An installation takes some seconds, and the parts of a batch partly wait for each other."""
CONNECTIONS = 32
BATCH_PATH = "/$batch"
Unsent = (TokenRefused, TokenUnavailable, StorageError)
"""What is raised before a request leaves."""


class Tokens(Protocol):
    """What the client needs of a tenant's `TokenSource`."""

    async def token(self) -> str:
        """The token to use now. Raises TokenRefused or TokenUnavailable."""

    def drop(self, refused: str) -> bool:
        """Forget a refused token; whether another one may be accepted."""

    def forget(self) -> None:
        """Forget the token, however new it is."""


class GraphClient:
    """Sends requests to one Graph, each with the token of its tenant. The first call opens the session."""

    def __init__(
        self,
        tokens_of: Callable[[str], Tokens],
        *,
        graph_url: str,
        pace: GraphPace,
        timeout: aiohttp.ClientTimeout = TIMEOUT,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """`tokens_of` makes a tenant's source of tokens; `graph_url` has the version and no slash at its end."""
        self._tokens_of = tokens_of
        self._tokens: dict[str, Tokens] = {}
        self._graph_url = graph_url
        self._pace = pace
        self._timeout = timeout
        self._ssl_context = ssl_context
        self._session: aiohttp.ClientSession | None = None

    async def send(self, tenant: str, request: Request) -> Response:
        """Send a request in its slot of the pace; a failing transport is an answer too (status 0).

        A slot too far away to be waited for is answered here, with 429, the code `HeraldPace` and `retry_after`. A
        token that Graph refuses is dropped, and the request tried once more where another one may help.
        Raises TokenRefused, TokenUnavailable and StorageError (of the pace): in all three nothing was sent.
        """
        return (await self._send_together(tenant, [request]))[0]

    async def send_all(self, tenant: str, requests: Sequence[Request]) -> list[Response]:
        """Send requests, as JSON batches where that is possible; their answers, in their order.

        Requests of one kind share batches of up to `most_at_once(kind)`, one after the other. Each part has an answer
        of its own, as from `send`; a batch that fails answers for all of its parts.
        Raises what `send` raises, and only where nothing at all was sent. Later on the parts that could not be sent
        have status 0 with the error's name as their code.
        """
        answers: dict[int, Response] = {}
        for places in _batches(requests):
            try:
                answered = await self._send_together(tenant, [requests[place] for place in places])
            except Unsent as error:
                if not answers:
                    raise
                answered = [unanswered(type(error).__name__)] * len(places)
            answers.update(zip(places, answered, strict=True))
        return [answers[place] for place in range(len(requests))]

    def next_page(self, request: Request, response: Response) -> Request | None:
        """The request for the page after this one; None after the last.

        Raises ServiceHostRefused for a link that leads away from the configured Graph.
        """
        return next_page(request, response, graph_url=self._graph_url)

    async def authorize(self, tenant: str) -> None:
        """Make sure that a token for the tenant is at hand. Raises TokenRefused or TokenUnavailable."""
        await self._of(tenant).token()

    def forget_token(self, tenant: str) -> None:
        """Get a new token for the tenant with the next request: permissions are those of the moment it was made."""
        self._of(tenant).forget()

    async def close(self) -> None:
        """Close the session's connections."""
        if self._session is not None:
            await self._session.close()

    async def _send_together(self, tenant: str, requests: Sequence[Request]) -> list[Response]:
        """Send requests of one kind in one call, and those once more whose token was refused."""
        tokens = self._of(tenant)
        token = await tokens.token()
        answers = await self._in_slots(tenant, requests, token)
        refused = [place for place, answer in enumerate(answers) if answer.is_token_refused]
        if not refused or not tokens.drop(token):
            return answers
        try:
            again = await self._in_slots(tenant, [requests[place] for place in refused], await tokens.token())
        except Unsent:
            if len(refused) == len(requests):
                raise
            # The others' answers are worth more than why these had none.
            return answers
        second = dict(zip(refused, again, strict=True))
        return [second.get(place, answer) for place, answer in enumerate(answers)]

    async def _in_slots(self, tenant: str, requests: Sequence[Request], token: str) -> list[Response]:
        kind = requests[0].kind
        slots = await self._pace.take(tenant, kind, slots=len(requests))
        if isinstance(slots, FarAway):
            return [held_back(slots.wait)] * len(requests)
        if len(requests) == 1:
            answers = [await self._call(requests[0], token)]
        else:
            outer = Request(method="POST", path=BATCH_PATH, kind=kind, body=encode_batch(requests))
            answers = decipher_batch(await self._call(outer, token), len(requests))
        await self._pace.learn(tenant, kind, slots, answers)
        return answers

    async def _call(self, request: Request, token: str) -> Response:
        headers = {**request.headers, "Authorization": f"Bearer {token}"}
        if request.body:
            headers["Content-Type"] = "application/json"
        try:
            response = await self._opened().request(
                request.method,
                URL(self._graph_url + request.path, encoded=True),
                data=request.body or None,
                headers=headers,
                # A redirect would carry the token to a host that nobody checked.
                allow_redirects=False,
            )
            async with response:
                return decipher(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, OSError) as error:
            return unanswered(type(error).__name__)

    def _of(self, tenant: str) -> Tokens:
        if tenant not in self._tokens:
            self._tokens[tenant] = self._tokens_of(tenant)
        return self._tokens[tenant]

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self._ssl_context or True)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=self._timeout
            )
        return self._session


def _batches(requests: Sequence[Request]) -> Iterator[list[int]]:
    """The places of the requests that share a call: of one kind, in their order, so that they share their slots."""
    by_kind: dict[Kind, list[int]] = {}
    for place, request in enumerate(requests):
        by_kind.setdefault(request.kind, []).append(place)
    for kind, places in by_kind.items():
        size = most_at_once(kind)
        yield from (places[start : start + size] for start in range(0, len(places), size))
