"""Turning nudges away where enough of their tenant's batches are under way: they come again by themselves."""

import random

from shared.ports import Clock

SHORTEST_WAIT, LONGEST_WAIT = 2.0, 20.0
"""Seconds, of which some are added for each nudge that waits already: many that come back in vain cost more than they
bring, as each of those that are served is for half a minute."""
WAIT_EACH = 0.25
JITTER = 2.0
"""Waits vary up to so many times their length, as those of other instances do."""


class TurnedAway:
    """The nudges of one tenant that this process has turned away and not met again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._back_at: dict[tuple[str, int], float] = {}

    def wait(self, broadcast_id: str, number: int) -> float | None:
        """In how many seconds a nudge is to come again; None for one that does so already."""
        now = self._clock.now()
        self._back_at = {key: at for key, at in self._back_at.items() if at > now}
        if (broadcast_id, number) in self._back_at:
            return None
        wait = min(LONGEST_WAIT / JITTER, SHORTEST_WAIT + WAIT_EACH * len(self._back_at))
        wait *= random.uniform(1.0, JITTER)  # noqa: S311 - jitter between instances is no secret
        self._back_at[broadcast_id, number] = now + wait
        return wait
