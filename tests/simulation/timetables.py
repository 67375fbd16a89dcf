"""Timetables of a storm's schedules, read the plain way: by a look at the zone's clock in each minute."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from tests.twins.world import EPOCH

MINUTE = 60.0
HORIZON = 5 * 3600.0
"""Seconds from the start within which every run has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When a schedule's occurrences come: at these `minutes` of each hour. Instants are seconds since the epoch."""

    cron: str
    minutes: frozenset[int]
    """The minutes that the expression means."""
    zone: str
    starts_at: float | None = None
    ends_at: float | None = None
    quiet: tuple[str, str] | None = None
    """Local times, such as 08:03, from which and to which nothing is sent; the first is the earlier one."""
    if_closed: str = "wait"
    if_missed: str = "run_once"

    @property
    def document(self) -> dict[str, Any]:
        """The timetable as a request has it."""
        document = {
            "cron": self.cron,
            "zone": self.zone,
            "starts_at": _told(self.starts_at),
            "ends_at": _told(self.ends_at),
            "quiet_hours": self.quiet and {"from": self.quiet[0], "to": self.quiet[1]},
            "if_closed": self.if_closed,
            "if_missed": self.if_missed,
        }
        return {name: value for name, value in document.items() if value is not None}

    def comes_at(self, instant: float) -> bool:
        """Whether an occurrence is due at an instant."""
        return instant in _instants(self)

    def is_closed(self, instant: float) -> bool:
        """Whether an instant lies in quiet hours."""
        local = f"{datetime.fromtimestamp(instant, ZoneInfo(self.zone)):%H:%M}"
        return self.quiet is not None and self.quiet[0] <= local < self.quiet[1]

    def after(self, instant: float) -> float | None:
        """When the first occurrence after an instant is due."""
        due = _instants(self)
        place = bisect_right(due, instant)
        return due[place] if place < len(due) else None

    def between(self, begin: float, end: float) -> tuple[float, ...]:
        """What is due after `begin`, up to and with `end`."""
        due = _instants(self)
        return due[bisect_right(due, begin) : bisect_right(due, end)]


@cache
def _instants(times: Times) -> tuple[float, ...]:
    """When occurrences are due, in order; those that wait for the same end are one."""
    zone, due, waits = ZoneInfo(times.zone), list[float](), False
    for number in range(int(HORIZON / MINUTE)):
        at = EPOCH + number * MINUTE
        local = datetime.fromtimestamp(at, zone)
        is_closed = times.is_closed(at)
        comes = local.minute in times.minutes and (times.starts_at is None or at >= times.starts_at)
        if is_closed:
            waits = waits or (comes and times.if_closed == "wait")
        elif comes or waits:
            due.append(at)
            waits = False
    return tuple(at for at in due if times.ends_at is None or at < times.ends_at)


def _told(instant: float | None) -> str | None:
    return None if instant is None else datetime.fromtimestamp(instant, ZoneInfo("UTC")).isoformat()
