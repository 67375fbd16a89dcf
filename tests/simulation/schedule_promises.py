"""What Herald promises of schedules: each occurrence that the rules demand is one broadcast, and no other one is.

Moves of their rows are judged one by one (`schedule_moves`); here is what follows: no occurrence waits once a tick that
nothing disturbed has gone by, each has its one broadcast, under its own id and with its own words.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING

from shared.domain.ids import occurrence_id
from shared.storage.rows import Operation
from tests.simulation.asks import Ask
from tests.simulation.processes import Process
from tests.simulation.schedule_moves import OLDEST_MOVE, Moves
from tests.simulation.seen_schedules import SeenSchedule, Standing, due_at, due_key, standing_of, told
from tests.simulation.storm import Storm
from tests.twins.world import EPOCH

if TYPE_CHECKING:
    from tests.simulation.promises import Promises

STRAY_SECONDS = 600.0
"""A due row that no schedule names is gone with the first tick after this."""
ROUNDED = 2.0
"""An age is counted in whole seconds."""


class SchedulePromises:
    """A part of the promises, with their picture of the tables at hand."""

    def __init__(self, promises: "Promises", storm: Storm) -> None:
        self._promises = promises
        self._error = storm.clock_error
        self._moves = Moves(storm)
        self._is_echoing = storm.answer_echoed > 0
        self._asked = {asked.id: asked for asked in storm.schedules}
        self._begun: dict[Process, list[float]] = {}
        """When the ticks began that run in each process."""
        self._alone: list[tuple[float, float]] = []
        """When ticks began and ended that nothing disturbed, nor met another one."""
        self._due: dict[str, float] = {}
        """The due rows, and when each was last written."""
        self.refused: set[str] = set()
        """Schedules that were refused because nothing of them was to come any more."""
        self._lost: set[str] = set()
        """Due rows that are gone although schedules wait for them."""
        self._is_complete = True
        """Whether no due row was ever lost."""
        self.seen: dict[str, SeenSchedule] = {}

    def ask_of(self, key: str) -> Ask | None:
        """What the occurrence with this key asks for."""
        _, _, rest = key.partition("schedule!")
        asked = self._asked.get(rest.partition("!")[0])
        return None if asked is None else asked.ask

    def lost(self, key: str) -> None:
        """A due row was removed that a schedule waits for."""
        self._lost.add(key)
        self._is_complete = False

    def begins(self, process: Process) -> None:
        """A tick begins to look for what is due."""
        self._begun.setdefault(process, []).append(self._now())

    def ended(self, process: Process, began: float) -> None:
        """A tick has looked at everything that is due. Where nothing disturbed it, nothing may wait any more."""
        self._begun[process].remove(began)
        if process.was_harmed_since(began - EPOCH):
            return
        if not any(begun for other, begun in self._begun.items() if not other.life.is_cut):
            self._alone.append((began, self._now()))
        for seen in self.seen.values():
            for sentence in self._left_behind(seen, began):
                self._promises.fail(f"{seen.asked.key}: {sentence} after a tick that nothing disturbed")
        for key, written_at in self._due.items():
            at, schedule = due_at(key), self.seen.get(key.rpartition("!")[2])
            is_known = schedule is None or schedule.written_at < began
            if is_known and at <= began - self._error and began - written_at > STRAY_SECONDS + ROUNDED:
                self._promises.fail(f"the due row {key} still stands after a tick that nothing disturbed")

    def wrote(self, process: Process | None, partition: str, operations: Iterable[Operation]) -> None:
        """A transaction on the table Schedules took effect."""
        for operation in operations:
            if partition != "due":
                self._wrote_schedule(process, operation)
            elif operation.kind == "delete":
                self._due.pop(operation.key, None)
            else:
                self._due[operation.key] = self._now()
                self._lost.discard(operation.key)

    def accepted(self, broadcast: str, key: str) -> None:
        """An occurrence became a broadcast."""
        schedule, at = _occurrence_of(key)
        if broadcast != occurrence_id(schedule=schedule, at=at):
            self._promises.fail(f"{key} became {broadcast}, an id that does not follow from schedule and instant")
        seen = self.seen.get(schedule)
        if seen is not None and at in seen.moved:
            seen.broadcasts[at] = broadcast
        elif seen is not None and any(called - self._error - 0.001 <= at for called in seen.runs):
            seen.by_hand[at] = broadcast
        else:
            self._promises.fail(f"{key} became a broadcast, and nothing demanded it")

    def said(self, key: str, words: str) -> None:
        """A message of an occurrence arrived. Its words are some that stood when it was made, or later."""
        schedule, at = _occurrence_of(key)
        seen = self.seen[schedule]
        since = seen.moved.get(at, at - OLDEST_MOVE)
        definitions = [one for until, one in seen.former if until >= since] + [seen.stands.definition]
        if words not in {one.words for one in definitions}:
            self._promises.fail(f"{key} says {words!r}, which had been changed before")

    def is_at_rest(self) -> bool:
        """Whether each schedule stands, or was refused, and no occurrence is to come any more."""
        known = self.refused | set(self.seen)
        return set(self._asked) <= known and all(seen.waits_for is None for seen in self.seen.values())

    def is_caught_up(self) -> bool:
        """Whether ticks see to everything: nothing has been due for two minutes, and no due row is lost."""
        awaited = [(seen.asked.id, seen.waits_for) for seen in self.seen.values() if seen.waits_for is not None]
        return all(at > self._now() - 120 and due_key(schedule, at) not in self._lost for schedule, at in awaited)

    def faults(self) -> Iterator[str]:
        """What is wrong at the very end."""
        for asked in self._asked.values():
            if asked.id not in self.seen and asked.id not in self.refused:
                yield f"{asked.key} was never made"
        for seen in self.seen.values():
            for at in seen.moved:
                if at not in seen.broadcasts and at not in seen.excused:
                    yield f"{seen.asked.key}: {told(at)} never became a broadcast"
            if not seen.answered <= len(seen.by_hand) <= len(seen.runs):
                calls = f"{len(seen.runs)} calls, {seen.answered} of them agreed to"
                yield f"{seen.asked.key}: {calls}, became {len(seen.by_hand)} broadcasts"
            if seen.waits_for is not None:
                yield f"{seen.asked.key} still waits for {told(seen.waits_for)}"
            for at in self._on_time(seen):
                if at not in seen.broadcasts:
                    yield f"{seen.asked.key}: {told(at)} was on time for a tick, and is no broadcast"

    def _on_time(self, seen: SeenSchedule) -> Iterator[float]:
        """What must be a broadcast by clock and timetable alone, whatever its row says, of a schedule nobody changed.

        After the echo of a write a tick may leave the rest to the next one, which may come too late.
        """
        asked, error = seen.asked, self._moves.error
        is_changed = asked.changes or asked.pauses or asked.removed_after is not None
        if is_changed or not self._is_complete or self._is_echoing:
            return
        held_at = seen.paused_at or inf
        for began in (began for began, ended in self._alone if ended < held_at):
            earliest = max(seen.made_at, began - self._moves.grace) + error
            yield from asked.first.times.between(earliest, began - error)

    def _now(self) -> float:
        return EPOCH + self._promises.now()

    def _left_behind(self, seen: SeenSchedule, began: float) -> Iterator[str]:
        """What a tick that began then should have seen to, of a schedule that its author has not changed since."""
        if seen.is_removed or seen.written_at >= began:
            return
        at, has_row = seen.waits_for, due_key(seen.asked.id, seen.waits_for or 0.0) not in self._lost
        is_left = at is not None and at <= began - self._error and has_row and seen.next_since < began
        times = seen.stands.definition.times
        if at is not None and is_left and not self._moves.may_hold_back(times, at, began=began, ended=self._now()):
            yield f"{told(at)} is still to come"
        for at, since in seen.moved.items():
            if since < began and at not in seen.broadcasts and at not in seen.excused:
                yield f"{told(at)} is no broadcast"

    def _wrote_schedule(self, process: Process | None, operation: Operation) -> None:
        seen, now = self.seen.get(operation.key), self._now()
        if operation.kind == "delete":
            if seen is not None:
                seen.remove()
            return
        asked = self._asked[operation.key]
        stands = standing_of(asked, operation.values)
        if seen is None:
            seen = SeenSchedule(asked=asked, stands=stands, made_at=now, written_at=now, next_since=now)
            self.seen[operation.key] = seen
            faults = self._moves.assigned_faults(stands, now=now, after=0.0)
        elif seen.is_removed:
            # A write of before the removal arrives behind it. The due row, written before, was removed with it.
            if stands.next is not None and due_key(asked.id, stands.next) not in self._due:
                self.lost(due_key(asked.id, stands.next))
            faults = self._moves.assigned_faults(stands, now=now, after=0.0)
        else:
            faults = self._move_faults(seen, stands, self._since(process))
        for fault in faults:
            self._promises.fail(f"{seen.asked.key} {fault}")
        seen.take_in(stands, now=now)

    def _move_faults(self, seen: SeenSchedule, stands: Standing, began: float) -> Iterator[str]:
        """What is wrong with a change of a schedule: by the tick, or by its author."""
        old, now = seen.stands, self._now()
        if stands.last != old.last:
            return self._moves.ran_faults(seen, stands, began=began, now=now)
        if stands.definition == old.definition and stands.is_active == old.is_active:
            return self._moves.passed_over_faults(old, stands, now=now) if stands.next != old.next else iter(())
        if stands.is_active and (stands.definition.times != old.definition.times or not old.is_active):
            return self._moves.assigned_faults(stands, now=now, after=seen.paused_at)
        if stands.next != (old.next if stands.is_active else None):
            return iter([f"was changed or paused, and now {told(stands.next)} is to come"])
        return iter(())

    def _since(self, process: Process | None) -> float:
        """Since when the tick runs that writes now."""
        begun = self._begun.get(process, []) if process else []
        return min(begun, default=self._now() - OLDEST_MOVE)


def _occurrence_of(key: str) -> tuple[str, float]:
    """The schedule and the instant that the key of an occurrence's broadcast names."""
    _, schedule, instant = key.split("!")
    return schedule, datetime.fromisoformat(instant).timestamp()
