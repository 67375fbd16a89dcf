"""Schedules as their writes show them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from shared.storage.rows import Value, unpack_bytes
from tests.simulation.asks import AskedSchedule, Definition
from tests.twins.world import TENANT


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the row of a schedule says. Instants are seconds since the epoch."""

    definition: Definition
    is_active: bool
    next: float | None
    last: float | None


@dataclass(slots=True, kw_only=True, eq=False)
class SeenSchedule:
    """A schedule as its writes show it. Instants are seconds since the epoch."""

    asked: AskedSchedule
    stands: Standing
    made_at: float
    """When it was first written."""
    written_at: float
    """When its author last changed it."""
    next_since: float
    """Since when it waits for `next`. A tick that meets another one leaves to that what it is about."""
    paused_at: float = 0.0
    is_removed: bool = False
    excused: set[float] = field(default_factory=set)
    """Occurrences that were on their way when it was removed."""
    former: list[tuple[float, Definition]] = field(default_factory=list)
    """Definitions that were put aside, and when."""
    moved: dict[float, float] = field(default_factory=dict)
    """Occurrences that are to be broadcasts, and since when."""
    broadcasts: dict[float, str] = field(default_factory=dict)
    """Their broadcasts that stand."""
    runs: list[float] = field(default_factory=list)
    """When somebody called for a broadcast at once."""
    answered: int = 0
    """So many of these calls were agreed to."""
    by_hand: dict[float, str] = field(default_factory=dict)
    """The broadcasts of these calls."""

    @property
    def waits_for(self) -> float | None:
        """The occurrence to come, if any does."""
        return self.stands.next if self.stands.is_active and not self.is_removed else None

    def remove(self) -> None:
        """Take in that it was removed. Nobody waits then for what was just about to be sent."""
        self.is_removed = True
        self.excused.update(at for at in self.moved if at not in self.broadcasts)

    def take_in(self, stands: Standing, *, now: float) -> None:
        """Take in what was written of it."""
        old = self.stands
        if self.is_removed or stands.definition != old.definition or stands.is_active != old.is_active:
            self.written_at = now
        if stands.definition != old.definition:
            self.former.append((now, old.definition))
        if old.is_active and not stands.is_active:
            self.paused_at = now
        if stands.next != old.next:
            self.next_since = now
        if stands.last is not None and stands.last != old.last:
            self.moved[stands.last] = now
        self.stands, self.is_removed = stands, False


def standing_of(asked: AskedSchedule, values: Mapping[str, Value]) -> Standing:
    """What a row says, whose definition is one of those that were asked for."""
    timetable = orjson.loads(unpack_bytes("timetable", values))
    request = orjson.loads(unpack_bytes("request", values))
    words = request["digest"]["heading"] if "digest" in request else request["content"]["text"]
    known = (asked.first, *(definition for _, definition in asked.changes))
    return Standing(
        definition=next(one for one in known if one.words == words and one.times.document == timetable),
        is_active=values["state"] == "active",
        next=float(values["next"]) or None,
        last=float(values["last"]) or None,
    )


def due_key(schedule: str, at: float) -> str:
    """The key of an occurrence's due row."""
    return f"{round(at * 1000):013d}!{TENANT}!{schedule}"


def due_at(key: str) -> float:
    """The instant of a due row."""
    return int(key.partition("!")[0]) / 1000


def told(instant: float | None) -> str:
    """An instant for people."""
    return "nothing" if instant is None else f"{datetime.fromtimestamp(instant, UTC):%H:%M:%S}"
