"""A directory in memory, as Graph tells of it: users and groups in pages. Links can expire, pages may overlap."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from shared.errors import TokenRefused, TokenUnavailable
from shared.graph.kinds import Kind
from shared.graph.protocol import Request, Response, next_page
from tests.twins.graph import MemoryGraph, refusal

GRAPH_URL = "https://graph.test/v1.0"
THROTTLED = refusal(429, "TooManyRequests", retry_after=20.0)
FORBIDDEN = refusal(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
CAST_REFUSED = refusal(400, "Request_UnsupportedQuery", "A cast is not supported for this kind of group.")
EXPIRED = refusal(400, "Directory_ExpiredPageToken", "The specified page token value has expired.")
Fault = Response | type[TokenRefused] | type[TokenUnavailable] | None


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the directory."""

    id: str
    is_guest: bool = False
    is_enabled: bool = True
    upn: str = ""
    mail: str = ""


Groups = Mapping[str, Sequence[Account | str]]
"""The direct members of groups by their ids: people, and groups inside."""


def transitive_members(groups: Groups, wanted: Iterable[str]) -> list[Account | str]:
    """Everybody in these groups, and every group inside them, each once."""
    found: dict[Account | str, None] = {}
    for group in wanted:
        for member in groups[group]:
            found[member] = None
            if isinstance(member, str):
                found |= dict.fromkeys(transitive_members(groups, [member]))
    return list(found)


class MemoryDirectory(MemoryGraph):
    """Tells of its users and of the members of its groups; an id among these is that of a group inside.

    `overlap` entries of each page stand on the next one again. `fault` is asked with the number of each request, from
    zero, for what goes wrong with it.
    """

    gives_app = False

    def __init__(
        self,
        users: Sequence[Account] = (),
        groups: Groups | None = None,
        *,
        page_size: int = 999,
        overlap: int = 0,
        fault: Callable[[int], Fault] = lambda _: None,
        latency: float = 0.2,
    ) -> None:
        super().__init__(latency=latency)
        self.users = list(users)
        self.groups = dict[str, Sequence[Account | str]](groups or {})
        self.asked: list[str] = []
        """The paths of all requests for pages."""
        self.is_readable = True
        """Whether the app may see more than ids."""
        self.uncountable: dict[str, int] = {}
        """Groups whose people cannot be counted alone, each with how many groups, devices and apps are in it."""
        self.fault = fault
        self._page_size = page_size
        self._overlap = overlap
        self._issue = 0

    def expire_links(self) -> None:
        """No link that was given out until now leads anywhere."""
        self._issue += 1

    def next_page(self, request: Request, response: Response) -> Request | None:
        """As the client does it."""
        return next_page(request, response, graph_url=GRAPH_URL)

    async def send_all(self, tenant: str, requests: Sequence[Request]) -> list[Response]:
        """Answer pages here, and all else as the Graph that gives the app."""
        if any(request.kind is not Kind.DIRECTORY for request in requests):
            return await super().send_all(tenant, requests)
        await asyncio.sleep(self._latency)
        return [self.page(request) for request in requests]

    def page(self, request: Request) -> Response:
        """Answer one request for people."""
        fault = self.fault(len(self.asked))
        self.asked.append(request.path)
        if isinstance(fault, Response):
            return fault
        if fault is not None:
            raise fault("asked for")
        parts = urlsplit(request.path)
        options = parse_qs(parts.query)
        if "$filter" in options:
            return self._named(options["$filter"][0])
        found = self._listed(parts.path)
        if found is None:
            return refusal(404, "Request_ResourceNotFound")
        if parts.path.endswith("/$count"):
            return self._counted(request, parts.path, sum(isinstance(one, Account) for one in found))
        start = 0
        if "$skiptoken" in options:
            issue, _, position = options["$skiptoken"][0].partition("-")
            if int(issue) != self._issue:
                return EXPIRED
            start = int(position)
        end = start + self._page_size
        body: dict[str, Any] = {"value": [self._shown(one) for one in found[max(0, start - self._overlap) : end]]}
        if end < len(found):
            body["@odata.nextLink"] = f"{GRAPH_URL}{parts.path}?$skiptoken={self._issue}-{end}"
        return Response(status=200, body=body)

    def _named(self, condition: str) -> Response:
        name, _, values = condition.partition(" in ")
        wanted = set(re.findall(r"'((?:[^']|'')*)'", values.lower()))
        named = [(one, one.mail if name == "mail" else one.upn) for one in self.users]
        found = [{"id": one.id, name: text} for one, text in named if text.lower().replace("'", "''") in wanted]
        return Response(status=200, body={"value": found})

    def _counted(self, request: Request, path: str, people: int) -> Response:
        if request.headers.get("ConsistencyLevel") != "eventual":
            return refusal(400, "Request_BadRequest", "$count is not currently supported.")
        group = path.split("/")[2]
        if "/microsoft.graph.user/" not in path:
            return Response(status=200, number=people + self.uncountable.get(group, 0))
        return CAST_REFUSED if group in self.uncountable else Response(status=200, number=people)

    def _listed(self, path: str) -> Sequence[Account | str] | None:
        if path.startswith("/users"):
            return self.users
        group = path.split("/")[2]
        return transitive_members(self.groups, [group]) if group in self.groups else None

    def _shown(self, one: Account | str) -> dict[str, Any]:
        if isinstance(one, str):
            return {"@odata.type": "#microsoft.graph.group", "id": one}
        shown: dict[str, Any] = {"@odata.type": "#microsoft.graph.user", "id": one.id.upper()}
        if not self.is_readable:
            return shown | {"userType": None, "accountEnabled": None}
        return shown | {"userType": "Guest" if one.is_guest else "Member", "accountEnabled": one.is_enabled}
