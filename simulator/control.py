"""The remote control of a stand-in in another process, with the verbs of `StandIn`."""

from collections.abc import AsyncIterator, Collection
from typing import Any

import aiohttp
import orjson

from simulator.botclient import Posted, Tally
from simulator.figures import Summary
from simulator.graph.figures import GraphSummary
from simulator.graph.installations import Holding
from simulator.judge import Who
from simulator.ledger import Entry
from simulator.places import Person


class ControlError(Exception):
    """The stand-in refused a request of ours; the message is its own."""


class Control:
    """Steers the stand-in at `base_url` (its `control_url`). Use it as an async context manager.

    Every verb of `control_api.VERBS` is there by `call(verb, **arguments)`; the methods are those used most.
    """

    def __init__(self, base_url: str) -> None:
        self._base = base_url.rstrip("/") + "/_control"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Control":
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, verb: str, **arguments: Any) -> Any:
        """Any verb of the stage; people may be given as `Person` or by id."""
        return await self._request("POST", f"/{verb}", {name: _plain(value) for name, value in arguments.items()})

    async def addresses(self) -> dict[str, Any]:
        """All addresses, and the environment a Herald process needs."""
        found: dict[str, Any] = await self._request("GET", "")
        return found

    async def set_bot(self, endpoint: str | None) -> None:
        await self._request("PUT", "/bot", {"endpoint": endpoint})

    async def add_people(self, count: int, **options: Any) -> list[Person]:
        return [Person(**row) for row in await self.call("add_people", count=count, **options)]

    async def add_team(self, name: str, *, channels: Collection[str] = (), members: Collection[Who] = ()) -> Any:
        """Add a team; returns it as a dict with `id`, `channels` (General first) and more."""
        return await self.call("add_team", name=name, channels=channels, members=members)

    async def add_chat(self, name: str, *, members: Collection[Who] = ()) -> Any:
        """Add a group chat; returns it as a dict with `id` and more."""
        return await self.call("add_chat", name=name, members=members)

    async def install_in_team(self, team_id: str, by: Who, *, channel_id: str | None = None) -> Tally:
        return Tally(**await self.call("install_in_team", team=team_id, by=by, channel_id=channel_id))

    async def install_in_chat(self, chat_id: str, by: Who) -> Tally:
        return Tally(**await self.call("install_in_chat", chat=chat_id, by=by))

    async def person(self, who: Who) -> Person:
        return Person(**await self.call("person", who=who))

    async def install(self, people: Collection[Who] | None = None, **options: Any) -> Tally:
        return Tally(**await self.call("install", people=people, **options))

    async def uninstall(self, people: Collection[Who] | None = None, **options: Any) -> Tally:
        return Tally(**await self.call("uninstall", people=people, **options))

    async def say(self, who: Who, text: str | None = None, **options: Any) -> Posted:
        return Posted(**await self.call("say", who=who, text=text, **options))

    async def react(self, who: Who, activity_id: str, **options: Any) -> Posted:
        return Posted(**await self.call("react", who=who, activity_id=activity_id, **options))

    async def invoke(self, who: Who, name: str, value: Any, **options: Any) -> Posted:
        return Posted(**await self.call("invoke", who=who, name=name, value=value, **options))

    async def forge(self, forgery: str, who: Who, text: str = "hello") -> Posted:
        return Posted(**await self.call("forge", forgery=forgery, who=who, text=text))

    async def misbehave(self, action: str = "answer", **options: Any) -> int:
        return int(await self.call("misbehave", action=action, **options))

    async def behave(self, number: int | None = None) -> None:
        await self.call("behave", number=number)

    async def set_limits(self, **limits: Any) -> None:
        await self.call("set_limits", **limits)

    async def installations(self) -> dict[str, Holding]:
        """By object id, group id or chat id: who has or had the app, and how often it was installed by Graph."""
        found = await self.call("installations")
        return {holder: Holding(**row) for holder, row in found.items()}

    async def graph_summary(self) -> GraphSummary:
        return GraphSummary(**await self.call("graph_summary"))

    async def ledger_summary(self) -> Summary:
        return Summary(**await self._request("GET", "/ledger/summary"))

    async def ledger_people(self) -> dict[str, int]:
        found: dict[str, int] = await self._request("GET", "/ledger/people")
        return found

    async def ledger_contents(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = await self.call("ledger_contents")
        return found

    async def ledger_entries(
        self, *, person: Who | None = None, after: int = 0, event: str | None = None
    ) -> AsyncIterator[Entry]:
        """All entries after a sequence number, page by page."""
        query = {"person": _plain(person), "event": event}
        chosen = {name: value for name, value in query.items() if value is not None}
        position: int | None = after
        while position is not None:
            page = await self._request("GET", "/ledger", query={**chosen, "after": str(position)})
            for row in page["entries"]:
                yield Entry(**row)
            position = page["next"]

    async def clear_ledger(self) -> None:
        await self._request("DELETE", "/ledger")

    async def wait_for_deliveries(self, count: int, *, timeout_s: float = 30.0) -> Summary:
        """Wait until so many messages were delivered; raises TimeoutError."""
        return Summary(**await self.call("wait_for_deliveries", count=count, timeout_s=timeout_s))

    async def wait_until_quiet(self, *, for_s: float = 1.0, timeout_s: float = 60.0) -> Summary:
        """Wait until no call came for a while; raises TimeoutError."""
        return Summary(**await self.call("wait_until_quiet", for_s=for_s, timeout_s=timeout_s))

    async def _request(self, method: str, path: str, body: Any = None, query: dict[str, str] | None = None) -> Any:
        if self._session is None:
            raise RuntimeError("Control is an async context manager: use `async with Control(...)`.")
        data = orjson.dumps(body) if body is not None else None
        async with self._session.request(method, self._base + path, data=data, params=query) as response:
            found = orjson.loads(await response.read())
            if response.status == 408:
                raise TimeoutError(found["message"])
            if response.status >= 400:
                raise ControlError(found["message"])
            return found


def _plain(value: Any) -> Any:
    """People as their object ids."""
    if isinstance(value, Person):
        return value.object_id
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in value]
    return value
