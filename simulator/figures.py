"""The ledger in figures: totals, the worst second, the rate."""

from array import array
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The ledger in figures.

    `duplicates` counts surplus deliveries of one content to one person or conversation; `people_repeated` counts the
    people with more than one delivery of any content. `rate` is deliveries per second from the first one to the
    99.9th percentile. The worst seconds are the fullest windows of one second: of deliveries, and of all calls with a
    valid token, the refused ones too. Status 0 is a connection that was broken on purpose.
    """

    deliveries: int
    people: int
    duplicates: int
    people_repeated: int
    updates: int
    deletes: int
    requests: int
    throttled: int
    split: int
    answers_lost: int
    by_status: dict[str, int]
    by_kind: dict[str, int]
    first_at: float | None
    last_at: float | None
    rate: float | None
    worst_second: int
    worst_second_requests: int


def worst_second(times: "array[float]") -> int:
    """The most moments within any window of one second; `times` ascend."""
    worst, start = 0, 0
    for end, moment in enumerate(times):
        while times[start] <= moment - 1.0:
            start += 1
        worst = max(worst, end - start + 1)
    return worst


def rate_of(times: "array[float]") -> float | None:
    """Moments per second between the first and the 99.9th percentile; None where there is no span."""
    last = max(0, int(len(times) * 0.999) - 1)
    if last < 1 or times[last] <= times[0]:
        return None
    return last / (times[last] - times[0])
