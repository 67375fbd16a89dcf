"""When something may be sent: outside quiet hours, on working days, and not on dates that are crossed out.

All of it is local time in one zone. A stretch of time in which nothing is sent is *closed*.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from shared.domain.local_time import instant_of
from shared.errors import Fault

MOST_EXCEPTIONS = 400
EVERY_DAY = frozenset(range(7))
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)


class IfClosed(StrEnum):
    """What happens to an occurrence that comes in quiet hours or on a day off."""

    WAIT = "wait"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """From one local time to another; to that of the next day where it is not later."""

    begins: time
    ends: time


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningTimes:
    """When something may be sent."""

    zone: tzinfo
    exceptions: frozenset[date] = frozenset()
    """Local dates that are crossed out."""
    quiet_hours: QuietHours | None = None
    working_days: frozenset[int] = EVERY_DAY
    """0 is Monday."""

    def is_crossed_out(self, at: datetime) -> bool:
        """Whether an instant lies on a date that is crossed out."""
        return at.astimezone(self.zone).date() in self.exceptions

    def opening(self, at: datetime) -> datetime:
        """The first moment from `at` on that is open."""
        while (span := self._closed_span(at)) is not None:
            at = span[1]
        return at

    def last_open(self, at: datetime) -> datetime:
        """The last moment up to `at` that is open, to the second."""
        while (span := self._closed_span(at)) is not None:
            at = span[0] - _SECOND
        return at

    def end_of_day(self, at: datetime) -> datetime:
        """The midnight that ends the local day of an instant."""
        return self._midnight(at.astimezone(self.zone).date() + _DAY)

    def _closed_span(self, at: datetime) -> tuple[datetime, datetime] | None:
        """A stretch of time around an instant that is closed, its end left out; None where it is open."""
        day = at.astimezone(self.zone).date()
        spans = []
        if day.weekday() not in self.working_days or day in self.exceptions:
            spans.append((self._midnight(day), self._midnight(day + _DAY)))
        if (quiet := self.quiet_hours) is not None:
            for first in (day - _DAY, day):
                last = first if quiet.begins < quiet.ends else first + _DAY
                begins = instant_of(datetime.combine(first, quiet.begins), self.zone)
                spans.append((begins, instant_of(datetime.combine(last, quiet.ends), self.zone)))
        return next((span for span in spans if span[0] <= at < span[1]), None)

    def _midnight(self, day: date) -> datetime:
        return instant_of(datetime.combine(day, time()), self.zone)


def opening_faults(*, quiet_hours: QuietHours | None, working_days: frozenset[int]) -> list[Fault]:
    """What leaves no time open, by pointers to its field."""
    faults = []
    if quiet_hours is not None and quiet_hours.begins == quiet_hours.ends:
        detail = "these hours begin and end at the same time, so all day would be quiet: give two times"
        faults.append(Fault(pointer="/quiet_hours", detail=detail))
    if not working_days:
        detail = "no day is left: name one at least, or leave the field out"
        faults.append(Fault(pointer="/working_days", detail=detail))
    return faults
