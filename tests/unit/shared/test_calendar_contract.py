"""Calendars are read, and timetables follow them field by field."""

import re
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.calendar_contract import CalendarBody, read_calendar
from shared.domain.opening_times import EVERY_DAY, IfClosed, QuietHours
from shared.errors import InvalidRequest
from shared.schedule_requests import next_of, read_schedule, timetable_of
from shared.timetable_contract import TimetableBody, read_timetable, under
from tests.twins.accepting import ALICE, NOON, TENANT
from tests.twins.scheduling import a_schedule

PLAIN = {"cron": "0 9 * * *", "zone": "Europe/Berlin"}
CALENDAR = {
    "quiet_hours": {"from": "18:00", "to": "08:00"},
    "working_days": ["MON", "TUE"],
    "exceptions": ["2026-12-24"],
    "if_closed": "drop",
}
FOLLOWS = {
    "quiet_hours": QuietHours(begins=time(18), ends=time(8)),
    "working_days": frozenset({0, 1}),
    "exceptions": frozenset({date(2026, 12, 24)}),
    "if_closed": IfClosed.DROP,
}
ALONE = {"quiet_hours": None, "working_days": EVERY_DAY, "exceptions": frozenset[date](), "if_closed": IfClosed.WAIT}


@pytest.mark.parametrize(
    ("timetable", "calendar", "expected"),
    [
        # Nothing of its own: all of it is the calendar's, as far as that says anything.
        ({}, CALENDAR, FOLLOWS),
        ({}, {}, ALONE),
        ({}, {"if_closed": "drop"}, {**ALONE, "if_closed": IfClosed.DROP}),
        # Null is absent.
        (dict.fromkeys(CALENDAR), CALENDAR, FOLLOWS),
        # Each field by itself.
        (
            {"quiet_hours": {"from": "12:00", "to": "13:00"}},
            CALENDAR,
            {**FOLLOWS, "quiet_hours": QuietHours(begins=time(12), ends=time(13))},
        ),
        ({"working_days": ["SUN"]}, CALENDAR, {**FOLLOWS, "working_days": frozenset({6})}),
        ({"exceptions": ["2026-12-31"]}, CALENDAR, {**FOLLOWS, "exceptions": frozenset({date(2026, 12, 31)})}),
        ({"exceptions": []}, CALENDAR, {**FOLLOWS, "exceptions": frozenset()}),
        ({"if_closed": "wait"}, CALENDAR, {**FOLLOWS, "if_closed": IfClosed.WAIT}),
        # Its own alone.
        ({"ignores_calendar": True}, CALENDAR, ALONE),
        ({"ignores_calendar": True, "if_closed": "drop"}, CALENDAR, {**ALONE, "if_closed": IfClosed.DROP}),
        ({"ignores_calendar": False}, CALENDAR, FOLLOWS),
    ],
)
def test_a_timetable_follows_the_calendar_in_what_it_does_not_say(
    timetable: dict[str, Any], calendar: dict[str, Any], expected: dict[str, Any]
) -> None:
    body = TimetableBody.model_validate({**PLAIN, **timetable})

    joined = read_timetable(under(body, CalendarBody.model_validate(calendar)))

    assert {name: getattr(joined, name) for name in expected} == expected
    assert (joined.cron, str(joined.zone)) == ("0 9 * * *", "Europe/Berlin")
    assert timetable_of(a_schedule(timetable={**PLAIN, **timetable}), calendar) == joined


def a_document(**timetable: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "timetable": {**PLAIN, **timetable},
        "audience": {"users": [ALICE]},
        "content": {"text": "Good morning"},
    }


@pytest.mark.parametrize(
    "timetable",
    [
        {"cron": "0 22 * * *"},  # In its quiet hours.
        {"cron": "0 9 * * SUN"},  # On its days off.
        {"cron": "0 9 * * MON", "ends_at": "2026-06-01T08:00Z", "exceptions": ["2026-06-01"]},  # Both together.
    ],
)
def test_a_schedule_that_the_calendar_drops_as_a_whole_is_refused(timetable: dict[str, Any]) -> None:
    now = datetime.fromtimestamp(NOON, UTC)

    def read(calendar: dict[str, Any], **more: Any) -> Any:
        return read_schedule(a_document(**timetable, **more), tenants=[TENANT], now=now, calendar=calendar)

    if "exceptions" not in timetable:
        assert read({}).timetable.if_closed is IfClosed.WAIT
        assert read(CALENDAR, ignores_calendar=True).timetable.if_closed is IfClosed.WAIT
        assert read(CALENDAR, if_closed="wait").timetable.if_closed is IfClosed.WAIT
    with pytest.raises(InvalidRequest) as caught:
        read(CALENDAR)

    [fault] = caught.value.faults
    assert fault.pointer == "/timetable/cron"
    if "exceptions" not in timetable:
        assert "the tenant's calendar drops all of this" in fault.detail


def test_what_is_read_is_kept_as_it_was_given() -> None:
    now = datetime.fromtimestamp(NOON, UTC)

    read = read_schedule(a_document(), tenants=[TENANT], now=now, calendar=CALENDAR)

    assert read.timetable_document == PLAIN
    assert read.timetable.working_days == frozenset({0, 1})


def test_a_calendar_ends_no_schedule() -> None:
    nights = a_schedule(timetable={**PLAIN, "cron": "0 22 * * *"})
    ending = a_schedule(timetable={**PLAIN, "cron": "0 22 * * *", "ends_at": "2026-05-28T20:00Z"})

    assert next_of(nights, CALENDAR, after=NOON) == next_of(nights, {}, after=NOON) is not None
    assert next_of(nights, {**CALENDAR, "if_closed": "wait"}, after=NOON) != next_of(nights, {}, after=NOON)
    assert next_of(ending, CALENDAR, after=NOON) is None


def test_a_calendar_that_is_not_read_any_more_is_told() -> None:
    with pytest.raises(InvalidRequest, match="there is no such field"):
        timetable_of(a_schedule(), {"holidays": "DE"})


def test_the_example_of_the_page_is_right() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "schedules.md").read_text(encoding="utf-8")
    found = re.search(r"/calendar\".*?-d '(\{.*?\n\})'", page, re.DOTALL)
    assert found is not None

    assert read_calendar(orjson.loads(found[1])).if_closed is IfClosed.WAIT
