"""How a broadcast is cut into batches, lanes and groups. Sizes and their reasons: docs/architecture.md."""

import math

BATCH_SIZE = 100
BATCH_BYTES = 256 * 1024
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


def lane_of(batch: int, lanes: int) -> int:
    """Which lane a batch belongs to."""
    return batch % lanes


def group_size(rate: float | None, size: int = BATCH_SIZE) -> int:
    """How many deliveries share one intent: half a second of the rate as it stands, in equal parts of a batch.

    What stands in `sending` at a crash is a few groups, so a group is small; each costs a write, so not too small.
    """
    if rate is None:
        return BATCH_SIZE
    half_second = max(SMALLEST_GROUP, min(BATCH_SIZE, int(rate * GROUP_SECONDS)))
    return math.ceil(size / math.ceil(size / half_second)) if size else half_second
