"""The wire form of a timetable, as pydantic models, and what it means.

The contract is told for callers in docs/schedules.md. Rules over several fields are in `shared/domain/schedules.py`.
"""

from datetime import datetime, tzinfo
from typing import Annotated

from pydantic import AfterValidator, Field

from shared.calendar_contract import CalendarBody, exceptions_of, quiet_hours_of, working_days_of
from shared.domain.cron import BadExpression, check_expression
from shared.domain.local_time import instant_of, zone_named
from shared.domain.opening_times import IfClosed
from shared.domain.own_clocks import SPLIT_CLOCK
from shared.domain.schedules import IfMissed, Timetable
from shared.errors import Fault
from shared.field_rules import RECIPIENT_ZONE, in_reach, optional, read_moment, send_zone, wrong, zone_name


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
    return in_reach(value, at)


def _bound(value: str) -> str:
    at = read_moment(value)
    return in_reach(value, at) if at is not None and at.tzinfo is None else _instant(value)


Instant = Annotated[str | None, AfterValidator(optional(_instant))]
Bound = Annotated[str | None, AfterValidator(optional(_bound))]


class TimetableBody(CalendarBody):
    """When a schedule's occurrences come."""

    cron: Annotated[str, AfterValidator(_cron)]
    zone: Annotated[str, AfterValidator(send_zone)]
    default_zone: Annotated[str | None, AfterValidator(optional(zone_name))] = None
    starts_at: Bound = None
    ends_at: Bound = None
    if_missed: Annotated[IfMissed | None, Field(strict=False)] = None
    ignores_calendar: bool | None = None


def under(body: TimetableBody, calendar: CalendarBody) -> TimetableBody:
    """A timetable that follows its tenant's calendar: what it does not say itself, the calendar says."""
    if body.ignores_calendar:
        return body
    names = [name for name in CalendarBody.model_fields if getattr(body, name) is None]
    return body.model_copy(update={name: getattr(calendar, name) for name in names})


def read_timetable(body: TimetableBody) -> Timetable:
    """The timetable that a body means."""
    zone = SPLIT_CLOCK if body.zone == RECIPIENT_ZONE else zone_named(body.zone)
    return Timetable(
        cron=body.cron,
        zone=zone,
        default_zone=body.default_zone or "",
        starts_at=_read_bound(body.starts_at, zone),
        ends_at=_read_bound(body.ends_at, zone),
        exceptions=exceptions_of(body),
        quiet_hours=quiet_hours_of(body),
        working_days=working_days_of(body),
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
