"""A plan in real storage: asked for, planned by processes that may be killed, and read back to the last row."""

import asyncio
import json
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from subprocess import CalledProcessError
from typing import Any

from shared.storage import names
from tests.size.planning import app_of, ask, recipients_of
from tests.size.process import STORAGE
from tests.size.register import Register
from tests.twins.storage_servers import account_at

LATEST_KILL = 0.5
"""A kill comes up to so many seconds after the step that it waits for, so that it may meet the plan anywhere."""


@dataclass(slots=True)
class Plan:
    """What a plan came to. Times are in seconds of the planner's processes without their starts, memory in bytes."""

    register: Register
    kills: int = 0
    seconds: float = 0.0
    first_nudge: float = 0.0
    """When the first nudge for a send was put."""
    planned_at_first_nudge: int = -1
    """Recipients that had a row by then."""
    peaks: list[tuple[int, int]] = field(default_factory=list)
    """Recipients that had a row, and the most memory that their planner had had by then."""

    def note(self, event: dict[str, Any]) -> None:
        """Take down what a planner's process told."""
        self.peaks.append((event["planned"], event["peak"]))
        if event["event"] == "nudge" and self.planned_at_first_nudge < 0:
            self.first_nudge, self.planned_at_first_nudge = event["seconds"], event["planned"]

    def peak_by(self, planned: int) -> int:
        """The most memory until so many recipients had a row."""
        return max((peak for number, peak in self.peaks if number <= planned), default=0)


async def run_plan(connection_string: str, *, people: int, kills: int = 0, seed: int = 0) -> Plan:
    """Plan a broadcast to everyone of `people` who has the app and to those named, with kills at drawn moments.

    Raises CalledProcessError where a planner's process fails by itself.
    """
    account = account_at(connection_string)
    dice = random.Random(seed)
    try:
        await account.ensure(tables=names.TABLES, queues=names.QUEUES)
        app = app_of(account, people=people)
        broadcast = await ask(app, people=people)
        plan = Plan(Register(recipients_of(people)))
        for mark in [*sorted(dice.sample(range(people), kills)), None]:
            planner = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.size.process", broadcast, str(people)),
                stdout=PIPE,
                env={**os.environ, STORAGE: connection_string},
            )
            await _follow(planner, plan, mark=mark, delay=dice.uniform(0, LATEST_KILL))
        await plan.register.read(app.broadcasts, broadcast)
    finally:
        await account.close()
    return plan


async def _follow(planner: asyncio.subprocess.Process, plan: Plan, *, mark: int | None, delay: float) -> None:
    """Follow a planner's process to its end, which is a kill after `delay` once `mark` recipients are planned."""
    killing: asyncio.Handle | None = None
    seconds = 0.0
    async for event in _events(planner):
        plan.note(event)
        seconds = event["seconds"]
        if mark is not None and killing is None and event["planned"] >= mark:
            killing = asyncio.get_running_loop().call_later(delay, _kill, planner)
    plan.seconds += seconds
    code = await planner.wait()
    if code == -signal.SIGKILL:
        plan.kills += 1
    elif code:
        raise CalledProcessError(code, "tests.size.process")


async def _events(planner: asyncio.subprocess.Process) -> AsyncIterator[dict[str, Any]]:
    assert planner.stdout is not None
    async for line in planner.stdout:
        # A kill may meet a line half way.
        if line.endswith(b"\n"):
            yield json.loads(line)


def _kill(planner: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        planner.kill()
