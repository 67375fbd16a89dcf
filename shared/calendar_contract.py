"""The wire form of a calendar, which says when nobody of a tenant is to be disturbed, as a pydantic model.

Timetables have the same fields and more (`shared/timetable_contract.py`). The contract is told for callers in
docs/schedules.md.
"""

import re
from collections.abc import Mapping
from datetime import date, time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from shared.audience_contract import Part
from shared.domain.opening_times import EVERY_DAY, MOST_EXCEPTIONS, IfClosed, QuietHours, opening_faults
from shared.errors import InvalidRequest
from shared.faults import limit, read_as
from shared.field_rules import wrong

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)


def _date(value: str) -> str:
    try:
        date.fromisoformat(value if _DATE.fullmatch(value) else "")
    except ValueError:
        raise wrong("this must be a date of the calendar, such as 2026-12-24") from None
    return value


def _time(value: str) -> str:
    if not _TIME.fullmatch(value):
        raise wrong("this must be a time of the day from 00:00 to 23:59, such as 22:00")
    return value


TimeOfDay = Annotated[str, AfterValidator(_time)]
Days = list[Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]]


class QuietHoursBody(Part):
    """Hours of each day in which nothing is sent; they cross midnight where `to` is not later than `from`."""

    begins: Annotated[TimeOfDay, Field(alias="from")]
    ends: Annotated[TimeOfDay, Field(alias="to")]


class CalendarBody(Part):
    """When nothing is sent, and what becomes of what would be."""

    exceptions: Annotated[list[Annotated[str, AfterValidator(_date)]] | None, Field(max_length=MOST_EXCEPTIONS)] = None
    quiet_hours: QuietHoursBody | None = None
    working_days: Days | None = None
    if_closed: Annotated[IfClosed | None, Field(strict=False)] = None


def read_calendar(document: Mapping[str, Any]) -> CalendarBody:
    """Read a calendar. Raises InvalidRequest with all of its faults."""
    body, faults = read_as(CalendarBody, document)
    if body is not None:
        faults += opening_faults(quiet_hours=quiet_hours_of(body), working_days=working_days_of(body))
    if faults or body is None:
        raise InvalidRequest(limit(faults))
    return body


def quiet_hours_of(body: CalendarBody) -> QuietHours | None:
    """The quiet hours that a body means."""
    if body.quiet_hours is None:
        return None
    begins, ends = time.fromisoformat(body.quiet_hours.begins), time.fromisoformat(body.quiet_hours.ends)
    return QuietHours(begins=begins, ends=ends)


def working_days_of(body: CalendarBody) -> frozenset[int]:
    """The working days that a body means; 0 is Monday."""
    return EVERY_DAY if body.working_days is None else frozenset(map(DAYS.index, body.working_days))


def exceptions_of(body: CalendarBody) -> frozenset[date]:
    """The dates that a body crosses out."""
    return frozenset(map(date.fromisoformat, body.exceptions or ()))
