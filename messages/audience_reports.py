"""What a report tells of an audience that is read from Microsoft Graph or from rosters."""

from typing import Any

from shared.domain.audience import unpack_audience
from shared.domain.cursors import Cursor
from shared.domain.pages import Skip, unpack_places, unpack_skipped
from shared.domain.recipients import identifier_of, is_name
from shared.storage.broadcasts import Broadcasts


async def report_audience(broadcasts: Broadcasts, broadcast_id: str, cursor: Cursor) -> dict[str, Any]:
    """Who was left out so far, what is unknown, and what the plan waits for (null while it goes on)."""
    skipped = unpack_skipped(cursor.skipped)
    return {
        "skipped": {skip.value: skipped[skip] for skip in Skip},
        **await _unknown(broadcasts, broadcast_id, cursor),
        "unknown_exceptions": await _unknown_exceptions(broadcasts, broadcast_id, cursor),
        "plan_waits_for": (cursor.waits_for or None) if not cursor.is_finished else None,
    }


async def _unknown_exceptions(broadcasts: Broadcasts, broadcast_id: str, cursor: Cursor) -> list[str]:
    places = unpack_places(cursor.unknown_exceptions)
    if not places:
        return []
    exceptions = unpack_audience(await broadcasts.audience(broadcast_id)).exceptions
    return [identifier_of(exceptions[place]) if is_name(exceptions[place]) else exceptions[place] for place in places]


async def _unknown(broadcasts: Broadcasts, broadcast_id: str, cursor: Cursor) -> dict[str, list[str]]:
    groups, rosters = unpack_places(cursor.unknown_groups), unpack_places(cursor.unknown_rosters)
    if not groups and not rosters:
        return {"unknown_groups": [], "unknown_rosters": []}
    audience = unpack_audience(await broadcasts.audience(broadcast_id))
    return {
        "unknown_groups": [audience.groups[place] for place in groups],
        "unknown_rosters": [audience.rosters[place] for place in rosters],
    }
