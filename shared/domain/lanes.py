"""How a broadcast is cut into batches, lanes and groups. Sizes and their reasons: docs/architecture.md."""

import math
from dataclasses import dataclass

BATCH_SIZE = 100
BATCH_BYTES = 256 * 1024
INSTALL_SIZE, INSTALL_LANES = 20, 4
"""Most people of a batch who must be given the app first: as many as one JSON batch of Graph takes. Its lanes."""
FIRST_INSTALL_SIZE = 5
"""The first such batch of each lane is so small, so that the first of these people soon have the message."""
FIRST_INSTALL, FIRST_INSTALL_LANE = 50_000_000, 50
"""Such batches, and their lanes, are numbered from here, behind all others."""
FEWEST_LANES, MOST_LANES = 4, 16
LANE_SECONDS = 8.0
GROUP_SECONDS = 0.51
SMALLEST_GROUP = 5


def lanes_for(pace: float | None, *, recipients: int | None = None) -> int:
    """How many batches of a broadcast are worked on at a time: eight seconds of pace, 4 to 16; 16 without a limit.

    Lanes cost deferrals and uneven ends; too few of them leave the pace unused. `recipients`, where known, bounds
    the number, since a lane without a batch is a row for nothing.
    """
    most = MOST_LANES if recipients is None else max(1, min(MOST_LANES, math.ceil(recipients / BATCH_SIZE)))
    if pace is None:
        return most
    return min(most, max(FEWEST_LANES, min(MOST_LANES, math.ceil(pace * LANE_SECONDS / BATCH_SIZE))))


def install_size(place: int) -> int:
    """How many people the install batch at a place (from 0) may have: 5 in each lane's first, doubling to 20."""
    return min(INSTALL_SIZE, FIRST_INSTALL_SIZE << min(place // INSTALL_LANES, 8))


def is_install(batch: int) -> bool:
    """Whether a batch is of people who must be given the app first."""
    return batch >= FIRST_INSTALL


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePlan:
    """How many lanes a broadcast has: for people whose chats are known, and for those who must be given the app."""

    sends: int
    installs: int = 0

    @property
    def starts(self) -> dict[int, int]:
        """Each lane with its first batch."""
        installs = {FIRST_INSTALL_LANE + lane: FIRST_INSTALL + lane for lane in range(self.installs)}
        return {lane: lane for lane in range(self.sends)} | installs

    def lane_of(self, batch: int) -> int:
        """Which lane a batch belongs to."""
        if is_install(batch):
            return FIRST_INSTALL_LANE + (batch - FIRST_INSTALL) % self.installs
        return batch % self.sends

    def after(self, batch: int) -> int:
        """The number of the batch behind this one in its lane."""
        return batch + (self.installs if is_install(batch) else self.sends)


def group_size(rate: float | None, size: int = BATCH_SIZE) -> int:
    """How many deliveries share one intent: half a second of the rate as it stands, in equal parts of a batch.

    What stands in `sending` at a crash is a few groups, so a group is small; each costs a write, so not too small.
    """
    if rate is None:
        return BATCH_SIZE
    half_second = max(SMALLEST_GROUP, min(BATCH_SIZE, int(rate * GROUP_SECONDS)))
    return math.ceil(size / math.ceil(size / half_second)) if size else half_second
