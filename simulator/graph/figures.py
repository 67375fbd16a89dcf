"""Requests to Graph in figures, for a judge of pace and economy."""

from array import array
from collections import Counter
from dataclasses import dataclass, field

from simulator.figures import worst_second


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSummary:
    """Requests with a valid token, a batch's parts singly and besides the batch itself.

    `answers` tells by kind how often each status was answered; 0 is a connection broken on purpose. `throttled` and
    `worst_second` go by the limits' own kinds (`simulator.graph.rules.RULES`).
    """

    requests: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    by_status: dict[str, int] = field(default_factory=dict)
    answers: dict[str, dict[str, int]] = field(default_factory=dict)
    throttled: dict[str, int] = field(default_factory=dict)
    worst_second: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class GraphCounts:
    """Counts what was asked and what was answered."""

    _answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    _throttled: Counter[str] = field(default_factory=Counter)
    _moments: "dict[str, array[float]]" = field(default_factory=dict)

    def request(self, rule: str, now: float) -> None:
        self._moments.setdefault(rule, array("d")).append(now)

    def throttled(self, rule: str) -> None:
        self._throttled[rule] += 1

    def answered(self, kind: str, status: int) -> None:
        self._answers[kind, status] += 1

    def clear(self) -> None:
        self._answers.clear()
        self._throttled.clear()
        self._moments.clear()

    def summary(self) -> GraphSummary:
        kinds: Counter[str] = Counter()
        statuses: Counter[str] = Counter()
        answers: dict[str, dict[str, int]] = {}
        for (kind, status), times in sorted(self._answers.items()):
            kinds[kind] += times
            statuses[str(status)] += times
            answers.setdefault(kind, {})[str(status)] = times
        return GraphSummary(
            requests=kinds.total(),
            by_kind=dict(kinds),
            by_status=dict(statuses),
            answers=answers,
            throttled=dict(self._throttled),
            worst_second={rule: worst_second(moments) for rule, moments in self._moments.items()},
        )
