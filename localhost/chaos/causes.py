"""What may make a message arrive twice, when, and how often. Pure. Instants are Unix time in seconds."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from localhost.chaos.kinds import DELIVERED_UNANSWERED, LEAVES_OPEN, Kind
from localhost.chaos.plan import Injection

PACE = 49.75
STAKE_SECONDS = 2.0
STAKED = math.ceil(PACE * STAKE_SECONDS)
"""What a process may leave in `sending` at any moment: two seconds of the pace (docs/guarantees.md)."""

JOURNALED_WITHIN = 10.0
"""An answer older than this stands in its row when storage or its process goes; the app itself means 1.2 seconds."""
SETTLED_WITHIN = 5.0
"""So long after an interruption what was under way may still arrive: answers are up to four seconds slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Something that left deliveries uncertain.

    A copy that arrived between `since` and `until` may have been followed by another; at most `doubled` were. At most
    `uncertain` deliveries ended without anybody's knowing.
    """

    kind: Kind
    since: float
    until: float
    doubled: int
    uncertain: int

    @classmethod
    def of_interruption(cls, kind: Kind, *, since: float, until: float, processes: int) -> "Cause":
        """A process that died, or processes that lost their storage, from one moment to another."""
        staked = STAKED * processes
        return cls(
            kind=kind,
            since=since - JOURNALED_WITHIN,
            until=until + SETTLED_WITHIN,
            doubled=staked,
            uncertain=staked,
        )

    @classmethod
    def of_burst(cls, injection: Injection, *, since: float, hits: int) -> "Cause":
        """A fault of Teams that struck so many calls."""
        delay = float(injection.options.get("delay_s", 0.0))
        return cls(
            kind=injection.kind,
            since=since,
            until=since + injection.for_s + delay + SETTLED_WITHIN,
            doubled=hits if injection.kind in DELIVERED_UNANSWERED else 0,
            uncertain=hits if injection.kind in LEAVES_OPEN else 0,
        )


def unexplained(doubled_at: Iterable[float], causes: Iterable[Cause]) -> list[float]:
    """Which doubled copies no cause explains, by the moments when the copies before them had arrived.

    Each cause explains as many as it may double. Giving each copy, in the order of time, to the cause that ends first
    leaves the fewest over.
    """
    by_end = sorted(causes, key=lambda cause: cause.until)
    room = [cause.doubled for cause in by_end]
    left = []
    for moment in sorted(doubled_at):
        fitting = (n for n, cause in enumerate(by_end) if room[n] and cause.since <= moment <= cause.until)
        if (chosen := next(fitting, None)) is None:
            left.append(moment)
        else:
            room[chosen] -= 1
    return left
