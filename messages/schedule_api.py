"""The HTTP API of schedules: to make one, look at it, change it, hold it, run it now and remove it.

A change is made of what stands and written under its version, so it never undoes what the tick does meanwhile.
"""

import logging
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus

from messages.answers import Answer, Links, json_answer
from messages.bodies import read_document, with_key
from messages.problems import busy_schedule, changed_since, needs_if_match, schedule_key_reused
from messages.queries import read_paging
from messages.schedule_view import ScheduleView, summary_of, tag_of
from shared.acceptance import Acceptance
from shared.domain.ids import schedule_id as id_of
from shared.domain.schedules import MOST_LATEST, Timetable, next_after
from shared.errors import Fault, RowConflict, ScheduleNotFound
from shared.ports import Clock
from shared.requests import tenant_of
from shared.schedule_requests import NO_CALENDAR, ScheduleRequest, next_of, occurrence_request, read_schedule
from shared.storage.calendars import Calendars
from shared.storage.schedules import Schedule, Schedules, ScheduleState
from shared.telemetry import log_event

TRIES = 5
"""A change may meet the tick's, and another person's; five in the same moment do not."""

_ID = re.compile(r"[0-9a-z]{20}")

logger = logging.getLogger(__name__)


class ScheduleApi:
    """Answers the authors of schedules. `new_key` makes a key where none is given."""

    def __init__(
        self,
        schedules: Schedules,
        calendars: Calendars,
        *,
        acceptance: Acceptance,
        view: ScheduleView,
        clock: Clock,
        tenants: Collection[str],
        new_key: Callable[[], str],
        default_zone: str = "",
        takes_names: bool = False,
    ) -> None:
        self._schedules = schedules
        self._calendars = calendars
        self._acceptance = acceptance
        self._view = view
        self._clock = clock
        self._tenants = tenants
        self._new_key = new_key
        self._default_zone = default_zone
        self._takes_names = takes_names

    async def create(self, body: bytes, *, key_header: str | None, url: str) -> Answer:
        """Make a schedule: 201, or 200 where it stood already under the same key."""
        document, found = with_key(read_document(body), key_header)
        request = await self._read(document, found)
        now = self._clock.now()
        schedule = Schedule(
            id=id_of(tenant=request.tenant, key=request.key or self._new_key()),
            tenant=request.tenant,
            name=request.name,
            timetable=request.timetable_document,
            request=request.request_document,
            next=self._following(request.timetable),
            created_at=now,
            changed_at=now,
        )
        try:
            created = await self._schedules.create(schedule)
        except RowConflict:
            stands = await self._schedules.get(schedule.tenant, schedule.id)
            if tag_of(stands) != tag_of(schedule):
                raise schedule_key_reused(schedule.id) from None
            return await self._answer(HTTPStatus.OK, stands, url)
        log_event(logger, "schedule_created", schedule=created.id, tenant=created.tenant, next=created.next)
        location = Links(url).schedule(created.id)
        return await self._answer(HTTPStatus.CREATED, created, url, location=location)

    async def list(self, query: Mapping[str, str], *, url: str) -> Answer:
        """A tenant's schedules."""
        paging = read_paging(query, most=100, usual=20, tenants=self._tenants, needs_tenant=True)
        links = Links(url)
        page = await self._schedules.page(paging.tenants[0], after=paging.after, limit=paging.limit)
        following = links.schedules(**paging.given, after=page.next) if page.next else None
        entries = [summary_of(schedule, links) for schedule in page.schedules]
        return json_answer(HTTPStatus.OK, {"schedules": entries, "next": following})

    async def get(self, schedule_id: str, *, url: str) -> Answer:
        """One schedule with its next occurrences and its latest broadcasts."""
        return await self._answer(HTTPStatus.OK, await self._find(schedule_id), url)

    async def put(self, schedule_id: str, body: bytes, *, if_match: str | None, url: str) -> Answer:
        """Put other words or another timetable in the place of what stands: 200, also where it says so already."""
        if if_match is None:
            raise needs_if_match()
        document = read_document(body)
        request = await self._read(document, _fixed_members(document, await self._find(schedule_id)))

        def change(stands: Schedule) -> Schedule:
            moves = stands.state is ScheduleState.ACTIVE and stands.timetable != request.timetable_document
            wanted = replace(
                stands,
                name=request.name,
                timetable=request.timetable_document,
                request=request.request_document,
                # What is due already stays so, where only the words are new.
                next=self._following(request.timetable, last=stands.last) if moves else stands.next,
                changed_at=self._clock.now(),
            )
            if if_match.strip() not in ("*", tag_of(stands)) and tag_of(wanted) != tag_of(stands):
                raise changed_since(schedule_id, tag_of(stands))
            return wanted

        return await self._answer(HTTPStatus.OK, await self._change(schedule_id, change), url)

    async def pause(self, schedule_id: str, *, url: str) -> Answer:
        """Let no occurrence come any more. Broadcasts that were made go on."""

        def change(stands: Schedule) -> Schedule:
            return replace(stands, state=ScheduleState.PAUSED, next=None)

        return await self._answer(HTTPStatus.OK, await self._change(schedule_id, change), url)

    async def resume(self, schedule_id: str, *, url: str) -> Answer:
        """Let occurrences come again from now on. What came meanwhile is not made up for."""
        calendar = await self._calendars.document((await self._find(schedule_id)).tenant)

        def change(stands: Schedule) -> Schedule:
            if stands.state is ScheduleState.ACTIVE:
                return stands
            # Behind the last one: this clock may be behind the one that ran that.
            following = next_of(stands, calendar, after=max(self._clock.now(), stands.last or 0.0))
            return replace(stands, state=ScheduleState.ACTIVE, next=following)

        return await self._answer(HTTPStatus.OK, await self._change(schedule_id, change), url)

    async def run(self, schedule_id: str, *, url: str) -> Answer:
        """Make a broadcast of it now, whatever its timetable says: 202 with the schedule, that broadcast the first."""
        schedule, at = await self._find(schedule_id), round(self._clock.now(), 3)
        request = occurrence_request(schedule, at, tenants=self._tenants, takes_names=self._takes_names, at_once=True)
        accepted = await self._acceptance.accept(request)

        def change(stands: Schedule) -> Schedule:
            latest = sorted({at, *stands.latest}, reverse=True)
            return replace(stands, latest=tuple(latest[:MOST_LATEST]))

        changed = await self._change(schedule_id, change)
        log_event(logger, "schedule_run_by_hand", schedule=schedule_id, broadcast=accepted.broadcast_id)
        return await self._answer(
            HTTPStatus.ACCEPTED, changed, url, location=Links(url).broadcast(accepted.broadcast_id)
        )

    async def remove(self, schedule_id: str) -> Answer:
        """Remove a schedule: 204. Broadcasts that were made go on."""
        for _ in range(TRIES):
            schedule = await self._find(schedule_id)
            try:
                await self._schedules.remove(schedule)
            except RowConflict:
                continue
            if schedule.next is not None:
                await self._schedules.settle(schedule, schedule.next)
            log_event(logger, "schedule_removed", schedule=schedule.id, tenant=schedule.tenant)
            return Answer(status=HTTPStatus.NO_CONTENT, body=b"")
        raise busy_schedule(schedule_id)

    async def _read(self, document: Mapping[str, object], found: Collection[Fault]) -> ScheduleRequest:
        tenant = tenant_of(document, self._tenants)
        calendar = await self._calendars.document(tenant) if tenant else NO_CALENDAR
        return read_schedule(
            document,
            tenants=self._tenants,
            now=datetime.fromtimestamp(self._clock.now(), UTC),
            calendar=calendar,
            default_zone=self._default_zone,
            found=tuple(found),
            takes_names=self._takes_names,
        )

    def _following(self, timetable: Timetable, *, last: float | None = None) -> float | None:
        """The first occurrence from now on, and behind the last one: this clock may be behind the one that ran that."""
        following = next_after(timetable, datetime.fromtimestamp(max(self._clock.now(), last or 0.0), UTC))
        return None if following is None else following.timestamp()

    async def _find(self, schedule_id: str) -> Schedule:
        """The schedule of any tenant that is served. Raises ScheduleNotFound."""
        for tenant in self._tenants if _ID.fullmatch(schedule_id) else ():
            with suppress(ScheduleNotFound):
                return await self._schedules.get(tenant, schedule_id)
        raise ScheduleNotFound(schedule_id)

    async def _change(self, schedule_id: str, change: Callable[[Schedule], Schedule]) -> Schedule:
        """Write what `change` makes of the schedule as it stands; again where that was changed meanwhile."""
        for _ in range(TRIES):
            with suppress(RowConflict):
                return await self._schedules.change(change(await self._find(schedule_id)))
        raise busy_schedule(schedule_id)

    async def _answer(self, status: HTTPStatus, schedule: Schedule, url: str, *, location: str = "") -> Answer:
        links = Links(url)
        headers = {"ETag": tag_of(schedule), **({"Location": location} if location else {})}
        return json_answer(status, await self._view.document(schedule, links), headers=headers)


def _fixed_members(document: Mapping[str, object], stands: Schedule) -> list[Fault]:
    """What a schedule keeps as it was made."""
    faults = []
    if document.get("key") is not None:
        faults.append(Fault(pointer="/key", detail="a schedule keeps the key that it was made with: leave this out"))
    tenant = document.get("tenant")
    if isinstance(tenant, str) and tenant.strip().lower() != stands.tenant:
        faults.append(Fault(pointer="/tenant", detail=f"a schedule stays in its tenant, {stands.tenant}"))
    return faults
