"""The timer trigger: one run at a time per function, on schedule or, after an absence, once and past due.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer. The host in Azure keeps a schedule's
status and the lease that makes a timer single in blobs; this one keeps both in a folder, the lease as a lock on a file
that the kernel frees when its process dies.
"""

import asyncio
import fcntl
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from azure.functions import meta
from azure.functions.timer import TimerRequestConverter

from localhost.functions import HostedFunction
from localhost.invocation import Invoker, log_failure
from localhost.ncrontab import Schedule

logger = logging.getLogger("localhost.host")

# The host in Azure tries for the lease each minute; here a host that follows one that was killed need not wait.
LEASE_RETRY = timedelta(seconds=2)

# Long sleeps are cut, so that a clock that was set, or a machine that slept, is noticed.
_LONGEST_SLEEP = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStatus:
    """When a timer ran last (never: nothing), when it is due next, and when this was noted."""

    last: datetime | None
    next: datetime
    updated: datetime

    def to_json(self) -> dict[str, str]:
        """Return the shape in which the host stores the status and hands it to functions."""
        last = self.last or datetime.min.replace(tzinfo=UTC)
        return {"Last": last.isoformat(), "Next": self.next.isoformat(), "LastUpdated": self.updated.isoformat()}

    @classmethod
    def from_json(cls, value: dict[str, str]) -> "ScheduleStatus":
        """Read the stored shape."""
        last = datetime.fromisoformat(value["Last"])
        return cls(
            last=None if last.year == 1 else last,
            next=datetime.fromisoformat(value["Next"]),
            updated=datetime.fromisoformat(value["LastUpdated"]),
        )


def is_past_due(status: ScheduleStatus, schedule: Schedule, now: datetime) -> bool:
    """Whether an occurrence was missed; a status of another schedule misses nothing."""
    expected = schedule.next_after(status.last or status.updated)
    return status.next == expected and now > status.next


class TimerTrigger:
    """The listener of one timer function."""

    def __init__(
        self,
        function: HostedFunction,
        schedule: Schedule,
        *,
        folder: Path,
        invoker: Invoker,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.function = function
        self._schedule = schedule
        self._folder = folder
        self._invoker = invoker
        self._clock = clock
        self._status_path = folder / f"{function.name}.json"
        self._monitored = bool(function.trigger.get("useMonitor", True)) and self._is_slow()

    def _is_slow(self) -> bool:
        """Whether at most one occurrence falls in a minute: the host monitors no faster schedule."""
        first = self._schedule.next_after(self._clock())
        return self._schedule.next_after(first) - first >= timedelta(minutes=1)

    async def listen(self) -> None:
        """Run the function on schedule until cancelled, once the timer's lease is held."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{self.function.name}.lock").open("w") as lock:
            while not _try_lock(lock):  # noqa: ASYNC110 - The lock is another process's.
                await asyncio.sleep(LEASE_RETRY.total_seconds())
            await self._run_first()
            while True:
                due = self._schedule.next_after(self._clock())
                await self._sleep_until(due)
                await self.run(past_due=False)

    async def _run_first(self) -> None:
        status = self._read_status()
        now = self._clock()
        if status is not None and is_past_due(status, self._schedule, now):
            await self.run(past_due=True)
        elif self.function.trigger.get("runOnStartup"):
            await self.run(past_due=False)
        elif self._monitored and (
            status is None or status.next != self._schedule.next_after(status.last or status.updated)
        ):
            self._write_status(ScheduleStatus(last=None, next=self._schedule.next_after(now), updated=now))

    async def _sleep_until(self, due: datetime) -> None:
        while (left := (due - self._clock()).total_seconds()) > 0:  # noqa: ASYNC110 - The wall clock rings no event.
            await asyncio.sleep(min(left, _LONGEST_SLEEP))

    async def run(self, *, past_due: bool) -> None:
        """Invoke the function once; its failure is logged and does not stop the schedule."""
        started = self._clock()
        status = self._read_status()
        try:
            await self._invoker.invoke(self.function, self.to_trigger_value(status, past_due=past_due))
        except Exception as error:
            log_failure(self.function, error)
        if self._monitored:
            following = self._schedule.next_after(started)
            self._write_status(ScheduleStatus(last=started, next=following, updated=started))

    def to_trigger_value(self, status: ScheduleStatus | None, *, past_due: bool) -> Any:
        """Return the `TimerRequest` that the function receives."""
        payload = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": None if status is None else status.to_json(),
            "IsPastDue": past_due,
        }
        return TimerRequestConverter.decode(meta.Datum(type="json", value=json.dumps(payload)), trigger_metadata=None)

    def _read_status(self) -> ScheduleStatus | None:
        if not self._monitored:
            return None
        # A status cut short by a crash counts as none.
        with suppress(FileNotFoundError, ValueError, KeyError):
            return ScheduleStatus.from_json(json.loads(self._status_path.read_text(encoding="utf-8")))
        return None

    def _write_status(self, status: ScheduleStatus) -> None:
        draft = self._status_path.with_suffix(".draft")
        draft.write_text(json.dumps(status.to_json()), encoding="utf-8")
        draft.replace(self._status_path)


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
