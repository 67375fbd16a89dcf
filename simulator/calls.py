"""A call of the Connector and its answer, apart from HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from simulator.places import Person, Place
from simulator.refusals import Refusal


@dataclass(slots=True)
class Call:
    """One request to the Connector. `place` and `person` are filled in when it is admitted."""

    kind: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    authorization: str
    raw: bytes
    place: Place | None = None
    person: Person | None = None
    tenant_id: str = ""
    _body: Any = None

    def json(self) -> dict[str, Any]:
        """The request's JSON object; an empty one where the body is none."""
        if self._body is None:
            try:
                self._body = orjson.loads(self.raw)
            except orjson.JSONDecodeError:
                self._body = False
        return self._body if isinstance(self._body, dict) else {}

    def body(self) -> dict[str, Any]:
        """The request's JSON object; refuses anything else."""
        found = self.json()
        if not isinstance(self._body, dict):
            raise Refusal("Bad Argument", "The body is not a JSON object.")
        return found

    @property
    def conversation(self) -> str:
        """The conversation's id; a 1:1 chat has the bot's own, by whichever of its two ids it was called."""
        if self.place is not None and self.place.person is not None:
            return self.place.key
        return self.path["conversation"]

    @property
    def thread(self) -> str | None:
        """What the limits per conversation are counted for."""
        if self.place is not None:
            return self.place.key
        return self.person.object_id if self.person is not None else None


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and JSON body; no body where it is None."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def refused(refusal: Refusal) -> Answer:
    return Answer(refusal.status, refusal.body(), refusal.headers())
