"""The stake: how many deliveries one process may have standing in `sending` for a tenant.

They are what a crash leaves uncertain: two seconds of the pace, never more.
"""

import math

STAKE_SECONDS = 2.0


class Stake:
    """Counts what stands in `sending` in this process's rows of a tenant, and who waits for room."""

    def __init__(self, pace: float | None) -> None:
        self._limit = None if pace is None else math.ceil(pace * STAKE_SECONDS)
        self._standing = 0
        self.waiting = 0
        """Batches that wait for room: others journal their answers sooner while somebody waits."""

    def has_room(self, number: int) -> bool:
        """Whether so many more deliveries may be staked; a single group always may."""
        return self._limit is None or self._standing == 0 or self._standing + number <= self._limit

    def change(self, by: int) -> None:
        """Note that so many more (or, negative, fewer) deliveries stand in `sending`."""
        self._standing += by
