"""Broadcasts for a moment: how a storm draws them, and what is promised of them."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from shared.domain.broadcasts import PLAN_AHEAD
from shared.domain.modes import Mode
from tests.simulation.asks import Ask
from tests.simulation.storm import Storm, Window
from tests.twins.world import EPOCH, TICK_SECONDS

SHARE = 0.2
"""Of all storms so many have broadcasts for a moment."""
LONGEST_STORM = 900.0
ZONE = "Asia/Kathmandu"


def with_moments(storm: Storm, people: int) -> Storm:
    """Draw from dice of their own, so that the others stay what they were, storms with broadcasts for a moment."""
    dice = random.Random(f"moments {storm.seed} {people}")
    if dice.random() >= SHARE:
        return storm
    asks = tuple(_draw_moment(dice, ask) if dice.random() < 0.7 else ask for ask in storm.asks)
    latest = min(LONGEST_STORM, replace(storm, asks=asks).latest_moment)
    around = Window(start=latest + dice.uniform(-40, 10), length=dice.choice([3.0, 30.0, 90.0]))
    is_lasting = dice.random() < 0.6
    knobs = {"PLAN_AHEAD": timedelta(seconds=dice.choice([60, 300, 1800]))}
    return replace(
        storm,
        asks=asks,
        until=max(storm.until, latest + dice.uniform(5, 120)) if is_lasting else storm.until,
        outages=(*storm.outages, around) if dice.random() < 0.2 else storm.outages,
        knobs={**storm.knobs, **knobs} if storm.knobs else {},
    )


def _draw_moment(dice: random.Random, ask: Ask) -> Ask:
    """Give an ask a moment, now and then one that has just gone by; some of its wishes come around it."""
    if ask.mode not in (Mode.SEND, Mode.SANDBOX):
        return ask
    ahead = dice.choice([-30, 5, 61, 100, 100, 200, 200, 400, 900, 3600])
    moment = float(max(1, round(ask.at) + ahead))

    def perhaps_later(after: float) -> float:
        return max(after, moment - ask.at + dice.uniform(-30, 30)) if dice.random() < 0.5 else after

    return replace(
        ask,
        moment=moment,
        cancel_after=None if ask.cancel_after is None else perhaps_later(ask.cancel_after),
        pause_after=None if ask.pause_after is None else perhaps_later(ask.pause_after),
        edit_after=tuple(map(perhaps_later, ask.edit_after)),
        recall_after=None if ask.recall_after is None else perhaps_later(ask.recall_after),
    )


def moment_document(ask: Ask) -> dict[str, Any]:
    """The member `send` of an ask's request: an instant, or a local time with its zone."""
    if ask.moment is None:
        return {}
    if ask.number % 2:
        local = datetime.fromtimestamp(EPOCH + ask.moment, ZoneInfo(ZONE)).replace(tzinfo=None)
        return {"send": {"at": local.isoformat(), "zone": ZONE}}
    return {"send": {"at": datetime.fromtimestamp(EPOCH + ask.moment, UTC).isoformat()}}


class MomentPromises:
    """What is promised of broadcasts for a moment. `now` is in seconds from the start."""

    def __init__(self, storm: Storm) -> None:
        ahead = storm.knobs.get("PLAN_AHEAD", PLAN_AHEAD)
        assert isinstance(ahead, timedelta)
        self._ahead = ahead.total_seconds()
        self._error = storm.clock_error

    def posted_faults(self, ask: Ask, now: float) -> Iterator[str]:
        """What is wrong with a message that is sent now."""
        if ask.moment is not None and now < ask.moment - self._error:
            yield f"{ask.moment - now:.1f} s before its moment"

    def planned_faults(self, ask: Ask, now: float) -> Iterator[str]:
        """What is wrong with a batch that is planned now: the last tick before the time may be the one that wakes."""
        if ask.moment is not None and now < ask.moment - self._ahead - TICK_SECONDS - self._error:
            yield f"planned {ask.moment - now:.1f} s before its moment"
