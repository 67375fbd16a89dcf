"""What the API tells of a schedule."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from typing import Any

import orjson

from messages.answers import Links, instant
from messages.reports import Reports
from shared.domain.ids import occurrence_id
from shared.domain.schedules import due_anew, occurrences_after
from shared.errors import BroadcastNotFound, InvalidRequest
from shared.schedule_requests import timetable_of
from shared.storage.broadcasts import Broadcasts
from shared.storage.calendars import Calendars
from shared.storage.schedules import Schedule, ScheduleState

MOST_UPCOMING = 5


def tag_of(schedule: Schedule) -> str:
    """The ETag of what its author wrote. It stays as it is while occurrences come and go."""
    definition = [schedule.name, schedule.timetable, schedule.request]
    return f'"{sha256(orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]}"'


def summary_of(schedule: Schedule, links: Links) -> dict[str, Any]:
    """A schedule in a list."""
    is_over = schedule.state is ScheduleState.ACTIVE and schedule.next is None
    return {
        "id": schedule.id,
        "tenant": schedule.tenant,
        "name": schedule.name or None,
        "state": "ended" if is_over else schedule.state,
        "timetable": schedule.timetable,
        "last": instant(schedule.last),
        "next": instant(schedule.next),
        "created_at": instant(schedule.created_at),
        "changed_at": instant(schedule.changed_at),
        "links": {"self": links.schedule(schedule.id)},
    }


class ScheduleView:
    """Reads what belongs to a schedule."""

    def __init__(self, broadcasts: Broadcasts, calendars: Calendars, reports: Reports) -> None:
        self._broadcasts = broadcasts
        self._calendars = calendars
        self._reports = reports

    async def document(self, schedule: Schedule, links: Links) -> dict[str, Any]:
        """A schedule with its next occurrences and its latest broadcasts."""
        found = await asyncio.gather(*(self._broadcast(schedule, at, links) for at in schedule.latest))
        calendar = await self._calendars.document(schedule.tenant)
        return {
            **summary_of(schedule, links),
            **schedule.request,
            "upcoming": _upcoming(schedule, calendar),
            "broadcasts": [one for one in found if one is not None],
        }

    async def _broadcast(self, schedule: Schedule, at: float, links: Links) -> dict[str, Any] | None:
        """One broadcast; None where it was removed, or is not accepted yet."""
        broadcast_id = occurrence_id(schedule=schedule.id, at=at)
        try:
            state = await self._reports.state(await self._broadcasts.head(broadcast_id))
        except BroadcastNotFound:
            return None
        return {
            "id": broadcast_id,
            "at": instant(at),
            "state": state,
            "links": {"self": links.broadcast(broadcast_id)},
        }


def _upcoming(schedule: Schedule, calendar: Mapping[str, Any]) -> list[str]:
    """The next occurrences in the schedule's own local time; none where it is paused or cannot be read any more.

    What is due next was reckoned by the calendar that stood then, and is judged by the one that stands now.

    On each recipient's own clock they are local times without an offset.
    """
    if schedule.next is None:
        return []
    try:
        timetable = timetable_of(schedule, calendar)
    except InvalidRequest:
        return []
    first = due_anew(timetable, datetime.fromtimestamp(schedule.next, UTC))
    if first is None:
        return []
    instants = [first, *islice(occurrences_after(timetable, first), MOST_UPCOMING - 1)]
    if timetable.is_on_own_clocks:
        return [one.astimezone(timetable.zone).replace(tzinfo=None).isoformat() for one in instants]
    return [one.astimezone(timetable.zone).isoformat() for one in instants]
