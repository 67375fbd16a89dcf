"""Schedules against a reckoning of their own: a zone's clock read minute by minute, by nobody's rule but the eyes'.

Zones whose clocks go alike through the year are looked at together, so that all of them fit into seconds. Near each
change every minute counts; the year between is held against the calendar.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import takewhile
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.cron import matches
from shared.domain.local_time import NOT_ZONES
from shared.domain.opening_times import EVERY_DAY, IfClosed, QuietHours
from shared.domain.schedules import Timetable, due_anew, next_after

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def clock_in(zone: ZoneInfo, instant: datetime) -> datetime:
    """What a clock on a wall shows."""
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def offset_at(zone: ZoneInfo, instant: datetime) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


@cache
def changes_of(name: str) -> tuple[tuple[datetime, timedelta], ...]:
    """When a zone's clocks change in the year, to the minute, and the offset from then on."""
    zone, found, at = ZoneInfo(name), [(BEGIN, offset_at(ZoneInfo(name), BEGIN))], BEGIN
    while at < END:
        following = at + DAY
        if offset_at(zone, following) != found[-1][1]:
            moments = (at + number * MINUTE for number in range(1, 24 * 60 + 1))
            turned = next(moment for moment in moments if offset_at(zone, moment) != found[-1][1])
            found.append((turned, offset_at(zone, following)))
        at = following
    return tuple(found)


@cache
def kinds_of_zones() -> tuple[str, ...]:
    """One zone for each way in which clocks go through the year."""
    return tuple({changes_of(name): name for name in sorted(available_timezones() - NOT_ZONES)}.values())


@dataclass(frozen=True, slots=True)
class Wall:
    """A clock on a wall as it was watched, minute by minute, between two instants."""

    shows: dict[datetime, datetime]
    """By instant."""
    first: dict[datetime, datetime]
    """By what it shows: when it does so first, or would have in a gap."""

    def closed(self, table: Timetable, at: datetime) -> bool:
        today = self.shows[at].date()
        if today.weekday() not in table.working_days or today in table.exceptions:
            return True
        return table.quiet_hours is not None and any(
            self.first[datetime.combine(one, table.quiet_hours.begins)]
            <= at
            < self.first[datetime.combine(self._end(one, table.quiet_hours), table.quiet_hours.ends)]
            for one in (today, today - DAY)
        )

    @staticmethod
    def _end(day: date, quiet: QuietHours) -> date:
        return day if quiet.begins < quiet.ends else day + DAY


def watch(zone: ZoneInfo, begin: datetime, end: datetime) -> Wall:
    shows: dict[datetime, datetime] = {}
    first: dict[datetime, datetime] = {}
    at = begin
    while at < end:
        shown = clock_in(zone, at)
        if at > begin and (gap := shown - shows[at - MINUTE]) > MINUTE:
            skipped, behind = shows[at - MINUTE] + MINUTE, at
            for _ in range(int(gap / MINUTE) - 1):
                first.setdefault(skipped, behind)
                skipped, behind = skipped + MINUTE, behind + MINUTE
        shows[at] = shown
        first.setdefault(shown, at)
        at += MINUTE
    return Wall(shows, first)


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression that these tests can read themselves: some minutes of some hours, each day."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    every: str = ""
    """The expression where it begins with a star; empty for one that names its times."""

    @property
    def expression(self) -> str:
        named = f"{','.join(map(str, self.minutes))} {','.join(map(str, self.hours))}"
        return f"{self.every or named} * * *"

    def says(self, shown: datetime) -> bool:
        return shown.minute in self.minutes and shown.hour in self.hours

    def instants(self, wall: Wall) -> list[datetime]:
        if self.every:
            return [at for at, shown in wall.shows.items() if self.says(shown)]
        return sorted({at for shown, at in wall.first.items() if self.says(shown)})


ALL_HOURS = tuple(range(24))
CRONS = (
    Cron((30,), (2,)),  # In the gap of most zones.
    Cron((0,), (0,)),  # Midnight, which some zones skip.
    Cron((0, 20, 40), (0, 1, 2, 3)),  # Through the gap and behind it.
    Cron((59,), ALL_HOURS),  # Each hour, by its name.
    Cron((0, 15, 30, 45), ALL_HOURS, every="*/15 *"),  # Every quarter of an hour.
    Cron((0,), tuple(range(0, 24, 2)), every="0 */2"),  # Every other hour.
    Cron(tuple(range(60)), (1, 2), every="* 1,2"),  # Every minute of some hours.
)


def until(end: datetime, instants: Iterator[datetime]) -> list[datetime]:
    return list(takewhile(lambda at: at < end, instants))


def near_changes(name: str) -> Iterator[tuple[datetime, datetime]]:
    """Stretches of two days around each of a zone's changes; a stretch at the begin of the year for any zone."""
    for at, _ in changes_of(name):
        yield at - DAY, at + DAY


@pytest.mark.parametrize("cron", CRONS, ids=lambda cron: cron.expression)
def test_every_minute_near_each_change_of_every_zone_is_as_the_clock_shows(cron: Cron) -> None:
    for name in kinds_of_zones():
        zone = ZoneInfo(name)
        for begin, end in near_changes(name):
            expected = [at for at in cron.instants(watched(name, begin, end)) if begin < at < end]

            assert until(end, matches(cron.expression, zone, after=begin)) == expected, (name, begin)


@cache
def watched(name: str, begin: datetime, end: datetime) -> Wall:
    """With three hours more on both sides, for what a gap moves in or out."""
    return watch(ZoneInfo(name), begin - timedelta(hours=3), end + timedelta(hours=3))


def test_a_year_of_every_zone_is_as_the_calendar_says() -> None:
    for name in kinds_of_zones():
        zone = ZoneInfo(name)
        offsets = sorted({offset for _, offset in changes_of(name)}, reverse=True)
        expected = []
        for number in range(1, 364):
            shown = datetime(2026, 1, 1, 2, 30) + number * DAY  # noqa: DTZ001 - a local time
            # A larger offset is an earlier instant: the first that shows the time, or else what was before the gap.
            instants = [shown.replace(tzinfo=UTC) - offset for offset in offsets]
            showing = [at for at in instants if clock_in(zone, at) == shown]
            expected.append(showing[0] if showing else max(instants))

        found = matches("30 2 * * *", zone, after=expected[0] - MINUTE)

        assert until(expected[-1] + MINUTE, found) == expected, name


minutes_of_day = st.integers(min_value=0, max_value=24 * 60 - 1).map(lambda n: time(n // 60, n % 60))
quiets = st.builds(QuietHours, begins=minutes_of_day, ends=minutes_of_day).filter(lambda one: one.begins != one.ends)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_closed_waits_or_is_dropped_as_the_clock_shows(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(ODD_ZONES))
    change = data.draw(st.sampled_from(changes_of(name)))[0]
    wall = week(name, change)
    cron = data.draw(st.sampled_from(CRONS))
    table = a_table(data, cron, name, change)
    asked = change + data.draw(st.integers(min_value=-24 * 60, max_value=24 * 60)) * MINUTE

    opens, opening = {}, None
    for at in reversed(wall.shows):
        if change - 4 * DAY <= at < change + 4 * DAY:
            opening = opening if wall.closed(table, at) else at
            opens[at] = opening
    came = [at for at in cron.instants(wall) if at in opens and wall.shows[at].date() not in table.exceptions]
    due = {opens[at] for at in came if table.if_closed is IfClosed.WAIT or opens[at] == at}
    following = min((at for at in due if at is not None and at > asked), default=None)

    found = next_after(table, asked)

    assert found == following if following is not None else found is None or found > asked + 2 * DAY


def a_table(data: st.DataObject, cron: Cron, name: str, change: datetime) -> Timetable:
    days = st.dates(min_value=(change - 2 * DAY).date(), max_value=(change + 2 * DAY).date())
    return Timetable(
        cron=cron.expression,
        zone=ZoneInfo(name),
        exceptions=frozenset(data.draw(st.sets(days, max_size=2))),
        quiet_hours=data.draw(st.none() | quiets),
        working_days=frozenset(data.draw(st.sets(st.sampled_from(sorted(EVERY_DAY)), min_size=5))),
        if_closed=data.draw(st.sampled_from(IfClosed)),
    )


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_what_is_judged_by_another_calendar_is_open_there_and_loses_nothing_of_it(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(ODD_ZONES))
    change = data.draw(st.sampled_from(changes_of(name)))[0]
    wall, cron = week(name, change), data.draw(st.sampled_from(CRONS))
    before, now = (a_table(data, cron, name, change) for _ in range(2))
    due = next_after(before, change + data.draw(st.integers(min_value=-24 * 60, max_value=24 * 60)) * MINUTE)
    if due is None or due > change + 2 * DAY:
        return

    found = due_anew(now, due)

    assert due_anew(before, due) == due
    if not wall.closed(now, due):
        assert found == due
        return
    assert found is None or found > due
    if found is not None and found < change + 4 * DAY:
        assert not wall.closed(now, found)
    # Whatever comes from then on is due at this moment or later. What came before may still be waiting: it is let be.
    coming = until(change + 3 * DAY, matches(cron.expression, ZoneInfo(name), after=due))
    opening = {came: now.opening(came) for came in coming if not now.is_crossed_out(came)}
    later = [opens for came, opens in opening.items() if opens == came or now.if_closed is IfClosed.WAIT]
    assert not later or (found is not None and found <= later[0])


ODD_ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # Half an hour.
    "Africa/Cairo",  # Midnight is skipped.
    "America/Havana",  # Midnight comes twice.
    "Africa/Casablanca",  # A month of another time.
    "Antarctica/Troll",  # Two hours.
    "Asia/Kathmandu",  # None.
)


@cache
def week(name: str, change: datetime) -> Wall:
    return watch(ZoneInfo(name), change - 6 * DAY, change + 6 * DAY)
