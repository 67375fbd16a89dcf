"""The table Schedules: messages that come again, and the index of what is due next.

tenant / schedule id                                   the definition, as it was given, and where it stands
due / <milliseconds, 13 digits>!<tenant>!<schedule>    that an occurrence is due then

The partition `calendars` is that of `shared.storage.calendars`.

Due rows are nudges, definitions are the truth: a row says only that a schedule is to be looked at. Whoever makes an
occurrence a schedule's `next` writes its row first, so a schedule that waits for an occurrence always has one.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import orjson

from shared.errors import RowConflict, ScheduleNotFound
from shared.ports import Table
from shared.storage.rows import Row, Value, delete, insert, pack_bytes, unpack_bytes, upsert
from shared.storage.rows import replace as put

_DUE = "due"
_AFTER = "\x7e"
"""Sorts behind what a key goes on with. An end of digits alone makes Azurite find nothing behind a start."""


class ScheduleState(StrEnum):
    """Whether occurrences come."""

    ACTIVE = "active"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule as it stands. Instants are seconds since the epoch."""

    id: str
    tenant: str
    name: str = ""
    timetable: Mapping[str, Any]
    """As it was given: `shared.schedule_requests` reads it."""
    request: Mapping[str, Any]
    """Audience, content and options of its broadcasts, as they were given."""
    state: ScheduleState = ScheduleState.ACTIVE
    last: float | None = None
    """The occurrence that ran last: its broadcast is accepted, or its due row still stands."""
    next: float | None = None
    """The occurrence to come; None where it is paused or over."""
    latest: tuple[float, ...] = ()
    """The instants of its latest broadcasts, the newest first, those included that somebody asked for."""
    created_at: float
    changed_at: float
    version: str = ""
    """The row's ETag; empty before it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A due row: the instant, whose occurrence it is, and the row's own version and age in seconds."""

    at: float
    tenant: str
    schedule: str
    version: str
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePage:
    """Schedules in the order of their ids, and where the next page starts (empty at the end)."""

    schedules: tuple[Schedule, ...]
    next: str


class Schedules:
    """Reads and writes of schedules. Decides nothing."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def create(self, schedule: Schedule) -> Schedule:
        """Write a new schedule. Raises RowConflict where its id is taken, be it by this very write."""
        await self._announce(schedule)
        [version] = await self._table.write(schedule.tenant, [insert(schedule.id, _values(schedule))])
        return replace(schedule, version=version)

    async def change(self, schedule: Schedule) -> Schedule:
        """Write a schedule in the place of the version that it was made of. Raises RowConflict where that is gone."""
        await self._announce(schedule)
        operation = put(schedule.id, _values(schedule), etag=schedule.version)
        [version] = await self._table.write(schedule.tenant, [operation])
        return replace(schedule, version=version)

    async def remove(self, schedule: Schedule) -> None:
        """Remove a schedule in the version that was read. Raises RowConflict where that is gone."""
        await self._table.write(schedule.tenant, [delete(schedule.id, etag=schedule.version)])

    async def get(self, tenant: str, schedule_id: str) -> Schedule:
        """One schedule. Raises ScheduleNotFound."""
        row = await self._table.get(tenant, schedule_id)
        if row is None:
            raise ScheduleNotFound(schedule_id)
        return _schedule(row)

    async def page(self, tenant: str, *, after: str = "", limit: int) -> SchedulePage:
        """A page of a tenant's schedules in the order of their ids, from behind the id `after`."""
        start = f"{after}\x20" if after else ""
        rows = [row async for row in self._table.scan(tenant, start=start, limit=limit + 1)]
        kept = rows[:limit]
        return SchedulePage(
            schedules=tuple(_schedule(row) for row in kept), next=kept[-1].key if len(rows) > limit else ""
        )

    async def overdue(self, tenant: str, *, before: float) -> AsyncIterator[str]:
        """The ids of a tenant's schedules whose next occurrence was due before an instant, found without an index."""
        async for row in self._table.scan(tenant, select=("next",)):
            if 0 < float(row.values["next"]) < before:
                yield row.key

    async def due(self, now: float, *, limit: int, after: Due | None = None) -> list[Due]:
        """What is due by now, the earliest first, or what comes behind a row."""
        start = "" if after is None else f"{_row_key(after)}\x20"
        rows = self._table.scan(_DUE, start=start, end=f"{_milliseconds(now)}{_AFTER}", select=(), limit=limit)
        return [_due(row) async for row in rows]

    async def is_due(self, schedule: Schedule, at: float) -> bool:
        """Whether the row of an occurrence stands."""
        return await self._table.get(_DUE, _due_key(schedule, at), select=()) is not None

    async def settle(self, schedule: Schedule, at: float) -> None:
        """Remove the row of an occurrence that is done with; no matter if it is gone already."""
        with suppress(RowConflict):
            await self._table.write(_DUE, [delete(_due_key(schedule, at))])

    async def drop(self, due: Due) -> None:
        """Remove a row that nobody waits for, unless it was written again since it was read."""
        with suppress(RowConflict):
            await self._table.write(_DUE, [delete(_row_key(due), etag=due.version)])

    async def _announce(self, schedule: Schedule) -> None:
        # Written anew where it stands: a row that is about to be named is young, and so is let be by who cleans up.
        if schedule.next is not None:
            await self._table.write(_DUE, [upsert(_due_key(schedule, schedule.next), {})])


def _milliseconds(instant: float) -> str:
    return f"{round(instant * 1000):013d}"


def _due_key(schedule: Schedule, at: float) -> str:
    return f"{_milliseconds(at)}!{schedule.tenant}!{schedule.id}"


def _row_key(due: Due) -> str:
    return f"{_milliseconds(due.at)}!{due.tenant}!{due.schedule}"


def _due(row: Row) -> Due:
    milliseconds, tenant, schedule = row.key.split("!")
    return Due(at=int(milliseconds) / 1000, tenant=tenant, schedule=schedule, version=row.etag, age=row.age)


def _values(schedule: Schedule) -> dict[str, Value]:
    return {
        "name": schedule.name,
        "state": schedule.state.value,
        "last": schedule.last or 0.0,
        "next": schedule.next or 0.0,
        "latest": " ".join(str(instant) for instant in schedule.latest),
        "created_at": schedule.created_at,
        "changed_at": schedule.changed_at,
        **pack_bytes("timetable", orjson.dumps(schedule.timetable)),
        **pack_bytes("request", orjson.dumps(schedule.request)),
    }


def _schedule(row: Row) -> Schedule:
    values = row.values
    return Schedule(
        id=row.key,
        tenant=row.partition,
        name=str(values["name"]),
        timetable=orjson.loads(unpack_bytes("timetable", values)),
        request=orjson.loads(unpack_bytes("request", values)),
        state=ScheduleState(str(values["state"])),
        last=float(values["last"]) or None,
        next=float(values["next"]) or None,
        latest=tuple(float(instant) for instant in str(values["latest"]).split()),
        created_at=float(values["created_at"]),
        changed_at=float(values["changed_at"]),
        version=row.etag,
    )
