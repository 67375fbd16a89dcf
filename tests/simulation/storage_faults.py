"""What tables and queues do to a process in a storm: fail before, fail after, lose answers, conflict, be away."""

import asyncio
import random
from collections.abc import Callable
from contextvars import copy_context
from functools import partial

from shared.errors import RowConflict, StorageError, StorageUnavailable
from shared.storage import names
from tests.simulation.processes import Process
from tests.simulation.promises import Promises
from tests.simulation.storm import Storm
from tests.simulation.trace import Trace
from tests.twins.storage import Call, MemoryAccount, Moment

STEP = "step"
"""What the write of a digest's step is called where processes are hit."""


class StorageFaults:
    """The hook of the world's storage."""

    def __init__(
        self,
        storm: Storm,
        *,
        account: MemoryAccount,
        dice: random.Random,
        trace: Trace,
        promises: Promises,
        running: Callable[[], Process | None],
        on_call: Callable[[str], None],
        on_message: Callable[[str], None],
    ) -> None:
        self._storm = storm
        self._account = account
        self._dice = dice
        self._trace = trace
        self._promises = promises
        self._running = running
        self._on_call = on_call
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._world = copy_context()

    async def hook(self, call: Call) -> None:
        """Watch a call, and let happen to it what the storm has for it."""
        process = self._running()
        if call.moment is Moment.AFTER:
            self._watch(process, call)
        if process is None:
            return
        if call.moment is Moment.BEFORE:
            await self._before(process, call)
        else:
            await self._after(process, call)

    def _watch(self, process: Process | None, call: Call) -> None:
        if call.verb == "put":
            self._on_message(call.store)
        elif call.verb == "write" and call.store == names.BROADCASTS:
            self._promises.wrote(call.partition, call.operations)
        elif call.verb == "write" and call.store == names.SCHEDULES:
            self._promises.schedules.wrote(process, call.partition, call.operations)
        elif call.verb == "write" and call.store == names.DIGESTS:
            version_of = partial(self._account.table(call.store).version, call.partition)
            self._promises.digests.wrote_items(call.partition, call.operations, version_of)

    async def _before(self, process: Process, call: Call) -> None:
        what = call.verb if not call.operations else f"write {' '.join(operation.key for operation in call.operations)}"
        self._trace.note(self._loop.time(), process.life.name, what, call.store)
        self._on_call(call.verb)
        await asyncio.sleep(self._storm.storage_seconds * (0.5 + self._dice.random()))
        if self._storm.slow_steps and _is_step(call):
            await asyncio.sleep(self._storm.slow_steps * self._dice.random())
        self._on_call(call.verb)
        now, storm, draw = self._loop.time(), self._storm, self._dice.random
        if call.operations:
            self._promises.note_writers(process, call.operations)
        if now >= storm.until:
            return
        for outage in storm.outages:
            if outage.covers(now) and draw() < outage.share:
                self._fail(process, "outage", call, StorageUnavailable("storage answered 503"))
        if storm.storage_fails and draw() < storm.storage_fails:
            self._fail(process, "storage_fails", call, StorageUnavailable("storage answered 500"))
        if call.verb == "scan" and storm.page_fails and draw() < storm.page_fails:
            self._fail(process, "page_fails", call, StorageUnavailable("a page could not be read"))
        if call.verb != "write":
            return
        conditional = any(operation.etag is not None for operation in call.operations)
        if conditional and storm.conflict and draw() < storm.conflict:
            self._fail(process, "conflict", call, RowConflict("storage answered 412"))
        if storm.write_late and draw() < storm.write_late:
            self._loop.call_later(self._dice.uniform(0.5, 30.0), self._write_late, process, call, context=self._world)
            self._fail(process, "write_late", call, StorageUnavailable("storage did not answer"))

    async def _after(self, process: Process, call: Call) -> None:
        self._on_call(STEP if _is_step(call) else call.verb)
        now, storm, draw = self._loop.time(), self._storm, self._dice.random
        if now < storm.until and call.verb in ("write", "put"):
            if storm.answer_lost and draw() < storm.answer_lost:
                self._fail(process, "answer_lost", call, StorageUnavailable("storage did not answer"))
            # A second try of the client below repeats the write: only a conditional one meets its own success.
            conditional = any(
                operation.etag is not None or operation.kind in ("insert", "delete") for operation in call.operations
            )
            if conditional and storm.answer_echoed and draw() < storm.answer_echoed:
                self._fail(process, "answer_echoed", call, RowConflict("the second try met the first one's success"))
        if draw() < 0.5:
            await asyncio.sleep(self._storm.storage_seconds * draw())
            self._on_call(call.verb)

    def _fail(self, process: Process, fault: str, call: Call, error: StorageError) -> None:
        self._trace.fault(self._loop.time(), process.life.name, fault, f"{call.verb} {call.store}")
        if isinstance(error, StorageUnavailable) or fault == "conflict":
            process.harmed_at = max(process.harmed_at, self._loop.time())
            self._promises.harm += 1
        raise error

    def _write_late(self, process: Process, call: Call) -> None:
        """The write that nobody waits for any more reaches the table, if its conditions still hold."""

        async def write() -> None:
            self._trace.note(self._loop.time(), "network", "late write", " ".join(one.key for one in call.operations))
            try:
                await self._account.table(call.store).write(call.partition, call.operations)
            except StorageError:
                return
            # Whose write it was has long given up what it says.
            process.harmed_at = max(process.harmed_at, self._loop.time())

        self._loop.create_task(write())


def _is_step(call: Call) -> bool:
    """Whether a digest's plan writes letters."""
    return any(operation.key == "taken" for operation in call.operations)
