"""What the tick does for schedules: each occurrence that is due becomes one broadcast, whatever breaks off in between.

The steps: the next due row is written, the schedule is moved on by compare-and-swap (`last` is this occurrence, `next`
the one after), the occurrence's broadcast is accepted under the id that follows from schedule and instant, its due row
is removed. A due row is acted on where it is the schedule's `next` (all steps) or its `last` (the steps after the
move). So two ticks at once, and one that follows one that died, make the same broadcast.
"""

import asyncio
import logging
import math
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from shared.acceptance import Acceptance
from shared.domain.ids import occurrence_key
from shared.domain.schedules import MOST_CAUGHT_UP, MOST_LATEST, due_anew, due_by, is_held_back
from shared.errors import Fault, InvalidRequest, KeyReused, RowConflict, ScheduleNotFound, StorageError
from shared.ports import Clock
from shared.schedule_requests import next_of, occurrence_request, timetable_of
from shared.storage.calendars import Calendars
from shared.storage.rejections import Rejection, Rejections, RejectionSource
from shared.storage.schedules import Due, Schedule, Schedules
from shared.telemetry import log_event

MOST_DUE = 1_000
"""Due rows that one tick acts on, a page of them or a few more; the next tick goes on."""
HELD_BACK = math.inf
"""In the place of an instant: nothing of a schedule is looked at before it opens."""
AT_ONCE = 8
"""Schedules that are looked at side by side."""
STRAY_SECONDS = 600.0
"""A due row that no schedule names is removed at this age. No function lives so long, so nobody is about to name it."""
MOST_STEPS = 3 * MOST_CAUGHT_UP
"""Two for each occurrence that is made up for, and some for conflicts."""

logger = logging.getLogger(__name__)


class DueSchedules:
    """Runs what is due."""

    def __init__(
        self,
        schedules: Schedules,
        calendars: Calendars,
        *,
        acceptance: Acceptance,
        rejections: Rejections,
        clock: Clock,
        tenants: Collection[str],
        takes_names: bool,
    ) -> None:
        self._schedules = schedules
        self._calendars = calendars
        self._acceptance = acceptance
        self._rejections = rejections
        self._clock = clock
        self._tenants = tenants
        self._takes_names = takes_names

    async def run(self) -> None:
        """Run every occurrence that is due, each schedule's in order. What storage fails is left to the next tick.

        Rows that stay as they are, since their schedules are closed, keep nobody behind them waiting.
        """
        after, ran = None, 0
        while ran < MOST_DUE:
            try:
                rows = await self._schedules.due(self._clock.now(), limit=MOST_DUE, after=after)
                tenants = dict.fromkeys(row.tenant for row in rows)
                calendars = {tenant: await self._calendars.document(tenant) for tenant in tenants}
            except StorageError as error:
                log_event(logger, "schedules_failed", level=logging.WARNING, cause=type(error).__name__)
                return
            ran += await self._look_at_all(rows, calendars)
            if len(rows) < MOST_DUE:
                return
            after = rows[-1]

    async def _look_at_all(self, rows: list[Due], calendars: Mapping[str, Mapping[str, Any]]) -> int:
        """Look at a page of due rows; how many of them do not stay as they are."""
        by_schedule: dict[tuple[str, str], list[Due]] = {}
        for row in rows:
            by_schedule.setdefault((row.tenant, row.schedule), []).append(row)
        waiting = list(reversed(by_schedule.values()))

        async def look() -> int:
            ran = 0
            while waiting:
                due = waiting.pop()
                ran += await self._look_at(due, calendars[due[0].tenant])
            return ran

        return sum(await asyncio.gather(*(look() for _ in range(AT_ONCE))))

    async def _look_at(self, rows: list[Due], calendar: Mapping[str, Any]) -> int:
        """Look at the due rows of one schedule; how many of them were acted on.

        What fails ends them all, so that no occurrence overtakes another.
        """
        ran = 0
        try:
            for due in rows:
                ran += await self._act_on(due, calendar)
        except StorageError as error:
            log_event(
                logger,
                "schedules_failed",
                level=logging.WARNING,
                schedule=rows[0].schedule,
                cause=type(error).__name__,
            )
        except InvalidRequest as error:
            log_event(logger, "schedule_unreadable", level=logging.ERROR, schedule=rows[0].schedule, reason=str(error))
        return ran

    async def _act_on(self, due: Due, calendar: Mapping[str, Any]) -> bool:
        """Go through the steps of an occurrence, and of those behind it that are due by now.

        False where it waits until its schedule opens.
        """
        at = due.at
        for _ in range(MOST_STEPS):
            schedule = await self._find(due)
            if schedule is None or at not in (schedule.next, schedule.last):
                if at == due.at and due.age > STRAY_SECONDS:
                    await self._schedules.drop(due)
                return True
            if at == schedule.last:
                await self._send(schedule, at)
                following = schedule.next
            else:
                following = await self._move_on(schedule, at, calendar)
            if following is None or following > self._clock.now():
                return following != HELD_BACK
            at = following
        return True

    async def _find(self, due: Due) -> Schedule | None:
        with suppress(ScheduleNotFound):
            return await self._schedules.get(due.tenant, due.schedule)
        return None

    async def _move_on(self, schedule: Schedule, at: float, calendar: Mapping[str, Any]) -> float | None:
        """Make the occurrence the schedule's last one, or pass over one that is not to run. What to look at now.

        It was reckoned by the calendar that stood then, and is judged by the one that stands now. After a
        conflict, be it the echo of this very write, the schedule itself tells what stands: look at it again.
        """
        if schedule.last is not None and await self._schedules.is_due(schedule, schedule.last):
            # Whoever moved it on died before its broadcast stood. Once it is moved on again nobody would know of that.
            await self._send(schedule, schedule.last)
        timetable, now = timetable_of(schedule, calendar), _moment(self._clock.now())
        due = due_anew(timetable, _moment(at))
        if due is not None and is_held_back(timetable, since=due, now=now):
            # Its due row stays, and each tick looks again.
            return HELD_BACK
        runs = due_by(timetable, since=due, now=now) if due is not None else ()
        if runs and runs[0] == _moment(at):
            following = next_of(schedule, calendar, after=at)
            latest = (at, *schedule.latest)[:MOST_LATEST]
            moved = replace(schedule, last=at, next=following, latest=latest)
            with suppress(RowConflict):
                await self._schedules.change(moved)
            return at
        if runs:
            following = runs[0].timestamp()
        elif due is not None and due > now:
            following = due.timestamp()
        else:
            following = next_of(schedule, calendar, after=now.timestamp())
        moved = replace(schedule, next=following)
        try:
            await self._schedules.change(moved)
        except RowConflict:
            return at
        await self._schedules.settle(schedule, at)
        log_event(logger, "occurrences_passed_over", schedule=schedule.id, since=at, next=moved.next)
        return moved.next

    async def _send(self, schedule: Schedule, at: float) -> None:
        """Have the occurrence's broadcast accepted, and be done with it."""
        try:
            request = occurrence_request(schedule, at, tenants=self._tenants, takes_names=self._takes_names)
            accepted = await self._acceptance.accept(request)
        except (InvalidRequest, KeyReused) as error:
            await self._refuse(schedule, at, error)
        else:
            log_event(logger, "occurrence_ran", schedule=schedule.id, broadcast=accepted.broadcast_id)
        await self._schedules.settle(schedule, at)

    async def _refuse(self, schedule: Schedule, at: float, error: InvalidRequest | KeyReused) -> None:
        """Keep an occurrence that cannot be accepted where its author finds it, with all that is wrong with it."""
        faults = error.faults if isinstance(error, InvalidRequest) else (Fault(pointer="/key", detail=str(error)),)
        body, key = orjson.dumps(schedule.request), occurrence_key(schedule=schedule.id, at=at)
        await self._rejections.record(
            Rejection(
                tenant=schedule.tenant,
                at=self._clock.now(),
                source=RejectionSource.SCHEDULE,
                faults=faults,
                body=body,
                body_bytes=len(body),
                message_id=key,
                key=key,
            )
        )
        places = [fault.pointer for fault in faults]
        log_event(logger, "occurrence_refused", level=logging.ERROR, schedule=schedule.id, at=at, places=places)


def _moment(instant: float) -> datetime:
    return datetime.fromtimestamp(instant, UTC)
