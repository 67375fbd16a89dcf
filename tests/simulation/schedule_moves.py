"""What is promised of each move of a schedule: which occurrence is to come, and which are run, or passed over.

What is due when is read from the timetable by plain arithmetic (`timetables`). What of it was missed follows from when
the tick that moves the schedule can have looked at the clock: between its begin and the write.
"""

from collections.abc import Iterator
from datetime import timedelta

from shared.domain.schedules import GRACE, MOST_CAUGHT_UP
from tests.simulation.seen_schedules import SeenSchedule, Standing, told
from tests.simulation.storm import Storm
from tests.simulation.timetables import MINUTE, Times

OLDEST_MOVE = 300.0
"""A write follows from a look at the clock so many seconds ago at most: a freeze, a call's patience, a late write."""


class Moves:
    """Judges moves. Instants are seconds since the epoch; `now` is that of the write."""

    def __init__(self, storm: Storm) -> None:
        self.error = storm.clock_error
        grace, most = storm.knobs.get("GRACE", GRACE), storm.knobs.get("MOST_CAUGHT_UP", MOST_CAUGHT_UP)
        assert isinstance(grace, timedelta)
        assert isinstance(most, int)
        self.grace, self._most = grace.total_seconds(), most

    def assigned_faults(self, stands: Standing, *, now: float, after: float) -> Iterator[str]:
        """An author has given a schedule the occurrence to come: the first one from now on, and behind `after`."""
        times, upcoming = stands.definition.times, stands.next
        latest = times.after(now + self.error)
        earliest = max(now - OLDEST_MOVE, after) - self.error
        if upcoming is None:
            is_right = latest is None
        else:
            is_right = times.comes_at(upcoming) and earliest < upcoming <= (latest or upcoming)
        if not is_right:
            yield f"was given {told(upcoming)} to come, not {told(latest)}"

    def ran_faults(self, seen: SeenSchedule, stands: Standing, *, began: float, now: float) -> Iterator[str]:
        """A tick that began then has made the occurrence to come the last one: it is to be a broadcast."""
        old, at, times = seen.stands, stands.last, seen.stands.definition.times
        if at is None or at != old.next or stands.definition != old.definition:
            yield f"ran {told(at)} while {told(old.next)} was to come"
            return
        if at > now + self.error:
            yield f"ran {told(at)} before its time"
        if at in seen.moved:
            yield f"ran {told(at)} a second time"
        if old.last is not None and old.last not in seen.broadcasts:
            yield f"ran {told(at)} before {told(old.last)} was a broadcast"
        # The kindest moment for it: the earliest at which the tick can have looked.
        looked_at = max(began - self.error, at)
        if looked_at - at > self.grace and not self._is_made_up_for(times, at, looked_at):
            yield f"ran {told(at)} though it was missed, with {times.if_missed}"
        if looked_at - at > self.grace and all(self._closed(times, looked_at, now + self.error)):
            yield f"made up for {told(at)} in quiet hours"
        if stands.next != times.after(at):
            yield f"ran {told(at)}, and {told(stands.next)} is next, not {told(times.after(at))}"

    def passed_over_faults(self, old: Standing, stands: Standing, *, now: float) -> Iterator[str]:
        """A tick has left out occurrences up to the next one. Each of them must have been missed."""
        times, upcoming = old.definition.times, stands.next
        # The kindest moment for it: the latest at which the tick can have looked.
        looked_at = now + self.error
        following = times.after(looked_at)
        if old.next is None or (upcoming is not None and upcoming <= old.next):
            yield f"went from {told(old.next)} to {told(upcoming)}"
            return
        may_drop = times.if_closed == "drop" and any(self._closed(times, now - OLDEST_MOVE, looked_at))
        for at in times.between(old.next - 1.0, looked_at if upcoming is None else upcoming - 1.0):
            is_made_up_for = self._is_made_up_for(times, at, looked_at) and not may_drop
            if looked_at - at <= self.grace or is_made_up_for:
                yield f"passed over {told(at)}, with {times.if_missed}"
        if upcoming is None:
            is_right = following is None
        else:
            is_right = times.comes_at(upcoming) and upcoming <= (following or upcoming)
        if not is_right:
            yield f"passed over what was missed, and {told(upcoming)} is next"

    def may_hold_back(self, times: Times, at: float, *, began: float, ended: float) -> bool:
        """Whether a tick may have found an occurrence missed, and its schedule closed, so that it is to wait."""
        is_missed = ended + self.error - at > self.grace and times.if_missed != "skip"
        is_closed = any(self._closed(times, began - self.error, ended + self.error))
        return is_missed and is_closed and times.if_closed == "wait"

    def _closed(self, times: Times, begin: float, end: float) -> Iterator[bool]:
        """Whether the schedule was closed, at each moment from which to another that can make a difference."""
        yield times.is_closed(begin)
        yield times.is_closed(end)
        for number in range(int(begin // MINUTE) + 1, int(end // MINUTE) + 1):
            yield times.is_closed(number * MINUTE)

    def _is_made_up_for(self, times: Times, at: float, now: float) -> bool:
        """Whether an occurrence that was missed is one of the latest that the timetable has made up for."""
        most = {"run_once": 1, "run_all": self._most, "skip": 0}[times.if_missed]
        return len(times.between(at, now)) < most
