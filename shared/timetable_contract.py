"""The wire form of a timetable, as pydantic models, and what it means.

The contract is told for callers in docs/schedules.md. Rules over several fields are in `shared/domain/schedules.py`.
"""

import re
from datetime import date, datetime, time
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from shared.audience_contract import Part
from shared.domain.cron import BadExpression, check_expression
from shared.domain.local_time import zone_named
from shared.domain.schedules import (
    EVERY_DAY,
    LATEST,
    MOST_EXCEPTIONS,
    IfClosed,
    IfMissed,
    QuietHours,
    Timetable,
)
from shared.field_rules import optional, read_moment, wrong, zone_name

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)


def _cron(value: str) -> str:
    try:
        check_expression(value)
    except BadExpression as error:
        raise wrong(str(error)) from error
    return value


def _instant(value: str) -> str:
    at = read_moment(value)
    if at is None or at.tzinfo is None:
        raise wrong("this must be an instant with its offset, such as 2026-06-01T00:00+02:00 or 2026-05-31T22:00Z")
    if not 2000 <= at.year < LATEST.year:
        raise wrong(f"this must lie between the years 2000 and {LATEST.year}")
    return value


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


Instant = Annotated[str | None, AfterValidator(optional(_instant))]
TimeOfDay = Annotated[str, AfterValidator(_time)]
Days = list[Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]]


class QuietHoursBody(Part):
    """Hours of each day in which nothing is sent; they cross midnight where `to` is not later than `from`."""

    begins: Annotated[TimeOfDay, Field(alias="from")]
    ends: Annotated[TimeOfDay, Field(alias="to")]


class TimetableBody(Part):
    """When a schedule's occurrences come."""

    cron: Annotated[str, AfterValidator(_cron)]
    zone: Annotated[str, AfterValidator(zone_name)]
    starts_at: Instant = None
    ends_at: Instant = None
    exceptions: Annotated[list[Annotated[str, AfterValidator(_date)]] | None, Field(max_length=MOST_EXCEPTIONS)] = None
    quiet_hours: QuietHoursBody | None = None
    working_days: Days | None = None
    if_closed: Annotated[IfClosed | None, Field(strict=False)] = None
    if_missed: Annotated[IfMissed | None, Field(strict=False)] = None


def read_timetable(body: TimetableBody) -> Timetable:
    """The timetable that a body means."""
    days = body.working_days
    return Timetable(
        cron=body.cron,
        zone=zone_named(body.zone),
        starts_at=_read_instant(body.starts_at),
        ends_at=_read_instant(body.ends_at),
        exceptions=frozenset(date.fromisoformat(day) for day in body.exceptions or ()),
        quiet_hours=_quiet_hours(body.quiet_hours),
        working_days=EVERY_DAY if days is None else frozenset(DAYS.index(day) for day in days),
        if_closed=body.if_closed or IfClosed.WAIT,
        if_missed=body.if_missed or IfMissed.RUN_ONCE,
    )


def _read_instant(given: str | None) -> datetime | None:
    return None if given is None else read_moment(given)


def _quiet_hours(body: QuietHoursBody | None) -> QuietHours | None:
    if body is None:
        return None
    return QuietHours(begins=time.fromisoformat(body.begins), ends=time.fromisoformat(body.ends))
