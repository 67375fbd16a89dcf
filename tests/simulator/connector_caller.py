"""A caller of the stand-in's Connector over real HTTP, and a bot that keeps what Teams posts to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web

from simulator.config import Config
from simulator.places import Person
from simulator.standin import StandIn

CARD = {
    "contentType": "application/vnd.microsoft.card.adaptive",
    "content": {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "Lunch is served"}]},
}


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


@dataclass
class Caller:
    """Calls the Connector as the bot does."""

    teams: StandIn
    session: aiohttp.ClientSession
    token: str

    async def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Reply:
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        url = self.teams.service_url + path
        async with self.session.request(method, url, json=body, headers=headers) as response:
            raw = await response.read()
            return Reply(response.status, await response.json() if raw else None, dict(response.headers))

    async def create(self, member_id: str) -> Reply:
        body = {
            "bot": {"id": f"28:{self.teams.app_id}"},
            "members": [{"id": member_id}],
            "channelData": {"tenant": {"id": self.teams.tenant_id}},
        }
        return await self.call("POST", "v3/conversations", body)

    async def send(self, conversation_id: str, text: str | None = "hello", **more: Any) -> Reply:
        body = {"type": "message", **({"text": text} if text is not None else {}), **more}
        return await self.call("POST", f"v3/conversations/{quote(conversation_id, safe='')}/activities", body)


@asynccontextmanager
async def a_caller(config: Config | None = None) -> AsyncIterator[Caller]:
    """A stand-in and a caller with a valid token."""
    async with StandIn(config) as teams, aiohttp.ClientSession() as session:
        yield Caller(teams, session, teams.bearer())


@dataclass
class Inbox:
    """A bot: it keeps each activity with its headers and answers as told."""

    url: str = ""
    activities: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    body: Any = None

    async def receive(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        self.activities.append(await request.json())
        status = self.answers.pop(0) if self.answers else 200
        return web.json_response(self.body, status=status)


@asynccontextmanager
async def a_bot(teams: StandIn) -> AsyncIterator[Inbox]:
    """A bot that the stand-in posts to."""
    inbox = Inbox()
    app = web.Application()
    app.router.add_post("/api/messages", inbox.receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        inbox.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/messages"
        teams.set_bot(inbox.url)
        yield inbox
    finally:
        await runner.cleanup()


async def an_installed_person(teams: StandIn) -> Person:
    """Somebody who has the app; the bot is not told."""
    (person,) = teams.add_people(1)
    await teams.install([person], notify=False)
    return person
