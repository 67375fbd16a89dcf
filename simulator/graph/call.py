"""A request to Graph apart from HTTP, so that a part of a batch is judged like one that came alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from simulator.graph.errors import bad_request
from simulator.places import GroupChat, Person, Team

Holder = Person | Team | GroupChat
"""Who can have the app: a person, a team, a group chat."""


@dataclass(frozen=True, slots=True)
class Change:
    """The app came (`add`) or went (`remove`): something the bot will be told."""

    holder: Holder
    action: str


@dataclass(slots=True, kw_only=True)
class GraphCall:
    """One request. `path` holds the decoded segments below `/v1.0`, `query` the decoded options.

    `tenant_id` and `roles` come from the token, `params` from the path; `changes` is what the deed has changed.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: Any = None
    tenant_id: str = ""
    roles: frozenset[str] = frozenset()
    params: dict[str, str] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    path: tuple[str, ...] = ()
    query: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        path, _, query = self.url.partition("?")
        self.path = tuple(unquote(part) for part in path.strip("/").split("/"))
        self.query = dict(parse_qsl(query, keep_blank_values=True))
        self.headers = {name.lower(): value for name, value in self.headers.items()}

    @property
    def advanced(self) -> bool:
        """Whether the caller agreed to an index that lags, which advanced queries need."""
        return self.headers.get("consistencylevel", "").lower() == "eventual"

    def json(self) -> dict[str, Any]:
        """The body's JSON object; refuses anything else."""
        found = self.body
        if isinstance(found, bytes):
            try:
                found = orjson.loads(found)
            except orjson.JSONDecodeError:
                found = None
        if not isinstance(found, dict):
            raise bad_request("Unable to read JSON request payload.")
        return found
