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
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from shared.domain.cron import matches
from shared.domain.opening_times import IfClosed, OpeningTimes, opening_faults
from shared.domain.own_clocks import SPLIT_AHEAD, SPLIT_CLOCK, OwnClock
from shared.errors import Fault

GRACE = timedelta(minutes=5)
"""So late an occurrence is on time all the same: the tick comes each minute, and may itself come late."""
MOST_CAUGHT_UP = 24
"""Missed occurrences that `run_all` makes up for, the latest ones: a day of an hourly schedule."""
MOST_PASSED_OVER = 1_000
"""Occurrences in a row that may be dropped: after them the schedule counts as one that never comes."""
MOST_LATEST = 10
"""Broadcasts that a schedule remembers."""
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""No schedule begins or ends later: far enough for anybody, and instants keep their 13 digits of milliseconds."""
_SECOND = timedelta(seconds=1)


class IfMissed(StrEnum):
    """Which of the occurrences that came while nothing ran are made up for: the latest, none, or each."""

    RUN_ONCE = "run_once"
    SKIP = "skip"
    RUN_ALL = "run_all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable(OpeningTimes):
    """When a schedule's occurrences come. Nothing comes before `starts_at`, nor is due at `ends_at` or later.

    Its zone is `SPLIT_CLOCK` where it runs on each recipient's own clock.
    """

    cron: str
    default_zone: str = ""
    """There: the IANA zone of those whose own is not known; empty where it is left to the app."""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
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
    return _first_due(timetable, instant, came_after=timetable.last_open(instant))


def occurrences_after(timetable: Timetable, instant: datetime) -> Iterator[datetime]:
    """Each occurrence after an instant, in order."""
    due = next_after(timetable, instant)
    while due is not None:
        yield due
        due = next_after(timetable, due)


def due_anew(timetable: Timetable, due: datetime) -> datetime | None:
    """When an occurrence is due by this timetable that was to be due at an instant by one with other opening times.

    Where that is closed by now it waits or is dropped as any other; if it is dropped, this is the one after it, and
    None where no further one comes.
    """
    opens = timetable.opening(due)
    if opens == due:
        return due
    came_then = next(matches(timetable.cron, timetable.zone, after=due - _SECOND), None) == due
    is_dropped = timetable.if_closed is IfClosed.DROP or (came_then and timetable.is_crossed_out(due))
    if is_dropped or (timetable.ends_at is not None and opens >= timetable.ends_at):
        return _first_due(timetable, due, came_after=due)
    return opens


def due_by(timetable: Timetable, *, since: datetime, now: datetime) -> tuple[datetime, ...]:
    """Which occurrences are to run now, in order: of `since`, the earliest that did not run, and of those after it.

    Those on time run in any case. Of those that were missed `run_once` makes up for the latest, where none is on time.
    While the schedule is closed none is made up for: they wait (`is_held_back`), or are dropped.
    """
    on_time = _between(timetable, now - timetable.grace, now, since=since)
    if _is_closed(timetable, now):
        return () if is_held_back(timetable, since=since, now=now) else on_time
    if timetable.if_missed is IfMissed.RUN_ALL:
        return _latest(timetable, since=since, now=now, most=MOST_CAUGHT_UP)
    if on_time or timetable.if_missed is IfMissed.SKIP:
        return on_time
    return _latest(timetable, since=since, now=now, most=1)


def is_held_back(timetable: Timetable, *, since: datetime, now: datetime) -> bool:
    """Whether what was missed from `since` on waits to be made up for until the schedule opens again.

    With `run_all` what is on time waits behind it, so that all come in order.
    """
    if not _is_closed(timetable, now) or timetable.if_closed is IfClosed.DROP or since >= now - timetable.grace:
        return False
    if timetable.if_missed is IfMissed.RUN_ONCE:
        return not _between(timetable, now - timetable.grace, now, since=since)
    return timetable.if_missed is IfMissed.RUN_ALL


def timetable_faults(timetable: Timetable, *, now: datetime) -> list[Fault]:
    """What in a timetable contradicts itself, by pointers to its own fields."""
    faults = opening_faults(quiet_hours=timetable.quiet_hours, working_days=timetable.working_days)
    starts_at, ends_at = timetable.starts_at, timetable.ends_at
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


def _is_closed(timetable: Timetable, now: datetime) -> bool:
    """Whether nothing is made up for now. On each recipient's own clock there is no one time for all to be closed."""
    return not timetable.is_on_own_clocks and timetable.opening(now) != now


def _first_due(timetable: Timetable, instant: datetime, *, came_after: datetime) -> datetime | None:
    """When the first occurrence is due after an instant, of those that come after another one."""
    at = came_after
    if timetable.starts_at is not None:
        at = max(at, timetable.starts_at - _SECOND)
    for _ in range(MOST_PASSED_OVER):
        came = next(matches(timetable.cron, timetable.zone, after=at), None)
        if came is None:
            return None
        due = timetable.opening(came)
        if timetable.ends_at is not None and due >= timetable.ends_at:
            return None
        if timetable.is_crossed_out(came):
            at = max(came, timetable.end_of_day(came) - _SECOND)
        elif due <= instant or (due > came and timetable.if_closed is IfClosed.DROP):
            at = max(came, due - _SECOND)
        else:
            return due
    return None


def _between(timetable: Timetable, begin: datetime, end: datetime, *, since: datetime) -> tuple[datetime, ...]:
    """The occurrences from `begin` to `end`, both included, of `since` and those after it."""
    found = [since] if begin <= since <= end else []
    for due in occurrences_after(timetable, max(since, begin - _SECOND)):
        if due > end:
            break
        if due >= begin:
            found.append(due)
    return tuple(found)


def _latest(timetable: Timetable, *, since: datetime, now: datetime, most: int) -> tuple[datetime, ...]:
    """The last occurrences up to `now`, looked for further and further back: a long downtime is not walked through."""
    window = GRACE
    while True:
        found = _between(timetable, now - window, now, since=since)
        if len(found) >= most or now - window <= since:
            return found[-most:]
        window *= 2
