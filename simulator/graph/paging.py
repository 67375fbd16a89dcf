"""Lists in pages: `$top`, and links that lead on.

Source: https://learn.microsoft.com/graph/paging. A link is opaque and must be followed unchanged; Graph may show an
entry on two pages.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from simulator.graph.call import GraphCall
from simulator.graph.errors import GraphError

TOP_MAX, TOP_DEFAULT = 999, 100
LINKS_KEPT = 10_000
TOKEN = "$skiptoken"  # noqa: S105 - The option's name.


@dataclass(frozen=True, slots=True)
class Link:
    """Where a list goes on: the rest of the same query, from a position."""

    path: tuple[str, ...]
    query: dict[str, str]
    found: Sequence[Any]
    position: int
    made_at: float


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, how many there are in all, and the query of the next page."""

    entries: Sequence[Any]
    total: int
    next_query: str | None


@dataclass(slots=True)
class Pages:
    """The links that were given out."""

    _links: dict[str, Link] = field(default_factory=dict)

    def follow(self, call: GraphCall, now: float, life_s: float | None) -> Link | None:
        """The link that the request follows, or None for a first page."""
        token = call.query.get(TOKEN)
        if token is None:
            return None
        link = self._links.get(token)
        if link is None or (link.path, {**link.query, TOKEN: token}) != (call.path, call.query):
            raise _expired()
        if life_s is not None and now - link.made_at > life_s:
            raise _expired()
        return link

    def cut(
        self,
        call: GraphCall,
        found: Sequence[Any],
        start: int,
        *,
        now: float,
        limit: int | None = None,
        repeats: int = 0,
    ) -> Page:
        """The page that begins at `start`; every later page repeats the end of the one before."""
        top = top_of(call)
        size = min(top, limit) if limit else top
        end = start + size
        first = max(0, start - min(repeats, size - 1)) if start else 0
        entries = found[first : first + size]
        end = first + size
        if end >= len(found):
            return Page(entries, len(found), None)
        token = secrets.token_urlsafe(48)
        query = {name: value for name, value in call.query.items() if name != TOKEN}
        self._links[token] = Link(call.path, query, found, end, now)
        if len(self._links) > LINKS_KEPT:
            del self._links[next(iter(self._links))]
        options = "&".join(
            f"{quote(name, safe='$')}={quote(value)}" for name, value in [*query.items(), (TOKEN, token)]
        )
        return Page(entries, len(found), options)


def top_of(call: GraphCall) -> int:
    """How many entries a page may have."""
    raw = call.query.get("$top")
    if raw is None:
        return TOP_DEFAULT
    if not raw.isdigit() or not 1 <= int(raw) <= TOP_MAX:
        text = f"Invalid page size specified: '{raw}'. Must be between 1 and {TOP_MAX} inclusive."
        raise GraphError(400, "Request_UnsupportedQuery", text)
    return int(raw)


def _expired() -> GraphError:
    text = "The specified page token value has expired and can no longer be included in your request."
    return GraphError(400, "Directory_ExpiredPageToken", text)
