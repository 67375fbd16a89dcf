"""Storage's clock, kept from the `Date` of its answers. The rule is pure; `StorageClock` joins it to the local clock.

A `Date` has whole seconds, cut off (RFC 9110, 5.6.7): an answer that says D was written between D and D + 1 by
storage's clock, and between `sent` and `received` by ours. So storage is ahead of us by at least D - received and at
most D + 1 - sent, and many answers leave a narrow interval: 20 give about 0.02 s, 100 about 0.004 s.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from math import inf

RENEWAL_SECONDS = 600.0
SLACK_SECONDS = 0.02
JUMP_SECONDS = 0.25


@dataclass(slots=True)
class ClockOffset:
    """How far storage's clock is ahead of a local one, as an interval in seconds."""

    low: float = -inf
    high: float = inf
    renewed_at: float = -inf

    @property
    def middle(self) -> float:
        """The estimate: the middle of the interval; nothing before the first answer."""
        return (self.low + self.high) / 2 if self.high < inf else 0.0

    def feed(self, *, sent: float, received: float, date: float) -> None:
        """Learn from one answer: when it was sent for and received by the local clock, and its `Date`; in seconds."""
        if received < sent:
            return  # The local clock was set back meanwhile, so this answer bounds nothing.
        self._renew(received)
        self.low = max(self.low, date - received)
        self.high = min(self.high, date + 1 - sent)
        gap = self.low - self.high
        if gap <= 0:
            return
        if gap > JUMP_SECONDS:
            self.low, self.high = date - received, date + 1 - sent  # One of the clocks was set: the past says nothing.
            return
        # Bounds that miss each other by little are the drift of the clocks, or a late Date: the truth lies about here,
        # and to start anew would trade milliseconds of doubt for half a second.
        self.low, self.high = self.high - SLACK_SECONDS, self.low + SLACK_SECONDS

    def _renew(self, now: float) -> None:
        """Loosen old bounds, so that new ones replace them. The middle stays, so the estimate does not leap."""
        if 0 <= now - self.renewed_at < RENEWAL_SECONDS:
            return
        self.renewed_at = now
        self.low -= SLACK_SECONDS  # Clocks under NTP drift by less than 30 ppm: 0.02 s in ten minutes.
        self.high += SLACK_SECONDS


class StorageClock:
    """The clock that all instances share; the local clock until storage has answered once."""

    def __init__(self, local: Callable[[], float] = time.time) -> None:
        self.local = local
        self._offset = ClockOffset()

    def now(self) -> float:
        """Seconds since the epoch by storage's clock."""
        return self.local() + self._offset.middle

    def observe(self, *, sent: float, received: float, date: str | None) -> None:
        """Learn from an answer's `Date` header; `sent` and `received` are readings of `local`."""
        seconds = parse_date(date)
        if seconds is not None:
            self._offset.feed(sent=sent, received=received, date=seconds)


@lru_cache(maxsize=8)
def parse_date(header: str | None) -> float | None:
    """Seconds since the epoch of a `Date` header, or None. Cached, as all answers of one second share one text."""
    try:
        return parsedate_to_datetime(header).timestamp() if header else None
    except ValueError:
        return None
