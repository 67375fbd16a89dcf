"""A Graph in memory: who has the app, how often each was given it, and whatever a test wants it to answer."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from shared.errors import TokenRefused
from shared.graph.protocol import Request, Response

CATALOG_ID = "c0ffee00-0000-0000-0000-000000000001"
Rule = Callable[[Request, str], Response | None]
"""Asked with a request and the person's object id: an answer in place of the true one, or None."""


def refusal(status: int, code: str, message: str = "", *, retry_after: float | None = None) -> Response:
    """An answer with an error."""
    return Response(status=status, body={"error": {"code": code, "message": message}}, retry_after=retry_after)


class MemoryGraph:
    """Installs the app. `lag` is in seconds: so much later a list shows an install; `latency` is a call's."""

    gives_app = True
    """Whether an app with this Graph is set up to install itself."""

    def __init__(self, *, lag: float = 0.0, latency: float = 0.2, rule: Rule | None = None) -> None:
        self.installs: Counter[str] = Counter()
        """How often each person was given the app: answers 201."""
        self.requests: Counter[str] = Counter()
        """Requests by method and what they are about."""
        self.rule = rule
        self.tells: Callable[[str], Awaitable[None]] | None = None
        """Called with the person's object id after each install, as Teams tells the bot."""
        self.refuses_tokens = False
        self.forgotten = 0
        """How often a tenant's token was forgotten."""
        self._shown_at: dict[str, float] = {}
        self._lag = lag
        self._latency = latency

    def has_app(self, object_id: str) -> None:
        """A person has the app already, by another way."""
        self._shown_at[object_id] = 0.0

    async def send(self, tenant: str, request: Request) -> Response:
        """Answer one request."""
        return (await self.send_all(tenant, [request]))[0]

    async def send_all(self, tenant: str, requests: Sequence[Request]) -> list[Response]:  # noqa: ARG002
        """Answer several, as a batch does: what was asked is done, also where the caller is gone by then."""
        if self.refuses_tokens:
            raise TokenRefused("the secret has expired")
        await asyncio.sleep(self._latency / 2)
        answers = [self._answer(request) for request in requests]
        for request, answer in zip(requests, answers, strict=True):
            if self.tells is not None and answer.status == 201:
                await self.tells(request.path.split("/")[2])
        await asyncio.sleep(self._latency / 2)
        return answers

    def forget_token(self, tenant: str) -> None:  # noqa: ARG002 - it has no tokens.
        """Forget the tenant's token."""
        self.forgotten += 1

    def _answer(self, request: Request) -> Response:
        object_id = request.path.split("/")[2]
        now = asyncio.get_running_loop().time()
        about = "chat" if "/chat" in request.path else "installedApps"
        self.requests[f"{request.method} {about}"] += 1
        ruled = self.rule(request, object_id) if self.rule else None
        if ruled is not None:
            return ruled
        if about == "chat":
            return Response(status=200, body={"id": f"19:{object_id}_bot@unq.gbl.spaces"})
        if request.method == "POST":
            if object_id in self._shown_at:
                return refusal(409, "Conflict")
            self.installs[object_id] += 1
            self._shown_at[object_id] = now + self._lag
            return Response(status=201)
        shown = self._shown_at.get(object_id)
        found = [{"id": f"installation-{object_id}"}] if shown is not None and shown <= now else []
        return Response(status=200, body={"value": found})
