"""The timer trigger: status, lateness and the one lease."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from localhost.functions import index_app, load_app
from localhost.invocation import Invoker
from localhost.ncrontab import Schedule
from localhost.timer_trigger import ScheduleStatus, TimerTrigger, is_past_due
from tests.localhost.hosting import SAMPLE, calls, eventually

HOURLY = Schedule.parse("0 0 * * * *")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "schedule", "expected"),
    [
        (NOON + timedelta(minutes=59), HOURLY, False),  # nothing was missed
        (NOON + timedelta(minutes=61), HOURLY, True),  # one o'clock was
        (NOON + timedelta(days=3), HOURLY, True),  # many were
        (NOON + timedelta(days=3), Schedule.parse("0 30 * * * *"), False),  # a changed schedule misses nothing
    ],
)
def test_timer_is_past_due_when_an_occurrence_was_missed(now: datetime, schedule: Schedule, expected: bool) -> None:
    status = ScheduleStatus(last=NOON, next=NOON + timedelta(hours=1), updated=NOON)

    assert is_past_due(status, schedule, now) is expected


def test_status_survives_its_file() -> None:
    never_ran = ScheduleStatus(last=None, next=NOON, updated=NOON)

    assert ScheduleStatus.from_json(never_ran.to_json()) == never_ran


async def test_first_start_notes_when_the_timer_is_due_and_runs_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, HOURLY):
        await eventually((tmp_path / "ticker.json").exists)

    assert calls() == []
    assert json.loads((tmp_path / "ticker.json").read_text())["Last"].startswith("0001-01-01")


async def test_missed_occurrences_are_made_up_for_by_one_run(tmp_path: Path) -> None:
    past = datetime.now(UTC) - timedelta(hours=5)
    status = ScheduleStatus(last=past, next=HOURLY.next_after(past), updated=past)
    (tmp_path / "ticker.json").write_text(json.dumps(status.to_json()))

    async with running(tmp_path, HOURLY):
        await eventually(lambda: len(calls()) == 1)
        await asyncio.sleep(0.2)
    async with running(tmp_path, HOURLY, clear=False):
        await asyncio.sleep(0.2)

    assert calls() == [("ticker", True)]


async def test_timer_runs_on_schedule(tmp_path: Path) -> None:
    async with running(tmp_path, Schedule.parse("* * * * * *")):
        await eventually(lambda: len(calls()) >= 2)

    assert set(calls()) == {("ticker", False)}
    # A schedule of more than one occurrence a minute is not monitored.
    assert not (tmp_path / "ticker.json").exists()


async def test_second_host_waits_for_the_lease_of_the_first(tmp_path: Path) -> None:
    every_second = Schedule.parse("* * * * * *")
    async with running(tmp_path, every_second):
        async with running(tmp_path, every_second):
            await eventually(lambda: len(calls()) >= 2)
        first_two = list(calls())

    assert len(first_two) <= 3


@asynccontextmanager
async def running(folder: Path, schedule: Schedule, *, clear: bool = True) -> AsyncIterator[None]:
    """Run the sample's timer function on any schedule."""
    function = next(one for one in index_app(load_app("sample_app", SAMPLE)) if one.name == "ticker")
    if clear:
        calls().clear()
    invoker = Invoker()
    trigger = TimerTrigger(function, schedule, folder=folder, invoker=invoker)
    task = asyncio.create_task(trigger.listen())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        invoker.close()
