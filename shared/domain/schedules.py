"""When a schedule's occurrences are due: its cron expression, and the times at which nothing is sent.

An occurrence comes where the expression says so in the schedule's zone (`shared.domain.cron`). It is due at once,
unless it comes on a date that is crossed out, when it is dropped, or while the schedule is closed: in quiet hours or on
a day that is no working day. There it waits until the schedule opens again, or is dropped, as the schedule says. A
schedule is closed on dates that are crossed out, too, so nothing that waits is due on them. Occurrences that wait for
the same moment are one. An occurrence is known by the instant at which it is due.

A schedule may run on each recipient's own clock. All its times are then local times without a zone, as if a clock
showed them that runs ahead of all others, and an occurrence is due when that clock shows it: then its broadcast, whose
moment is the local time, is split (`shared.domain.own_clocks`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from shared.domain.cron import matches
from shared.domain.local_time import instant_of
from shared.domain.own_clocks import SPLIT_AHEAD, SPLIT_CLOCK, OwnClock
from shared.errors import Fault

GRACE = timedelta(minutes=5)
"""So late an occurrence is on time all the same: the tick comes each minute, and may itself come late."""
MOST_CAUGHT_UP = 24
"""Missed occurrences that `run_all` makes up for, the latest ones: a day of an hourly schedule."""
MOST_PASSED_OVER = 1_000
"""Occurrences in a row that may be dropped: after them the schedule counts as one that never comes."""
MOST_EXCEPTIONS = 400
MOST_LATEST = 10
"""Broadcasts that a schedule remembers."""
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""No schedule begins or ends later: far enough for anybody, and instants keep their 13 digits of milliseconds."""
EVERY_DAY = frozenset(range(7))
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)


class IfClosed(StrEnum):
    """What happens to an occurrence that comes in quiet hours or on a day off."""

    WAIT = "wait"
    DROP = "drop"


class IfMissed(StrEnum):
    """Which of the occurrences that came while nothing ran are made up for: the latest, none, or each."""

    RUN_ONCE = "run_once"
    SKIP = "skip"
    RUN_ALL = "run_all"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """From one local time to another; to that of the next day where it is not later."""

    begins: time
    ends: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """When a schedule's occurrences come. Nothing comes before `starts_at`, nor is due at `ends_at` or later."""

    cron: str
    zone: tzinfo
    """`SPLIT_CLOCK` where it runs on each recipient's own clock."""
    default_zone: str = ""
    """Then: the IANA zone of those whose own is not known; empty where it is left to the app."""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    exceptions: frozenset[date] = frozenset()
    """Local dates that are crossed out."""
    quiet_hours: QuietHours | None = None
    working_days: frozenset[int] = EVERY_DAY
    """0 is Monday."""
    if_closed: IfClosed = IfClosed.WAIT
    if_missed: IfMissed = IfMissed.RUN_ONCE

    @property
    def is_on_own_clocks(self) -> bool:
        """Whether it runs on each recipient's own clock."""
        return self.zone is SPLIT_CLOCK

    @property
    def grace(self) -> timedelta:
        """So late an occurrence is still on time: before anybody's clock shows the local time it is not late at all."""
        return GRACE + SPLIT_AHEAD if self.is_on_own_clocks else GRACE

    def own_clock(self, due: datetime) -> OwnClock | None:
        """The local time of an occurrence, where it runs on each recipient's own clock."""
        if not self.is_on_own_clocks:
            return None
        return OwnClock(at=due.astimezone(self.zone).replace(tzinfo=None), default_zone=self.default_zone)


def next_after(timetable: Timetable, instant: datetime) -> datetime | None:
    """When the first occurrence after an instant is due, in UTC; None where no further one comes."""
    at = _last_open(timetable, instant)
    if timetable.starts_at is not None:
        at = max(at, timetable.starts_at - _SECOND)
    for _ in range(MOST_PASSED_OVER):
        came = next(matches(timetable.cron, timetable.zone, after=at), None)
        if came is None:
            return None
        day = came.astimezone(timetable.zone).date()
        due = _opening(timetable, came)
        if timetable.ends_at is not None and due >= timetable.ends_at:
            return None
        if day in timetable.exceptions:
            at = max(came, _midnight(day + _DAY, timetable.zone) - _SECOND)
        elif due <= instant or (due > came and timetable.if_closed is IfClosed.DROP):
            at = max(came, due - _SECOND)
        else:
            return due
    return None


def occurrences_after(timetable: Timetable, instant: datetime) -> Iterator[datetime]:
    """Each occurrence after an instant, in order."""
    due = next_after(timetable, instant)
    while due is not None:
        yield due
        due = next_after(timetable, due)


def due_by(timetable: Timetable, *, since: datetime, now: datetime) -> tuple[datetime, ...]:
    """Which of the occurrences from `since` on, the earliest that did not run, are to run now, in order.

    Those on time run in any case. Of those that were missed `run_once` makes up for the latest, where none is on time.
    """
    on_time = _between(timetable, max(since, now - timetable.grace), now)
    if timetable.if_missed is IfMissed.RUN_ALL:
        return _latest(timetable, since=since, now=now, most=MOST_CAUGHT_UP)
    if on_time or timetable.if_missed is IfMissed.SKIP:
        return on_time
    return _latest(timetable, since=since, now=now, most=1)


def timetable_faults(timetable: Timetable, *, now: datetime) -> list[Fault]:
    """What in a timetable contradicts itself, by pointers to its own fields."""
    faults = []
    quiet, starts_at, ends_at = timetable.quiet_hours, timetable.starts_at, timetable.ends_at
    if quiet is not None and quiet.begins == quiet.ends:
        detail = "these hours begin and end at the same time, so all day would be quiet: give two times"
        faults.append(Fault(pointer="/quiet_hours", detail=detail))
    if not timetable.working_days:
        faults.append(
            Fault(pointer="/working_days", detail="no day is left: name one at least, or leave the field out")
        )
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        faults.append(Fault(pointer="/ends_at", detail="this must be later than starts_at"))
    if ends_at is not None and ends_at <= now:
        faults.append(Fault(pointer="/ends_at", detail="this is past: nothing would ever be sent"))
    if not faults and next_after(timetable, now) is None:
        faults.append(Fault(pointer="/cron", detail=_why_never(timetable)))
    return faults


def _why_never(timetable: Timetable) -> str:
    if next(matches(timetable.cron, timetable.zone, after=datetime(2000, 1, 1, tzinfo=UTC)), None) is None:
        return "this never comes: no day is what both the day of the month and the day of the week ask for"
    if timetable.starts_at is not None or timetable.ends_at is not None:
        return "no occurrence comes between starts_at and ends_at: look at the dates and at this expression"
    return "this never comes: all of it lies in quiet hours, on days off or on exceptions; move it, or have it wait"


def _between(timetable: Timetable, begin: datetime, end: datetime) -> tuple[datetime, ...]:
    """The occurrences from `begin` to `end`, both included."""
    found = []
    for due in occurrences_after(timetable, begin - _SECOND):
        if due > end:
            break
        found.append(due)
    return tuple(found)


def _latest(timetable: Timetable, *, since: datetime, now: datetime, most: int) -> tuple[datetime, ...]:
    """The last occurrences up to `now`, looked for further and further back: a long downtime is not walked through."""
    window = GRACE
    while True:
        found = _between(timetable, max(since, now - window), now)
        if len(found) >= most or now - window <= since:
            return found[-most:]
        window *= 2


def _opening(timetable: Timetable, at: datetime) -> datetime:
    """The first moment from `at` on at which the schedule is open."""
    while (span := _closed_span(timetable, at)) is not None:
        at = span[1]
    return at


def _last_open(timetable: Timetable, at: datetime) -> datetime:
    """The last moment up to `at` at which the schedule is open, to the second."""
    while (span := _closed_span(timetable, at)) is not None:
        at = span[0] - _SECOND
    return at


def _closed_span(timetable: Timetable, at: datetime) -> tuple[datetime, datetime] | None:
    """A stretch of time around an instant in which the schedule is closed, its end left out; None where it is open."""
    zone = timetable.zone
    day = at.astimezone(zone).date()
    spans = []
    if day.weekday() not in timetable.working_days or day in timetable.exceptions:
        spans.append((_midnight(day, zone), _midnight(day + _DAY, zone)))
    if (quiet := timetable.quiet_hours) is not None:
        for first in (day - _DAY, day):
            last = first if quiet.begins < quiet.ends else first + _DAY
            begins = instant_of(datetime.combine(first, quiet.begins), zone)
            spans.append((begins, instant_of(datetime.combine(last, quiet.ends), zone)))
    return next((span for span in spans if span[0] <= at < span[1]), None)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return instant_of(datetime.combine(day, time()), zone)
