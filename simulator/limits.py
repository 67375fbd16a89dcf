"""The Connector's rate limits, as pure rules: a moment is passed in as monotonic seconds.

Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit. All calls of one app in one tenant
share a bucket; besides, each kind of call has windows per conversation. A refused call takes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Window = tuple[int, float]
"""How many calls, in how many seconds."""

WRITES: tuple[Window, ...] = ((7, 1.0), (8, 2.0), (60, 30.0), (1800, 3600.0))
READS: tuple[Window, ...] = ((14, 1.0), (16, 2.0), (120, 30.0), (3600, 3600.0))

# Reading a roster in one piece is deprecated and held to five calls a minute.
WINDOWS: Mapping[str, tuple[Window, ...]] = {
    "send": WRITES,
    "create": WRITES,
    "members": READS,
    "roster": (*READS, (5, 60.0)),
    "conversations": READS,
}


@dataclass(slots=True)
class Bucket:
    """A token bucket of `depth` that refills by `rate` a second; a rate of 0 refuses nobody."""

    rate: float
    depth: float
    level: float
    filled_at: float

    def wait(self, cost: int, now: float) -> float:
        """Seconds until `cost` tokens are there; 0 means now."""
        if self.rate <= 0:
            return 0.0
        self.level = min(self.depth, self.level + (now - self.filled_at) * self.rate)
        self.filled_at = now
        missing = min(cost, self.depth) - self.level
        return max(0.0, missing / self.rate)

    def take(self, cost: int) -> None:
        if self.rate > 0:
            self.level -= cost


def window_wait(taken: Sequence[float], windows: Sequence[Window], cost: int, now: float) -> float:
    """Seconds until `cost` more calls fit into every window; `taken` holds earlier moments, oldest first."""
    wait = 0.0
    for allowed, span in windows:
        room = allowed - cost
        if len(taken) > room:
            wait = max(wait, taken[len(taken) - room - 1] + span - now)
    return wait


@dataclass(slots=True)
class Limits:
    """All limits of one app: a bucket per tenant and windows per conversation."""

    rate: float
    depth: float
    conversation_limits: bool = True
    _buckets: dict[str, Bucket] = field(default_factory=dict)
    _taken: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def change(self, *, rate: float, depth: float, conversation_limits: bool) -> None:
        """Set other limits; every bucket starts full again and all windows are empty."""
        self.rate, self.depth, self.conversation_limits = rate, depth, conversation_limits
        self._buckets.clear()
        self._taken.clear()

    def admit(self, *, tenant: str, conversation: str | None, rule: str | None, cost: int, now: float) -> float:
        """Take the call's share and return 0, or take nothing and return the seconds to wait."""
        bucket = self._buckets.get(tenant)
        if bucket is None:
            bucket = self._buckets[tenant] = Bucket(self.rate, self.depth, self.depth, now)
        wait = bucket.wait(cost, now)
        taken: list[float] | None = None
        if self.conversation_limits and rule is not None and conversation is not None:
            taken = self._taken.setdefault((rule, conversation), [])
            wait = max(wait, window_wait(taken, WINDOWS[rule], cost, now))
        if wait > 0:
            return wait
        bucket.take(cost)
        if taken is not None:
            taken.extend([now] * cost)
            if len(taken) > 8000:
                del taken[:4000]
        return 0.0
