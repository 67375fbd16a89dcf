"""A Graph in memory: who has the app, how often each was given it, and whatever a test wants it to answer.

A holder is a person by object id, a team by its group's id, or a group chat by its own.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import unquote

from shared.errors import TokenRefused
from shared.graph.protocol import Request, Response

CATALOG_ID = "c0ffee00-0000-0000-0000-000000000001"
ABOUT = ("chat", "upgrade", "installedApps", "teamsApps", "mailboxSettings")
Rule = Callable[[Request, str], Response | None]
"""Asked with a request and its holder: an answer in place of the true one, or None."""


def refusal(status: int, code: str, message: str = "", *, retry_after: float | None = None) -> Response:
    """An answer with an error."""
    return Response(status=status, body={"error": {"code": code, "message": message}}, retry_after=retry_after)


class MemoryGraph:
    """Installs the app. `lag` is in seconds: so much later a list shows an install; `latency` is a call's."""

    gives_app = True
    """Whether an app with this Graph is set up to install itself."""

    def __init__(
        self, *, lag: float = 0.0, latency: float = 0.2, rule: Rule | None = None, scopes: str = "personal"
    ) -> None:
        self.scopes = scopes
        """Where an app with this Graph is set up to install itself."""
        self.installs: Counter[str] = Counter()
        """How often each holder was given the app: answers 201."""
        self.versions: dict[str, str] = {}
        """Which version of the app each holder has."""
        self.newest = "1.0.0"
        self.teams: dict[str, str] = {}
        """Teams' ids of teams by the ids of their groups."""
        self.mailbox_zones: dict[str, str] = {}
        """What people's mailboxes tell as their zones; who is not there has no mailbox."""
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
        """A holder has the app already, by another way."""
        self._shown_at[object_id], self.versions[object_id] = 0.0, self.newest

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
                await self.tells(holder_of(request))
        await asyncio.sleep(self._latency / 2)
        return answers

    def forget_token(self, tenant: str) -> None:  # noqa: ARG002 - it has no tokens.
        """Forget the tenant's token."""
        self.forgotten += 1

    def _answer(self, request: Request) -> Response:
        holder = holder_of(request)
        if request.path.endswith("?$select=internalId"):
            return self._team(request, holder)
        steps = request.path.partition("?")[0].split("/")
        about = next(what for what in ABOUT if what in steps)
        self.requests[f"{request.method} {about}"] += 1
        ruled = self.rule(request, holder) if self.rule else None
        if ruled is not None:
            return ruled
        if about in ("chat", "teamsApps", "mailboxSettings"):
            return self._read(about, holder)
        if about == "upgrade":
            self.versions[holder] = self.newest
            return Response(status=204)
        return {"GET": self._list, "POST": self._install, "DELETE": self._remove}[request.method](holder)

    def _read(self, about: str, holder: str) -> Response:
        if about == "chat":
            return Response(status=200, body={"id": f"19:{holder}_bot@unq.gbl.spaces"})
        if about == "teamsApps":
            return Response(status=200, body={"value": [{"appDefinitions": [{"version": self.newest}]}]})
        if holder not in self.mailbox_zones:
            return refusal(404, "MailboxNotEnabledForRESTAPI")
        return Response(status=200, body={"value": self.mailbox_zones[holder]})

    def _install(self, holder: str) -> Response:
        if holder in self._shown_at:
            return refusal(409, "Conflict")
        self.installs[holder] += 1
        self._shown_at[holder] = asyncio.get_running_loop().time() + self._lag
        self.versions[holder] = self.newest
        return Response(status=201)

    def _remove(self, holder: str) -> Response:
        return refusal(404, "NotFound") if self._shown_at.pop(holder, None) is None else Response(status=204)

    def _list(self, holder: str) -> Response:
        shown = self._shown_at.get(holder)
        if shown is None or shown > asyncio.get_running_loop().time():
            return Response(status=200, body={"value": []})
        found = {"id": f"installation-{holder}", "teamsAppDefinition": {"version": self.versions[holder]}}
        return Response(status=200, body={"value": [found]})

    def _team(self, request: Request, group: str) -> Response:
        self.requests["GET team"] += 1
        ruled = self.rule(request, group) if self.rule else None
        if ruled is not None:
            return ruled
        if group not in self.teams:
            return refusal(404, "NotFound", "No team found with Group Id.")
        return Response(status=200, body={"internalId": self.teams[group]})


def holder_of(request: Request) -> str:
    """Whom, or what, a request is about."""
    return unquote(request.path.partition("?")[0].split("/")[2])
