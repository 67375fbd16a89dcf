"""Bugs planted around moments and schedules."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any
from unittest.mock import patch

from send_worker import due_schedules
from send_worker.due_schedules import DueSchedules
from send_worker.lost_due_rows import LostDueRows
from shared.domain.broadcasts import Broadcast
from shared.domain.requests import BroadcastRequest
from shared.domain.schedules import IfMissed, Timetable, due_by
from shared.schedule_requests import occurrence_request
from shared.storage import schedules
from shared.storage.directory import Directory
from shared.storage.rows import replace as put
from shared.storage.schedules import Due, Schedule, Schedules
from shared.work.heads import Heads


def moment_not_waited_for() -> AbstractContextManager[object]:
    """Senders take no notice of a broadcast's moment."""
    read = Heads.head

    async def at_once(heads: Heads, broadcast_id: str) -> Broadcast:
        return replace(await read(heads, broadcast_id), starts_at=0.0)

    return patch.object(Heads, "head", at_once)


def sleepers_forgotten() -> AbstractContextManager[object]:
    """What sleeps is taken from before the sweep's eyes, and nobody wakes it."""

    async def nothing(_directory: Directory, _broadcast_id: str, **_named: Any) -> None:
        return

    return patch.object(Directory, "lay_down", nothing)


def audience_read_early() -> AbstractContextManager[object]:
    """A broadcast is planned as soon as it is accepted."""
    return patch.object(Broadcast, "sleeps", lambda _broadcast, _now: False)


def occurrence_settled_first() -> AbstractContextManager[object]:
    """The due row is removed before the occurrence's broadcast is accepted."""
    send = DueSchedules._send

    async def settled(due: DueSchedules, schedule: Schedule, at: float) -> None:
        await due._schedules.settle(schedule, at)
        await send(due, schedule, at)

    return patch.object(DueSchedules, "_send", settled)


def occurrence_id_by_chance() -> AbstractContextManager[object]:
    """The id of an occurrence's broadcast does not follow from schedule and instant."""

    def by_chance(*rest: Any, **named: Any) -> BroadcastRequest:
        return replace(occurrence_request(*rest, **named), broadcast_id=None)

    return patch.object(due_schedules, "occurrence_request", by_chance)


def next_announced_last() -> AbstractContextManager[object]:
    """The due row of the next occurrence is written after the move that names it."""

    async def announced_last(store: Schedules, schedule: Schedule) -> Schedule:
        await store._table.write(
            schedule.tenant, [put(schedule.id, schedules._values(schedule), etag=schedule.version)]
        )
        await store._announce(schedule)
        return schedule

    return patch.object(Schedules, "change", announced_last)


def schedule_moved_without_etag() -> AbstractContextManager[object]:
    """A schedule is moved on whatever became of it since it was read."""

    async def blind(store: Schedules, schedule: Schedule) -> Schedule:
        await store._announce(schedule)
        await store._table.write(schedule.tenant, [put(schedule.id, schedules._values(schedule))])
        return schedule

    return patch.object(Schedules, "change", blind)


def missed_all_made_up_for() -> AbstractContextManager[object]:
    """Whatever was missed is made up for, whatever the schedule says."""

    def each(timetable: Timetable, *, since: datetime, now: datetime) -> Sequence[datetime]:
        return due_by(replace(timetable, if_missed=IfMissed.RUN_ALL), since=since, now=now)

    return patch.object(due_schedules, "due_by", each)


def stray_rows_kept() -> AbstractContextManager[object]:
    """A due row that no schedule names is looked at by each tick for good."""

    async def nothing(_store: Schedules, _due: Due) -> None:
        return

    return patch.object(Schedules, "drop", nothing)


def lost_rows_not_looked_for() -> AbstractContextManager[object]:
    """A due row that was lost is not written anew."""

    async def nothing(_lost: LostDueRows) -> None:
        return

    return patch.object(LostDueRows, "run", nothing)


def pause_not_looked_at() -> AbstractContextManager[object]:
    """A paused schedule keeps its next occurrence."""
    change = Schedules.change

    async def kept(store: Schedules, schedule: Schedule) -> Schedule:
        stands = await store.get(schedule.tenant, schedule.id)
        return await change(store, replace(schedule, next=schedule.next or stands.next))

    return patch.object(Schedules, "change", kept)


BUGS_AROUND_TIME = (
    moment_not_waited_for,
    sleepers_forgotten,
    audience_read_early,
    occurrence_settled_first,
    occurrence_id_by_chance,
    next_announced_last,
    schedule_moved_without_etag,
    missed_all_made_up_for,
    stray_rows_kept,
    lost_rows_not_looked_for,
    pause_not_looked_at,
)
