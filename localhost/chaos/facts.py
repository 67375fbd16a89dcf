"""The facts by which a run is judged. Pure: values, and what follows from one of them alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localhost.chaos.causes import Cause
from localhost.chaos.kinds import Kind
from simulator.graph.installations import Holding


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """One broadcast from both sides.

    `expected` are object ids. `deliveries` are (object id, state, reason), one for each that the app tells;
    `report` holds its last report. `arrivals` has the moments (Unix time) at which each person got the message.
    """

    key: str
    delivery: str
    expected: frozenset[str]
    report: Mapping[str, Any]
    deliveries: tuple[tuple[str, str, str | None], ...]
    arrivals: Mapping[str, tuple[float, ...]]

    def those(self, *states: str) -> frozenset[str]:
        """Who is told to be in one of these states."""
        return frozenset(person for person, state, _ in self.deliveries if state in states)

    def lost(self) -> frozenset[str]:
        """Who has no message, and of whom the app does not say so."""
        return self.expected - self.arrivals.keys() - self.those("undeliverable", "uncertain")

    def doubled_at(self) -> list[float]:
        """For each surplus copy: when the copy before it had arrived."""
        return [moment for moments in self.arrivals.values() for moment in moments[:-1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a run left behind.

    `asked` and `listed` are keys: of the requests, and of the broadcasts that the app tells of. `polls` counts the
    reports that were read, `wrong` tells those that were not in order. `refused` tells by object id the reason for
    which somebody must end as undeliverable. `strangers` are the object ids of those who are to be given the app, and
    `holdings` what Graph did for whom. `throttled` counts what the stand-in's own limits refused of `requests` calls.
    `struck` counts each wanted kind of fault; where `all_must_strike` none may be 0.
    """

    asked: frozenset[str]
    listed: frozenset[str]
    broadcasts: Sequence[Traced]
    causes: Sequence[Cause]
    polls: int
    wrong: Sequence[str]
    surprises: Sequence[str]
    refused: Mapping[str, str]
    strangers: frozenset[str]
    holdings: Mapping[str, Holding]
    requests: int
    throttled: int
    struck: Mapping[Kind, int]
    all_must_strike: bool
