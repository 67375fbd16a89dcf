"""Schedules: when an occurrence is due, what is made up for after a downtime, and what is refused."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.domain.opening_times import EVERY_DAY, IfClosed, QuietHours
from shared.domain.schedules import (
    GRACE,
    MOST_CAUGHT_UP,
    IfMissed,
    Timetable,
    due_anew,
    due_by,
    is_held_back,
    next_after,
    occurrences_after,
    timetable_faults,
)

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(begins=time(22), ends=time(7))
NOON_BREAK = QuietHours(begins=time(12), ends=time(13))
WEEKDAYS = frozenset(range(5))


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def a_timetable(cron: str, **changes: Any) -> Timetable:
    return Timetable(**{"cron": cron, "zone": BERLIN, **changes})


def told(instants: Sequence[datetime]) -> list[str]:
    return [one.astimezone(BERLIN).strftime("%m-%dT%H:%M") for one in instants]


# 2026-06-01 is a Monday.
@pytest.mark.parametrize(
    ("timetable", "after", "expected"),
    [
        # Nothing but the expression.
        (a_timetable("0 9 * * *"), "2026-06-01T09:00", ["06-02T09:00", "06-03T09:00"]),
        # Begin and end: the begin belongs to it, the end does not.
        (
            a_timetable("0 9 * * *", starts_at=local("2026-06-03T09:00"), ends_at=local("2026-06-05T09:00")),
            "2026-06-01T00:00",
            ["06-03T09:00", "06-04T09:00"],
        ),
        # A date that is crossed out.
        (a_timetable("0 9 * * *", exceptions=frozenset({date(2026, 6, 2)})), "2026-06-01T10:00", ["06-03T09:00"]),
        # Quiet hours over midnight: all that comes in them waits for their end, and is one.
        (a_timetable("0 */2 * * *", quiet_hours=NIGHT), "2026-06-01T20:00", ["06-02T07:00", "06-02T08:00"]),
        # Their begin is quiet, their end is not: what comes at the end itself is one with what waited.
        (
            a_timetable("0 * * * *", quiet_hours=NIGHT),
            "2026-06-01T20:00",
            ["06-01T21:00", "06-02T07:00", "06-02T08:00"],
        ),
        # Quiet hours within a day.
        (a_timetable("15 * * * *", quiet_hours=NOON_BREAK), "2026-06-01T11:00", ["06-01T11:15", "06-01T13:00"]),
        # Dropped instead.
        (
            a_timetable("0 */2 * * *", quiet_hours=NIGHT, if_closed=IfClosed.DROP),
            "2026-06-01T19:00",
            ["06-01T20:00", "06-02T08:00"],
        ),
        # Asked while something waits, and from the very end of the wait.
        (a_timetable("0 23 * * *", quiet_hours=NIGHT), "2026-06-02T03:00", ["06-02T07:00", "06-03T07:00"]),
        (a_timetable("0 23 * * *", quiet_hours=NIGHT), "2026-06-02T07:00", ["06-03T07:00"]),
        # Days off: Saturday's and Sunday's wait for Monday, and are one.
        (a_timetable("0 9 * * SAT,SUN", working_days=WEEKDAYS), "2026-06-01T00:00", ["06-08T00:00", "06-15T00:00"]),
        (
            a_timetable("0 9 * * *", working_days=WEEKDAYS, if_closed=IfClosed.DROP),
            "2026-06-05T09:00",
            ["06-08T09:00"],
        ),
        # Days off and quiet hours: Friday's night waits until Monday's morning.
        (
            a_timetable("0 23 * * FRI", working_days=WEEKDAYS, quiet_hours=NIGHT),
            "2026-06-01T12:00",
            ["06-08T07:00", "06-15T07:00"],
        ),
        # And where Monday is crossed out, until Tuesday's.
        (
            a_timetable(
                "0 23 * * FRI",
                working_days=WEEKDAYS,
                quiet_hours=NIGHT,
                exceptions=frozenset({date(2026, 6, 8)}),
            ),
            "2026-06-01T12:00",
            ["06-09T07:00"],
        ),
        # What comes on a crossed-out date is dropped, also where others would wait.
        (
            a_timetable("0 9 * * *", working_days=WEEKDAYS, exceptions=frozenset({date(2026, 6, 5)})),
            "2026-06-04T09:00",
            ["06-08T00:00", "06-08T09:00"],
        ),
        # A wait that would end behind the end is none.
        (a_timetable("0 23 * * *", quiet_hours=NIGHT, ends_at=local("2026-06-02T07:00")), "2026-06-01T08:00", []),
        # What came before the begin does not wait into it.
        (
            a_timetable("0 23 * * *", quiet_hours=NIGHT, starts_at=local("2026-06-02T00:00")),
            "2026-06-01T08:00",
            ["06-03T07:00"],
        ),
        # Quiet hours end once, where the clocks go back: the second 02:10 is not quiet any more.
        (
            a_timetable("*/10 * * * *", quiet_hours=QuietHours(begins=time(1), ends=time(2, 30))),
            "2026-10-25T00:55",
            ["10-25T02:30", "10-25T02:40", "10-25T02:50", "10-25T02:00", "10-25T02:10"],
        ),
        # Quiet hours that end in the gap end as far behind it.
        (
            a_timetable("0 1 * * *", quiet_hours=QuietHours(begins=time(0), ends=time(2, 30))),
            "2026-03-28T12:00",
            ["03-29T03:30", "03-30T02:30"],
        ),
    ],
)
def test_occurrences_are_due(timetable: Timetable, after: str, expected: list[str]) -> None:
    found = list(islice(occurrences_after(timetable, local(after)), len(expected) or 1))

    assert told(found) == expected


def test_a_schedule_may_begin_in_four_hundred_days() -> None:
    now = local("2026-06-01T00:00")

    assert next_after(a_timetable("0 9 * * *", starts_at=now + timedelta(days=400)), now) == local("2027-07-06T09:00")


HOURLY = a_timetable("0 * * * *")
MINUTELY = a_timetable("* * * * *")


@pytest.mark.parametrize(
    ("timetable", "since", "now", "expected"),
    [
        # On time, and a minute late.
        (HOURLY, "2026-06-01T09:00", "2026-06-01T09:00", ["06-01T09:00"]),
        (HOURLY, "2026-06-01T09:00", "2026-06-01T09:01", ["06-01T09:00"]),
        # Three hours of downtime: the latest missed one.
        (HOURLY, "2026-06-01T09:00", "2026-06-01T11:59", ["06-01T11:00"]),
        # One that is on time stands for those that were missed.
        (HOURLY, "2026-06-01T09:00", "2026-06-01T12:02", ["06-01T12:00"]),
        # A tick that is a minute late is no downtime: each minute's comes.
        (MINUTELY, "2026-06-01T09:00", "2026-06-01T09:01", ["06-01T09:00", "06-01T09:01"]),
        # A weekly one, two days late.
        (a_timetable("0 9 * * MON"), "2026-06-01T09:00", "2026-06-03T09:30", ["06-01T09:00"]),
    ],
)
def test_run_once_makes_up_for_the_latest(timetable: Timetable, since: str, now: str, expected: list[str]) -> None:
    assert told(due_by(timetable, since=local(since), now=local(now))) == expected


@pytest.mark.parametrize(
    ("since", "now", "expected"),
    [
        ("2026-06-01T09:00", "2026-06-01T09:05", ["06-01T09:00"]),  # Within the grace.
        ("2026-06-01T09:00", "2026-06-01T09:05:00.500", []),  # Half a second behind it.
        ("2026-06-01T09:00", "2026-06-01T09:06", []),  # Missed.
        ("2026-06-01T09:00", "2026-06-01T12:02", ["06-01T12:00"]),  # Only what is on time.
    ],
)
def test_skip_makes_up_for_none(since: str, now: str, expected: list[str]) -> None:
    timetable = a_timetable("0 * * * *", if_missed=IfMissed.SKIP)

    assert told(due_by(timetable, since=local(since), now=local(now))) == expected


def test_run_all_makes_up_for_each() -> None:
    timetable = a_timetable("0 * * * *", if_missed=IfMissed.RUN_ALL)

    due = due_by(timetable, since=local("2026-06-01T09:00"), now=local("2026-06-01T12:02"))

    assert told(due) == ["06-01T09:00", "06-01T10:00", "06-01T11:00", "06-01T12:00"]


def test_run_all_makes_up_for_no_more_than_the_latest_of_a_long_downtime() -> None:
    timetable = a_timetable("* * * * *", if_missed=IfMissed.RUN_ALL)
    now = local("2026-06-03T09:00")

    due = due_by(timetable, since=local("2026-06-01T09:00"), now=now)

    assert due == tuple(now - timedelta(minutes=minutes) for minutes in reversed(range(MOST_CAUGHT_UP)))


def test_a_downtime_of_a_year_is_not_walked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def counted(timetable: Timetable, instant: datetime) -> datetime | None:
        nonlocal asked
        asked += 1
        return next_after(timetable, instant)

    monkeypatch.setattr("shared.domain.schedules.next_after", counted)

    due = due_by(HOURLY, since=local("2026-01-01T09:00"), now=local("2027-01-01T09:30"))

    assert told(due) == ["01-01T09:00"]
    assert asked < 20


AFTER_WORK = QuietHours(begins=time(18), ends=time(8))
EVENING, MORNING = "2026-06-01T20:00", "2026-06-02T08:00"


@pytest.mark.parametrize(
    ("cron", "changes", "since", "now", "expected"),
    [
        # Missed, and closed by now: it waits until the schedule opens, or is dropped.
        ("0 9 * * *", {}, "06-01T09:00", EVENING, None),
        ("0 9 * * *", {}, "06-01T09:00", MORNING, ["06-01T09:00"]),
        ("0 9 * * *", {"if_closed": IfClosed.DROP}, "06-01T09:00", EVENING, []),
        ("0 9 * * *", {"if_closed": IfClosed.DROP}, "06-01T09:00", MORNING, ["06-01T09:00"]),
        ("0 9 * * *", {"working_days": frozenset({1})}, "06-01T09:00", "2026-06-01T12:00", None),
        ("0 9 * * *", {"exceptions": frozenset({date(2026, 6, 2)})}, "06-01T09:00", "2026-06-02T12:00", None),
        # What nobody makes up for waits for nothing.
        ("0 9 * * *", {"if_missed": IfMissed.SKIP}, "06-01T09:00", EVENING, []),
        # On time, though it has closed since.
        ("58 17 * * *", {}, "06-01T17:58", "2026-06-01T18:01", ["06-01T17:58"]),
        ("58 17 * * *", {"if_closed": IfClosed.DROP}, "06-01T17:58", "2026-06-01T18:01", ["06-01T17:58"]),
        ("58 17 * * *", {"if_missed": IfMissed.RUN_ALL}, "06-01T17:58", "2026-06-01T18:01", ["06-01T17:58"]),
        ("58 17 * * *", {}, "06-01T17:58", "2026-06-01T18:04", None),
        # It stands for what was missed, or waits behind it where each is to come.
        ("58 * * * *", {}, "06-01T15:58", "2026-06-01T18:01", ["06-01T17:58"]),
        ("58 * * * *", {"if_missed": IfMissed.RUN_ALL}, "06-01T15:58", "2026-06-01T18:01", None),
        # What waited for the opening itself stands for what was missed as well.
        ("0 * * * *", {}, "06-01T17:00", MORNING, ["06-02T08:00"]),
        ("0 * * * *", {"if_missed": IfMissed.RUN_ALL}, "06-01T17:00", MORNING, ["06-01T17:00", "06-02T08:00"]),
    ],
)
def test_what_was_missed_is_not_made_up_for_while_the_schedule_is_closed(
    cron: str, changes: dict[str, Any], since: str, now: str, expected: list[str] | None
) -> None:
    timetable = a_timetable(cron, quiet_hours=AFTER_WORK, **changes)

    assert is_held_back(timetable, since=local(f"2026-{since}"), now=local(now)) == (expected is None)
    assert told(due_by(timetable, since=local(f"2026-{since}"), now=local(now))) == (expected or [])


# What was reckoned by one calendar and is due by another. 2026-06-01 is a Monday.
@pytest.mark.parametrize(
    ("timetable", "was_due", "expected"),
    [
        # Open: it comes, whether the expression says so itself or it waited for this moment.
        (a_timetable("0 9 * * *"), "06-02T09:00", "06-02T09:00"),
        (a_timetable("0 23 * * *"), "06-02T07:00", "06-02T07:00"),
        # Also where it would not have waited for so long, or at all.
        (a_timetable("0 23 * * *", quiet_hours=NIGHT), "06-02T09:00", "06-02T09:00"),
        (a_timetable("0 23 * * *", quiet_hours=NIGHT, if_closed=IfClosed.DROP), "06-02T07:00", "06-02T07:00"),
        # Quiet by now: it waits, or the one after it is next.
        (a_timetable("0 6 * * *", quiet_hours=NIGHT), "06-02T06:00", "06-02T07:00"),
        (
            a_timetable("0 6,12 * * *", quiet_hours=NIGHT, if_closed=IfClosed.DROP),
            "06-02T06:00",
            "06-02T12:00",
        ),
        # A day off by now, and a wait that goes on.
        (a_timetable("0 9 * * *", working_days=WEEKDAYS), "06-06T09:00", "06-08T00:00"),
        (a_timetable("0 9 * * *", working_days=WEEKDAYS, quiet_hours=NIGHT), "06-06T09:00", "06-08T07:00"),
        (
            a_timetable("0 23 * * *", quiet_hours=QuietHours(begins=time(2), ends=time(8))),
            "06-02T07:00",
            "06-02T08:00",
        ),
        # Crossed out by now: what comes then is dropped, what waited until then waits on.
        (a_timetable("0 9 * * *", exceptions=frozenset({date(2026, 6, 2)})), "06-02T09:00", "06-03T09:00"),
        (
            a_timetable("0 23 * * *", quiet_hours=NIGHT, exceptions=frozenset({date(2026, 6, 2)})),
            "06-02T07:00",
            "06-03T07:00",
        ),
        # What came before the one that is dropped was sent by the old calendar, and does not wait for the morning.
        (
            a_timetable("0 22 * * *", quiet_hours=NIGHT, exceptions=frozenset({date(2026, 6, 2)})),
            "06-02T22:00",
            "06-04T07:00",
        ),
        # Nothing is left.
        (a_timetable("0 6 * * *", quiet_hours=NIGHT, ends_at=local("2026-06-02T06:30")), "06-02T06:00", None),
        (a_timetable("0 6 * * *", quiet_hours=NIGHT, if_closed=IfClosed.DROP), "06-02T06:00", None),
    ],
)
def test_what_another_calendar_has_due_is_judged_anew(timetable: Timetable, was_due: str, expected: str | None) -> None:
    due = due_anew(timetable, local(f"2026-{was_due}"))

    assert (told([due]) if due else None) == (expected and [expected])


@pytest.mark.parametrize("if_missed", IfMissed)
def test_the_earliest_that_did_not_run_counts_though_the_timetable_would_not_have_it_now(if_missed: IfMissed) -> None:
    # It waited until seven for a calendar that is gone.
    timetable = a_timetable("0 23 * * *", if_missed=if_missed)
    since = local("2026-06-02T07:00")

    assert due_by(timetable, since=since, now=since) == (since,)
    late = due_by(timetable, since=since, now=local("2026-06-02T23:01"))
    assert told(late) == (["06-02T07:00"] if if_missed is IfMissed.RUN_ALL else []) + ["06-02T23:00"]


def test_the_grace_is_longer_than_ticks_are_apart() -> None:
    assert timedelta(minutes=2) < GRACE


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"quiet_hours": QuietHours(begins=time(8), ends=time(8))}, "/quiet_hours", "all day would be quiet"),
        ({"working_days": frozenset()}, "/working_days", "no day is left"),
        (
            {"starts_at": local("2026-07-01T00:00"), "ends_at": local("2026-07-01T00:00")},
            "/ends_at",
            "later than starts_at",
        ),
        ({"ends_at": local("2026-05-01T00:00")}, "/ends_at", "past"),
        # Wednesdays only, within a Monday and a Tuesday.
        (
            {"cron": "0 9 * * WED", "starts_at": local("2026-07-06T00:00"), "ends_at": local("2026-07-08T00:00")},
            "/cron",
            "between starts_at and ends_at",
        ),
        ({"cron": "0 23 * * *", "quiet_hours": NIGHT, "if_closed": IfClosed.DROP}, "/cron", "never comes"),
        ({"cron": "* 23 * * *", "quiet_hours": NIGHT, "if_closed": IfClosed.DROP}, "/cron", "quiet hours"),
        ({"cron": "0 9 * * SUN", "working_days": WEEKDAYS, "if_closed": IfClosed.DROP}, "/cron", "days off"),
        ({"cron": "0 9 LW * */7"}, "/cron", "both the day of the month and the day of the week"),
    ],
)
def test_what_contradicts_itself_is_told(changes: dict[str, Any], pointer: str, words: str) -> None:
    faults = timetable_faults(a_timetable(**{"cron": "0 9 * * *", **changes}), now=local("2026-06-01T00:00"))

    assert [fault.pointer for fault in faults] == [pointer]
    assert words in faults[0].detail


@pytest.mark.parametrize(
    "changes",
    [
        {},  # As plain as can be.
        {"cron": "0 9 29 2 *", "working_days": frozenset({0})},  # A leap day may wait.
        {"cron": "0 9 29 2 *", "working_days": frozenset({0}), "if_closed": IfClosed.DROP},  # A Monday: in 2044.
        {"cron": "0 23 * * *", "quiet_hours": NIGHT},  # Each waits for the morning.
        {"working_days": EVERY_DAY - {6}},  # A day off.
    ],
)
def test_what_comes_some_day_is_taken(changes: dict[str, Any]) -> None:
    assert timetable_faults(a_timetable(**{"cron": "0 9 * * *", **changes}), now=local("2026-06-01T00:00")) == []
