"""The pace of one tenant: virtual scheduling (GCRA) over a row that all instances share, adaptive under a ceiling.

A pace row holds the instant of the next free slot. Who reserves moves it by compare-and-swap, so any number of
instances share one limit exactly. Instants are seconds since the epoch by storage's clock, rates are requests per
second. Teams' limit: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit (50 a second, per app
and tenant, all calls together).
"""

from dataclasses import dataclass, replace

CATCH_UP = 0.25
"""Slots up to so many seconds in the past may still be handed out: more would be a burst, less would lose pace."""
URGENT_CATCH_UP = 0.1
URGENT_SHARE = 0.2
VOID_AFTER = 0.75
"""A slot used later than this after its time (a freeze) would meet the slots that follow: it is void."""
CLIMB = 0.02
"""The rate climbs back by this share of its ceiling each second."""
DEEPEST_CUT = 0.5
LOWEST_RATE = 0.05
PAUSE_SHARE = 0.5
TELL_SHARE = 0.12
TELL_FEWEST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """One pace row. `rate` held at `rate_at` and climbs from there; `epoch` counts the times that it was cut.

    `stopped_at` is when an operator stopped the tenant's sending; zero while it goes on.
    """

    next_at: float = 0.0
    urgent_next_at: float = 0.0
    rate: float
    rate_at: float = 0.0
    epoch: int = 0
    stopped_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """Reserved slots: the first at `first_at`, one every `interval` seconds; void once the row has a later epoch."""

    first_at: float
    interval: float
    epoch: int

    def after(self, number: int) -> "Slots":
        """The same slots without the first `number`."""
        return replace(self, first_at=self.first_at + number * self.interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class FarAway:
    """The next free slot is `wait` seconds away: too far to wait for inside a function."""

    wait: float


def rate_now(pace: Pace, *, now: float, ceiling: float) -> float:
    """The rate as it stands: cut by throttling, climbing back, never above the ceiling."""
    climbed = pace.rate + max(0.0, now - pace.rate_at) * CLIMB * ceiling
    return min(ceiling, climbed)


def reserve(pace: Pace, *, slots: int, now: float, ceiling: float, patience: float) -> tuple[Pace, Slots] | FarAway:
    """Take the next `slots` free slots, unless the first of them is more than `patience` seconds away."""
    rate = rate_now(pace, now=now, ceiling=ceiling)
    first_at = max(pace.next_at, now - CATCH_UP)
    if first_at - now > patience:
        return FarAway(wait=first_at - now)
    moved = replace(pace, next_at=first_at + slots / rate)
    return moved, Slots(first_at=first_at, interval=1 / rate, epoch=pace.epoch)


def reserve_urgent(
    pace: Pace, *, slots: int, now: float, ceiling: float, patience: float
) -> tuple[Pace, Slots] | FarAway:
    """Take slots from the urgent cursor, a fifth of the rate, and push the bulk cursor back by as many.

    Where the bulk cursor has free slots as soon, the slots are taken there: an urgent message is never the slower one.
    """
    rate = rate_now(pace, now=now, ceiling=ceiling)
    first_at = max(pace.urgent_next_at, now - URGENT_CATCH_UP)
    if pace.next_at <= first_at:
        return reserve(pace, slots=slots, now=now, ceiling=ceiling, patience=patience)
    if first_at - now > patience:
        return FarAway(wait=first_at - now)
    moved = replace(
        pace,
        urgent_next_at=first_at + slots / (rate * URGENT_SHARE),
        next_at=max(pace.next_at, now) + slots / rate,
    )
    return moved, Slots(first_at=first_at, interval=1 / (rate * URGENT_SHARE), epoch=pace.epoch)


def is_throttling(*, throttled: int, posted: int) -> bool:
    """Whether a group's 429s concern the tenant (12 %, at least two) rather than one recipient."""
    return throttled >= max(TELL_FEWEST, TELL_SHARE * posted)


def throttle(pace: Pace, *, epoch: int, share: float, retry_after: float, now: float, ceiling: float) -> Pace:
    """Lower the rate for a group that was throttled, once per epoch: `epoch` is the one that its slots came from.

    From half of the group on the cursor also moves past `retry_after` seconds. A row that already stands at a later
    epoch is only moved, never cut again.
    """
    pause = retry_after if share >= PAUSE_SHARE else 0.0
    resume_at = now + pause
    if pace.epoch != epoch:
        if not pause:
            return pace
        return replace(pace, next_at=max(pace.next_at, resume_at), urgent_next_at=max(pace.urgent_next_at, resume_at))
    cut = rate_now(pace, now=now, ceiling=ceiling) * max(DEEPEST_CUT, 1 - share)
    # What was reserved under the old epoch is void, so the cursor starts anew from here.
    return replace(
        pace,
        rate=max(ceiling * LOWEST_RATE, cut),
        rate_at=resume_at,
        next_at=resume_at,
        urgent_next_at=resume_at if pause else pace.urgent_next_at,
        epoch=pace.epoch + 1,
    )
