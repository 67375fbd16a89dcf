"""What a report tells of a moment on each recipient's own clock."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from messages.answers import instant
from shared.domain.broadcasts import Broadcast, BroadcastState
from shared.domain.cursors import Cursor
from shared.domain.families import MomentSums
from shared.domain.own_clocks import unpack_moments


def from_first_moment(broadcast: Broadcast, cursor: Cursor) -> Broadcast:
    """A parent with the first moment at which somebody is sent to, once that is known; any other broadcast as it is."""
    moments = unpack_moments(cursor.moments)
    if broadcast.own_clock is None or not cursor.is_finished or not moments:
        return broadcast
    return replace(broadcast, starts_at=float(moments[0].at))


def describe_clock(
    parent: Broadcast,
    cursor: Cursor,
    family: Sequence[MomentSums],
    states: Mapping[str, BroadcastState],
    *,
    now: float,
) -> dict[str, Any] | None:
    """The local time of a parent and its moments, with the `states` of its children by id; None for all others."""
    if parent.own_clock is None:
        return None
    is_over = parent.stopped_at(now) is not None or parent.finished_at is not None
    yet = BroadcastState.CANCELLED if is_over else BroadcastState.SCHEDULED
    return {
        "at": parent.own_clock.at.isoformat(),
        "default_zone": parent.own_clock.default_zone,
        "guessed": cursor.guessed,
        "moments": [
            {
                "at": instant(one.moment.at),
                "people": one.moment.people,
                "broadcast": None if one.child is None else one.child.id,
                "state": yet if one.child is None else states[one.child.id],
            }
            for one in family
        ],
    }
