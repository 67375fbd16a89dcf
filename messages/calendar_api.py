"""The HTTP API of calendars: when nobody of a tenant is to be disturbed by schedules."""

import logging
from collections.abc import Collection
from http import HTTPStatus

from messages.answers import Answer, Links, instant, json_answer
from messages.bodies import read_document
from messages.conditions import names_version, tag_of
from messages.problems import Problem
from messages.queries import known_tenant
from shared.calendar_contract import read_calendar
from shared.errors import RowConflict
from shared.ports import Clock
from shared.storage.calendars import Calendar, Calendars
from shared.telemetry import log_event

logger = logging.getLogger(__name__)


class CalendarApi:
    """Answers operators. Schedules follow a calendar from the next tick on."""

    def __init__(self, calendars: Calendars, *, clock: Clock, tenants: Collection[str]) -> None:
        self._calendars = calendars
        self._clock = clock
        self._tenants = tenants

    async def get(self, tenant: str, *, url: str) -> Answer:
        """A tenant's calendar, with its version as the ETag."""
        tenant = known_tenant(tenant, self._tenants)
        return _answer(HTTPStatus.OK, await self._find(tenant), tenant, Links(url))

    async def put(self, tenant: str, body: bytes, *, if_match: str | None, url: str) -> Answer:
        """Put a calendar: 201 where there was none, else 200. With `if_match` only in the place of that version."""
        tenant, links = known_tenant(tenant, self._tenants), Links(url)
        given = read_calendar(read_document(body)).model_dump(mode="json", by_alias=True, exclude_none=True)
        calendar = Calendar(document=given, changed_at=self._clock.now())
        stands = await self._calendars.get(tenant)
        # The same words change nothing, so who did not get the answer can ask again, with the old version.
        if stands is not None and stands.version == calendar.version:
            return _answer(HTTPStatus.OK, stands, tenant, links)
        _check(if_match, stands, tenant)
        try:
            await self._calendars.put(tenant, calendar, over=None if if_match is None else stands)
        except RowConflict as error:
            # Somebody was faster, or this is the echo of this very write.
            now = await self._calendars.get(tenant)
            if now is None or now.version != calendar.version:
                raise _changed_since(tenant) from error
        log_event(logger, "calendar_put", tenant=tenant)
        if stands is not None:
            return _answer(HTTPStatus.OK, calendar, tenant, links)
        return _answer(HTTPStatus.CREATED, calendar, tenant, links, Location=links.calendar(tenant))

    async def remove(self, tenant: str, *, if_match: str | None) -> Answer:
        """Remove a calendar: 204. With `if_match` only that version of it."""
        tenant = known_tenant(tenant, self._tenants)
        stands = await self._find(tenant)
        _check(if_match, stands, tenant)
        try:
            await self._calendars.remove(tenant, only=None if if_match is None else stands)
        except RowConflict as error:
            # It is gone, by whomever, or it is another one by now.
            if await self._calendars.get(tenant) is not None:
                raise _changed_since(tenant) from error
        log_event(logger, "calendar_removed", tenant=tenant)
        return Answer(status=HTTPStatus.NO_CONTENT, body=b"")

    async def _find(self, tenant: str) -> Calendar:
        calendar = await self._calendars.get(tenant)
        if calendar is None:
            detail = f"the tenant {tenant} has no calendar: its schedules go by their own timetables alone"
            raise Problem(HTTPStatus.NOT_FOUND, "not-found", "No calendar", detail)
        return calendar


def _check(if_match: str | None, stands: Calendar | None, tenant: str) -> None:
    """Raise Problem where the version that stands is none of those that the header `If-Match` names."""
    if not names_version(if_match, None if stands is None else stands.version):
        raise _changed_since(tenant)


def _changed_since(tenant: str) -> Problem:
    detail = (
        f"the calendar of the tenant {tenant} is not the one that If-Match names: others have changed or removed it. "
        "Read it again, and decide with its new ETag"
    )
    return Problem(HTTPStatus.PRECONDITION_FAILED, "changed-since", "The calendar has changed", detail)


def _answer(status: HTTPStatus, calendar: Calendar, tenant: str, links: Links, **headers: str) -> Answer:
    document = {
        "tenant": tenant,
        **calendar.document,
        "changed_at": instant(calendar.changed_at),
        "links": {"self": links.calendar(tenant)},
    }
    return json_answer(status, document, headers={"ETag": tag_of(calendar.version), **headers})
