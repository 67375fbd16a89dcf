"""Schedules on each recipient's own clock: a year of them over all zones, held against what the clocks show."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo, available_timezones

import pytest

from shared.domain.local_time import NOT_ZONES
from shared.domain.opening_times import QuietHours
from shared.domain.own_clocks import SPLIT_AHEAD, SPLIT_CLOCK
from shared.domain.schedules import GRACE, IfMissed, Timetable, due_by, next_after, occurrences_after

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ZONES = sorted(available_timezones() - NOT_ZONES)


def on_own_clocks(cron: str, **fields: object) -> Timetable:
    return Timetable(cron=cron, zone=SPLIT_CLOCK, default_zone="Europe/Berlin", **fields)  # type: ignore[arg-type]


def a_year_of(timetable: Timetable) -> list[datetime]:
    """The instants at which splits are due in a year."""
    return list(takewhile(lambda due: due < BEGIN + 365 * DAY, occurrences_after(timetable, BEGIN)))


def local_times_of(timetable: Timetable, due: list[datetime]) -> list[datetime]:
    return [clock.at for one in due if (clock := timetable.own_clock(one)) is not None]


def shows(zone: ZoneInfo, instant: datetime) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def when(zone: ZoneInfo, local: datetime) -> datetime:
    """The first instant at which a zone's clock shows a local time, or as many minutes after the gap that swallows it.

    Reckoned by trying the offsets of the days around: a larger one is an earlier instant.
    """
    around = local.replace(tzinfo=UTC)
    offsets = {one for days in (-1, 0, 1) if (one := (around + days * DAY).astimezone(zone).utcoffset()) is not None}
    tried = sorted(around - offset for offset in offsets)
    return next((instant for instant in tried if shows(zone, instant) == local), tried[-1])


@pytest.mark.parametrize("at", [time(9), time(2, 30), time(0), time(23, 59)])
def test_each_person_of_every_zone_has_each_occurrence_once_at_the_local_time(at: time) -> None:
    timetable = on_own_clocks(f"{at.minute} {at.hour} * * *")
    due = a_year_of(timetable)
    first = local_times_of(timetable, due)[0]
    assert local_times_of(timetable, due) == [first + number * DAY for number in range(365)]
    assert first.time() == at

    for name in ZONES:
        zone, sent = ZoneInfo(name), list[datetime]()
        for one in due:
            clock = timetable.own_clock(one)
            assert clock is not None
            instant = datetime.fromtimestamp(clock.instant(name), UTC)
            # Whoever plans ahead is in time for everybody.
            assert instant - one >= SPLIT_AHEAD, (name, one)
            assert instant == when(zone, clock.at), (name, one)
            sent.append(instant)
        assert len(set(sent)) == len(due), name


def test_working_days_exceptions_and_quiet_hours_are_each_recipients_own() -> None:
    timetable = on_own_clocks(
        "0 6,12 * * *",
        working_days=frozenset(range(5)),
        exceptions=frozenset({date(2026, 1, 6)}),
        quiet_hours=QuietHours(begins=time(20), ends=time(8)),
    )

    local = local_times_of(timetable, a_year_of(timetable)[:7])

    # 1 January 2026 is a Thursday. What would come at six waits until eight.
    assert [one.isoformat(timespec="minutes") for one in local if one.date() > date(2026, 1, 1)][:6] == [
        "2026-01-02T08:00",
        "2026-01-02T12:00",
        "2026-01-05T08:00",
        "2026-01-05T12:00",
        "2026-01-07T08:00",
        "2026-01-07T12:00",
    ]


def test_an_occurrence_is_on_time_until_the_first_clock_has_shown_its_time_for_a_while() -> None:
    timetable = on_own_clocks("0 9 * * *", if_missed=IfMissed.SKIP)
    due = next_after(timetable, BEGIN)
    assert due is not None

    assert due_by(timetable, since=due, now=due + SPLIT_AHEAD + GRACE) == (due,)
    assert due_by(timetable, since=due, now=due + SPLIT_AHEAD + GRACE + timedelta(seconds=1)) == ()


def test_on_own_clocks_what_was_missed_is_made_up_for_whatever_the_hour() -> None:
    timetable = on_own_clocks("0 9 * * *", quiet_hours=QuietHours(begins=time(18), ends=time(8)))
    due = next_after(timetable, BEGIN)
    assert due is not None

    for hours in range(3, 24):
        assert due_by(timetable, since=due, now=due + timedelta(hours=hours)) == (due,)


def test_other_schedules_have_no_local_time() -> None:
    timetable = Timetable(cron="0 9 * * *", zone=ZoneInfo("Europe/Berlin"))

    assert timetable.own_clock(BEGIN) is None
    assert timetable.grace == GRACE
