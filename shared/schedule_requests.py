"""Reads a schedule: its timetable, and the request that each of its occurrences makes.

The contract is told for callers in docs/schedules.md. What a caller gave is kept as it came and read anew each time, so
that a schedule never says anything but what its author wrote.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import Field

from shared.audience_contract import Part
from shared.calendar_contract import CalendarBody
from shared.contract import Key
from shared.digest_requests import read_digest_request
from shared.domain.ids import occurrence_id, occurrence_key
from shared.domain.modes import Mode
from shared.domain.requests import BroadcastRequest
from shared.domain.schedules import Timetable, next_after, timetable_faults
from shared.errors import Fault, InvalidRequest
from shared.faults import limit, read_as
from shared.field_rules import NO_DEFAULT_ZONE, NO_RAMP, RECIPIENT_ZONE
from shared.requests import read_request, tenant_of
from shared.storage.schedules import Schedule
from shared.timetable_contract import TimetableBody, read_timetable, timetable_body_faults, under

LONGEST_NAME = 200
LARGEST_REQUEST = 640 * 1024
"""Bytes. Any right request stays below, unless white space pads its ids; a row would take 900 KiB."""
REQUEST_MEMBERS = ("audience", "content", "digest", "options")
NO_CALENDAR: Mapping[str, Any] = {}
_CALENDAR_DROPS_ALL = (
    "the tenant's calendar drops all of this: move it, have it wait (if_closed), give it fields of its own in place "
    "of the calendar's, or say ignores_calendar"
)


class ScheduleBody(Part):
    """A message that comes again. What its occurrences ask for is read by the contract of requests."""

    version: Any = None
    key: Key = None
    tenant: Any = None
    name: Annotated[str | None, Field(max_length=LONGEST_NAME)] = None
    timetable: TimetableBody
    audience: Any = None
    content: Any = None
    digest: Any = None
    options: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRequest:
    """A schedule as a caller asks for it; `key` is empty where none was given.

    Its `timetable` follows the tenant's calendar, the `timetable_document` is as it was given.
    """

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
    calendar: Mapping[str, Any] = NO_CALENDAR,
    default_zone: str = "",
    found: Sequence[Fault] = (),
    takes_names: bool = False,
) -> ScheduleRequest:
    """Read a schedule of a tenant with this calendar; `found` was found wrong beside it.

    `default_zone` is the app's, for recipients of whose zone nobody tells.
    Raises InvalidRequest with all of its faults.
    """
    body, wrong = read_as(ScheduleBody, document)
    faults = [*found, *wrong]
    if body is not None:
        own = _timetable_faults(body.timetable, calendar, now)
        faults += [replace(fault, pointer=f"/timetable{fault.pointer}") for fault in own]
        if body.timetable.zone == RECIPIENT_ZONE:
            faults += _own_clock_faults(document, body.timetable, default_zone)
    kept = {name: document[name] for name in REQUEST_MEMBERS if document.get(name) is not None}
    asked = {name: document[name] for name in ("version", "tenant") if name in document}
    try:
        _read_request({**asked, **kept}, tenants=tenants, key="unused", takes_names=takes_names)
    except InvalidRequest as error:
        faults += error.faults
    if not faults and (size := len(orjson.dumps(kept))) > LARGEST_REQUEST:
        detail = f"audience, content and options have {size:,} bytes, {LARGEST_REQUEST:,} are allowed"
        faults.append(Fault(pointer="", detail=detail))
    if faults or body is None:
        raise InvalidRequest(limit(faults))
    return ScheduleRequest(
        tenant=tenant_of(document, tenants) or "",
        key=body.key or "",
        name=body.name or "",
        timetable=read_timetable(_follow(body.timetable, calendar)),
        timetable_document=document["timetable"],
        request_document=kept,
    )


def _own_clock_faults(document: Mapping[str, Any], body: TimetableBody, default_zone: str) -> list[Fault]:
    """What is missing, or does not go with it, where a schedule runs on each recipient's own clock."""
    given = document.get("options")
    options = given if isinstance(given, Mapping) else {}
    faults = []
    if not body.default_zone and not default_zone:
        faults.append(Fault(pointer="/timetable/default_zone", detail=NO_DEFAULT_ZONE))
    if options.get("ramp") is not None:
        faults.append(Fault(pointer="/options/ramp", detail=NO_RAMP))
    if options.get("mode") == Mode.DRY_RUN:
        detail = "a dry run sends nothing, so it goes by no clock: name a zone in the place of recipient"
        faults.append(Fault(pointer="/options/mode", detail=detail))
    return faults


def timetable_of(schedule: Schedule, calendar: Mapping[str, Any] = NO_CALENDAR) -> Timetable:
    """The timetable of a schedule of a tenant with this calendar.

    Raises InvalidRequest where this version of Herald does not read one of the two any more.
    """
    body, faults = read_as(TimetableBody, schedule.timetable)
    if body is None:
        raise InvalidRequest(faults)
    return read_timetable(_follow(body, calendar))


def next_of(schedule: Schedule, calendar: Mapping[str, Any], *, after: float) -> float | None:
    """When the first occurrence after an instant is due, in seconds since the epoch.

    Where the calendar drops all that are to come it is the first one without it: a calendar ends no schedule. When
    that is due it is judged by the calendar that stands then.
    """
    instant = datetime.fromtimestamp(after, UTC)
    due = next_after(timetable_of(schedule, calendar), instant) or next_after(timetable_of(schedule), instant)
    return None if due is None else due.timestamp()


def occurrence_request(
    schedule: Schedule, at: float, *, tenants: Collection[str], takes_names: bool, at_once: bool = False
) -> BroadcastRequest:
    """The request of one occurrence. Raises InvalidRequest where it breaks the contract by now.

    With `at_once` it is sent so to everybody, also where the schedule runs on each recipient's own clock.
    """
    key = occurrence_key(schedule=schedule.id, at=at)
    document = {"version": 1, "tenant": schedule.tenant, **schedule.request}
    request = _read_request(document, tenants=tenants, key=key, takes_names=takes_names)
    own_clock = None if at_once else timetable_of(schedule).own_clock(datetime.fromtimestamp(at, UTC))
    return replace(request, broadcast_id=occurrence_id(schedule=schedule.id, at=at), own_clock=own_clock)


def _follow(body: TimetableBody, calendar: Mapping[str, Any]) -> TimetableBody:
    held, faults = read_as(CalendarBody, calendar)
    if held is None:
        raise InvalidRequest(faults)
    return under(body, held)


def _timetable_faults(body: TimetableBody, calendar: Mapping[str, Any], now: datetime) -> list[Fault]:
    faults = timetable_body_faults(body) or timetable_faults(read_timetable(body), now=now)
    if not faults and next_after(read_timetable(_follow(body, calendar)), now) is None:
        faults.append(Fault(pointer="/cron", detail=_CALENDAR_DROPS_ALL))
    return faults


def _read_request(
    document: Mapping[str, Any], *, tenants: Collection[str], key: str, takes_names: bool
) -> BroadcastRequest:
    if document.get("digest") is not None:
        return read_digest_request(document, tenants=tenants, key=key)
    return read_request(document, tenants=tenants, key=key, takes_names=takes_names)
