"""Whether Graph throttles the app or one resource: the 429s among a process's last answers of one kind (pure)."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.domain.pacing import is_throttling
from shared.graph.protocol import Response

MEMORY = 10.0
"""Seconds for which an answer counts: a page at a time is told to be throttled by its second 429 in so long."""
UNTOLD_WAIT = 1.0
"""Seconds to pause where a 429 brought no `Retry-After`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttling:
    """So large a `share` of the answers were 429s; the longest wait that they asked for is in seconds."""

    share: float
    retry_after: float


@dataclass(slots=True)
class Answers:
    """The last answers of one kind of requests in one tenant."""

    _last: deque[tuple[float, Response]] = field(default_factory=deque)

    def note(self, responses: Sequence[Response], *, now: float) -> Throttling | None:
        """Add answers; what to do about all of them together, after which they are forgotten.

        Graph limits the app in the tenant, but also each user, chat and team (1 request a second). So a lone 429
        concerns its own request, and only from 12 %, and from two on, the whole kind is slowed down.
        """
        self._last.extend((now, response) for response in responses)
        while self._last and self._last[0][0] < now - MEMORY:
            self._last.popleft()
        throttled = [response for _, response in self._last if response.status == 429]
        if not is_throttling(throttled=len(throttled), posted=len(self._last)):
            return None
        share = len(throttled) / len(self._last)
        self._last.clear()
        waits = [UNTOLD_WAIT if response.retry_after is None else response.retry_after for response in throttled]
        return Throttling(share=share, retry_after=max(waits))
