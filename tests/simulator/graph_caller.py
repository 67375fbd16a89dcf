"""A caller of the stand-in's Graph over real https."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from simulator.config import Config
from simulator.places import Person
from simulator.standin import StandIn
from tests.simulator.connector_caller import Reply

GRAPH = "https://graph.microsoft.com"


@dataclass
class GraphCaller:
    """Calls Graph as the app does."""

    teams: StandIn
    session: aiohttp.ClientSession
    token: str

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, **query: Any
    ) -> Reply:
        """`path` is below `/v1.0`, or a link; options of the query come without their dollar sign."""
        url = path if path.startswith("https://") else self.teams.graph_url + path
        options = {f"${name}": str(value) for name, value in query.items()} or None
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        async with self.session.request(method, url, json=body, headers=sent, params=options) as response:
            raw = await response.read()
            return Reply(response.status, orjson.loads(raw) if raw else None, dict(response.headers))

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.call("GET", path, **options)

    async def batch(self, *parts: Mapping[str, Any]) -> dict[str, Any]:
        """The answers of a batch by their ids."""
        reply = await self.call("POST", "/$batch", {"requests": parts})
        assert reply.status == 200, reply.body
        return {part["id"]: part for part in reply.body["responses"]}

    @property
    def app(self) -> dict[str, str]:
        """The body that installs the app."""
        app_id = self.teams.world.graph.catalog(self.teams.tenant_id).id
        return {"teamsApp@odata.bind": f"{GRAPH}/v1.0/appCatalogs/teamsApps/{app_id}"}

    async def install(self, person: Person) -> Reply:
        return await self.call("POST", apps_of(person), self.app)

    async def installation(self, person: Person) -> str:
        """The id of a person's installation."""
        return str((await self.get(apps_of(person))).body["value"][0]["id"])

    def part(self, number: str, method: str, url: str, body: Any = None, **more: Any) -> dict[str, Any]:
        """A request of a batch."""
        written = {"headers": {"Content-Type": "application/json"}, "body": body} if body is not None else {}
        return {"id": number, "method": method, "url": url, **written, **more}


def apps_of(person: Person) -> str:
    return f"/users/{person.object_id}/teamwork/installedApps"


@asynccontextmanager
async def a_graph_caller(config: Config | None = None) -> AsyncIterator[GraphCaller]:
    """A stand-in and a caller with a token for Graph."""
    async with (
        StandIn(config) as teams,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=teams.ssl_context)) as session,
    ):
        yield GraphCaller(teams, session, teams.bearer(GRAPH))
