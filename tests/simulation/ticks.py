"""The timer of a storm: ticks that come, come late or twice, are lost, or die at one of their calls."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context

from shared.errors import RowConflict
from shared.storage import names
from shared.storage.rows import delete
from tests.simulation.processes import Process
from tests.simulation.promises import Promises
from tests.simulation.seen_schedules import due_key
from tests.simulation.storm import Storm
from tests.simulation.trace import Trace
from tests.twins.storage import MemoryAccount
from tests.twins.world import EPOCH

TICK_SECONDS = 60.0
CLEAN_UP_SECONDS = 600.0
MOST_MESSAGES = 600
"""Messages that stand in all queues at once: two broadcasts with 200 due markers each, doubled at worst."""
MOST_AWAY = 300.0
"""A due row is lost so many seconds before its time at most: ten minutes behind that it is looked for."""
MOST_HIT_AT = 90
"""A tick that is to be hit is so at one of its first calls, of each of which there are four moments."""


class Ticks:
    """Gives the ticks of one world to its processes."""

    def __init__(
        self,
        storm: Storm,
        *,
        account: MemoryAccount,
        dice: random.Random,
        trace: Trace,
        promises: Promises,
        pick: Callable[[], Process | None],
    ) -> None:
        self._storm = storm
        self._account = account
        self._dice = dice
        self._trace = trace
        self._promises = promises
        self._pick = pick
        self._loop = asyncio.get_running_loop()
        self._world = copy_context()
        self._hits = storm.tick_hits
        self._fated: dict[Process, int] = {}
        """Processes that are hit in the midst of a tick, and at which moment of their calls from now."""

    async def run(self) -> None:
        """One process looks for what is due, and sweeps, each minute."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if self._is_lost():
                continue
            storm, draw = self._storm, self._dice.random
            if self._is_stormy and storm.tick_late and draw() < storm.tick_late:
                self._fault("tick_late")
                self._loop.call_later(self._dice.uniform(1.0, 50.0), self._tick, context=self._world)
                continue
            self._tick()
            if self._is_stormy and storm.tick_doubled and draw() < storm.tick_doubled:
                self._fault("tick_doubled")
                self._loop.call_later(self._dice.choice([0.0, 0.5, 20.0]), self._tick, context=self._world)

    async def clean_up(self) -> None:
        """One process looks for lost due rows, each ten minutes."""
        await asyncio.sleep(TICK_SECONDS / 2)
        while True:
            process = self._pick()
            if process is not None:
                process.spawn(process.lost_due_rows.run())
            await asyncio.sleep(CLEAN_UP_SECONDS)

    async def lose_due_row(self, at: float) -> None:
        """Somebody removes due rows of occurrences that are still a while away."""
        await asyncio.sleep(at)
        for schedule_id, seen in list(self._promises.schedules.seen.items()):
            away = 0.0 if seen.waits_for is None else seen.waits_for - EPOCH - self._loop.time()
            if seen.waits_for is not None and TICK_SECONDS < away < MOST_AWAY:
                key = due_key(schedule_id, seen.waits_for)
                with suppress(RowConflict):
                    await self._account.table(names.SCHEDULES).write("due", [delete(key)])
                    self._promises.schedules.lost(key)
                    self._fault("due_row_lost")

    def is_hit(self, process: Process) -> bool:
        """Whether this is the moment at which a tick of the process is hit. Called between any two of its steps."""
        if process not in self._fated:
            return False
        self._fated[process] -= 1
        if self._fated[process] > 0:
            return False
        del self._fated[process]
        return True

    @property
    def _is_stormy(self) -> bool:
        return self._loop.time() < self._storm.until

    def _is_lost(self) -> bool:
        storm, now = self._storm, self._loop.time()
        if not self._is_stormy:
            return False
        if storm.tick_lost and self._dice.random() < storm.tick_lost:
            self._fault("tick_lost")
            return True
        if any(window.covers(now) for window in storm.downtimes):
            self._fault("downtime")
            return True
        return False

    def _fault(self, what: str) -> None:
        self._trace.fault(self._loop.time(), "host", what)

    def _tick(self) -> None:
        process = self._pick()
        if process is not None:
            self._trace.note(self._loop.time(), process.life.name, "tick")
            if self._hits and self._is_stormy and process not in self._fated and self._dice.random() < 0.5:
                self._hits -= 1
                self._fated[process] = self._dice.randrange(1, MOST_HIT_AT)
            process.spawn(self._run(process))
        if sum(len(self._account.queue(queue).messages) for queue in names.QUEUES) > MOST_MESSAGES:
            self._promises.fail("the queues grow")

    async def _run(self, process: Process) -> None:
        """What the timer's trigger does: see the blueprint."""
        try:
            try:
                if self._storm.schedules:
                    await self._look_for_due(process)
            finally:
                await process.pipeline.sweep.run()
        except Exception as error:  # The tick fails, as the host would see it.
            self._trace.note(self._loop.time(), process.life.name, "tick_failed", repr(error))

    async def _look_for_due(self, process: Process) -> None:
        began = EPOCH + self._loop.time()
        self._promises.schedules.begins(process)
        await process.pipeline.due_schedules.run()
        self._promises.schedules.ended(process, began)
