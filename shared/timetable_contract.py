"""The wire form of a timetable, as pydantic models, and what it means.

The contract is told for callers in docs/schedules.md. Rules over several fields are in `shared/domain/schedules.py`.
"""

import re
from datetime import date, datetime, time, tzinfo
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from shared.audience_contract import Part
from shared.domain.cron import BadExpression, check_expression
from shared.domain.local_time import instant_of, zone_named
from shared.domain.own_clocks import SPLIT_CLOCK
from shared.domain.schedules import (
    EVERY_DAY,
    LATEST,
    MOST_EXCEPTIONS,
    IfClosed,
    IfMissed,
    QuietHours,
    Timetable,
)
from shared.errors import Fault
from shared.field_rules import RECIPIENT_ZONE, optional, read_moment, send_zone, wrong, zone_name

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)


def _cron(value: str) -> str:
    try:
        check_expression(value)
    except BadExpression as error:
        raise wrong(str(error)) from error
    return value


_OFFSET = "this must be an instant with its offset, such as 2026-06-01T00:00+02:00 or 2026-05-31T22:00Z"
_NO_OFFSET = "this is meant on each recipient's own clock: give a local time without an offset, as 2026-06-01T00:00"


def _instant(value: str) -> str:
    at = read_moment(value)
    if at is None or at.tzinfo is None:
        raise wrong(_OFFSET)
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


def _bound(value: str) -> str:
    at = read_moment(value)
    return value if at is not None and at.tzinfo is None and 2000 <= at.year < LATEST.year else _instant(value)


Instant = Annotated[str | None, AfterValidator(optional(_instant))]
Bound = Annotated[str | None, AfterValidator(optional(_bound))]
TimeOfDay = Annotated[str, AfterValidator(_time)]
Days = list[Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]]


class QuietHoursBody(Part):
    """Hours of each day in which nothing is sent; they cross midnight where `to` is not later than `from`."""

    begins: Annotated[TimeOfDay, Field(alias="from")]
    ends: Annotated[TimeOfDay, Field(alias="to")]


class TimetableBody(Part):
    """When a schedule's occurrences come."""

    cron: Annotated[str, AfterValidator(_cron)]
    zone: Annotated[str, AfterValidator(send_zone)]
    default_zone: Annotated[str | None, AfterValidator(optional(zone_name))] = None
    starts_at: Bound = None
    ends_at: Bound = None
    exceptions: Annotated[list[Annotated[str, AfterValidator(_date)]] | None, Field(max_length=MOST_EXCEPTIONS)] = None
    quiet_hours: QuietHoursBody | None = None
    working_days: Days | None = None
    if_closed: Annotated[IfClosed | None, Field(strict=False)] = None
    if_missed: Annotated[IfMissed | None, Field(strict=False)] = None


def read_timetable(body: TimetableBody) -> Timetable:
    """The timetable that a body means."""
    days = body.working_days
    zone = SPLIT_CLOCK if body.zone == RECIPIENT_ZONE else zone_named(body.zone)
    return Timetable(
        cron=body.cron,
        zone=zone,
        default_zone=body.default_zone or "",
        starts_at=_read_bound(body.starts_at, zone),
        ends_at=_read_bound(body.ends_at, zone),
        exceptions=frozenset(date.fromisoformat(day) for day in body.exceptions or ()),
        quiet_hours=_quiet_hours(body.quiet_hours),
        working_days=EVERY_DAY if days is None else frozenset(DAYS.index(day) for day in days),
        if_closed=body.if_closed or IfClosed.WAIT,
        if_missed=body.if_missed or IfMissed.RUN_ONCE,
    )


def timetable_body_faults(body: TimetableBody) -> list[Fault]:
    """What does not go with the zone of a timetable, by pointers to its own fields."""
    is_own = body.zone == RECIPIENT_ZONE
    faults = []
    if body.default_zone is not None and not is_own:
        faults.append(Fault(pointer="/default_zone", detail='this goes with "zone": "recipient" alone'))
    for name, given in (("starts_at", body.starts_at), ("ends_at", body.ends_at)):
        at = read_moment(given or "")
        if at is not None and (at.tzinfo is None) != is_own:
            faults.append(Fault(pointer=f"/{name}", detail=_NO_OFFSET if is_own else _OFFSET))
    return faults


def _read_bound(given: str | None, zone: tzinfo) -> datetime | None:
    at = read_moment(given or "")
    return at if at is None or at.tzinfo is not None else instant_of(at, zone)


def _quiet_hours(body: QuietHoursBody | None) -> QuietHours | None:
    if body is None:
        return None
    return QuietHours(begins=time.fromisoformat(body.begins), ends=time.fromisoformat(body.ends))
