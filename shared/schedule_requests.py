"""Reads a schedule: its timetable, and the request that each of its occurrences makes.

The contract is told for callers in docs/schedules.md. What a caller gave is kept as it came and read anew each time, so
that a schedule never says anything but what its author wrote.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.contract import Key
from shared.domain.cron import BadExpression, check_expression
from shared.domain.ids import occurrence_id, occurrence_key
from shared.domain.local_time import UnknownZone, zone_named
from shared.domain.requests import BroadcastRequest
from shared.domain.schedules import (
    EVERY_DAY,
    LATEST,
    MOST_EXCEPTIONS,
    IfClosed,
    IfMissed,
    QuietHours,
    Timetable,
    timetable_faults,
)
from shared.errors import Fault, InvalidRequest
from shared.faults import describe, limit
from shared.field_rules import optional, wrong
from shared.requests import read_request, tenant_of
from shared.storage.schedules import Schedule

LONGEST_NAME = 200
REQUEST_MEMBERS = ("audience", "content", "options")
DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)


def _cron(value: str) -> str:
    try:
        check_expression(value)
    except BadExpression as error:
        raise wrong(str(error)) from error
    return value


def _zone(value: str) -> str:
    try:
        zone_named(value)
    except UnknownZone as error:
        raise wrong(str(error)) from error
    return value


def _instant(value: str) -> str:
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise wrong(
            "this must be an instant with its offset, such as 2026-06-01T00:00:00+02:00 or 2026-05-31T22:00:00Z"
        )
    if not 2000 <= instant.year < LATEST.year:
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


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Instant = Annotated[str | None, AfterValidator(optional(_instant))]
TimeOfDay = Annotated[str, AfterValidator(_time)]
Days = list[Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]]


class QuietHoursBody(_Part):
    """Hours of each day in which nothing is sent; they cross midnight where `to` is not later than `from`."""

    begins: Annotated[TimeOfDay, Field(alias="from")]
    ends: Annotated[TimeOfDay, Field(alias="to")]


class TimetableBody(_Part):
    """When a schedule's occurrences come."""

    cron: Annotated[str, AfterValidator(_cron)]
    zone: Annotated[str, AfterValidator(_zone)]
    starts_at: Instant = None
    ends_at: Instant = None
    exceptions: Annotated[list[Annotated[str, AfterValidator(_date)]] | None, Field(max_length=MOST_EXCEPTIONS)] = None
    quiet_hours: QuietHoursBody | None = None
    working_days: Days | None = None
    if_closed: Annotated[IfClosed | None, Field(strict=False)] = None
    if_missed: Annotated[IfMissed | None, Field(strict=False)] = None


class ScheduleBody(_Part):
    """A message that comes again. What its occurrences ask for is read by the contract of requests."""

    version: Any = None
    key: Key = None
    tenant: Any = None
    name: Annotated[str | None, Field(max_length=LONGEST_NAME)] = None
    timetable: TimetableBody
    audience: Any = None
    content: Any = None
    options: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRequest:
    """A schedule as a caller asks for it; `key` is empty where none was given."""

    tenant: str
    key: str
    name: str
    timetable: Timetable
    timetable_document: Mapping[str, Any]
    request_document: Mapping[str, Any]


def read_schedule(
    document: Mapping[str, Any],
    *,
    tenants: Collection[str],
    now: datetime,
    found: Sequence[Fault] = (),
    takes_names: bool = False,
) -> ScheduleRequest:
    """Read a schedule; `found` was found wrong beside it. Raises InvalidRequest with all of its faults."""
    faults = list(found)
    body: ScheduleBody | None = None
    try:
        body = ScheduleBody.model_validate(document)
    except ValidationError as error:
        faults += describe(error.errors(include_url=False, include_input=False), ScheduleBody)
    else:
        own = timetable_faults(_timetable(body.timetable), now=now)
        faults += [replace(fault, pointer=f"/timetable{fault.pointer}") for fault in own]
    asked = {name: document[name] for name in ("version", "tenant", *REQUEST_MEMBERS) if name in document}
    try:
        read_request(asked, tenants=tenants, key="unused", takes_names=takes_names)
    except InvalidRequest as error:
        faults += error.faults
    if faults or body is None:
        raise InvalidRequest(limit(faults))
    return ScheduleRequest(
        tenant=tenant_of(document, tenants) or "",
        key=body.key or "",
        name=body.name or "",
        timetable=_timetable(body.timetable),
        timetable_document=document["timetable"],
        request_document={name: document[name] for name in REQUEST_MEMBERS if document.get(name) is not None},
    )


def timetable_of(schedule: Schedule) -> Timetable:
    """The timetable of a schedule. Raises InvalidRequest where this version of Herald does not read it any more."""
    try:
        return _timetable(TimetableBody.model_validate(schedule.timetable))
    except ValidationError as error:
        faults = describe(error.errors(include_url=False, include_input=False), TimetableBody)
        raise InvalidRequest(faults) from error


def occurrence_request(
    schedule: Schedule, at: float, *, tenants: Collection[str], takes_names: bool
) -> BroadcastRequest:
    """The request of one occurrence. Raises InvalidRequest where it breaks the contract by now."""
    key = occurrence_key(schedule=schedule.id, at=at)
    document = {"version": 1, "tenant": schedule.tenant, **schedule.request}
    request = read_request(document, tenants=tenants, key=key, takes_names=takes_names)
    return replace(request, broadcast_id=occurrence_id(schedule=schedule.id, at=at))


def _timetable(body: TimetableBody) -> Timetable:
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
    return None if given is None else datetime.fromisoformat(given)


def _quiet_hours(body: QuietHoursBody | None) -> QuietHours | None:
    if body is None:
        return None
    return QuietHours(begins=time.fromisoformat(body.begins), ends=time.fromisoformat(body.ends))
