"""The authors of a storm's schedules: they make, change, hold, run and remove them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import orjson

from shared.errors import InvalidRequest
from tests.simulation.asks import AskedSchedule, Definition
from tests.simulation.calling import Caller
from tests.simulation.clients import document_of
from tests.simulation.drops import digest_document
from tests.simulation.processes import Process
from tests.simulation.schedule_promises import SchedulePromises
from tests.simulation.storm import Storm
from tests.simulation.trace import Trace
from tests.twins.world import EPOCH

URL = "https://herald.test/api/schedules"
LOOK_SECONDS = 5.0
SETTLING_SECONDS = 130.0
"""Two ticks after the storm in which schedules still come."""


class Authors:
    """The callers of one world's schedules. They are no part of the app, so nothing happens to them."""

    def __init__(self, storm: Storm, *, trace: Trace, promises: SchedulePromises, caller: Caller) -> None:
        self._storm = storm
        self._trace = trace
        self._promises = promises
        self._caller = caller

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """What each of them does, to be run side by side."""
        work = list[Coroutine[Any, Any, None]]()
        for asked in self._storm.schedules:
            work.append(self._make(asked, after=asked.at))
            if asked.again_after is not None:
                work.append(self._make(asked, after=asked.at + asked.again_after))
            work += [self._change(asked, after, definition) for after, definition in asked.changes]
            work += [self._pause(asked, after, length) for after, length in asked.pauses]
            work += [self._run(asked, after) for after in asked.runs]
            if asked.removed_after is not None:
                work.append(self._remove(asked, asked.removed_after))
        return work

    async def retire(self) -> None:
        """After the storm, once what was due has come, hold every schedule, so that the run has an end."""
        await asyncio.sleep(SETTLING_SECONDS)
        while not self._promises.is_caught_up():
            await asyncio.sleep(LOOK_SECONDS)
        while True:
            for schedule_id, seen in list(self._promises.seen.items()):
                if seen.waits_for is not None:
                    await self._hold(schedule_id)
            await asyncio.sleep(LOOK_SECONDS)

    async def _hold(self, schedule_id: str) -> None:
        await self._caller.until_answered(lambda process: process.schedules.pause(schedule_id, url=URL))

    async def _make(self, asked: AskedSchedule, *, after: float) -> None:
        await asyncio.sleep(after)
        body = _body(asked, asked.first, key=asked.key)
        try:
            await self._caller.until_answered(lambda process: process.schedules.create(body, key_header=None, url=URL))
        except InvalidRequest:
            if asked.first.times.after(self._now()) is not None:
                raise
            self._promises.refused.add(asked.id)
            return
        self._note("schedule")

    async def _change(self, asked: AskedSchedule, after: float, definition: Definition) -> None:
        body = _body(asked, definition)
        try:
            await self._wish(
                asked,
                after,
                lambda process: process.schedules.put(asked.id, body, if_match="*", url=URL),
                noted="schedule_change",
            )
        except InvalidRequest:
            if definition.times.after(self._now()) is not None:
                raise

    async def _pause(self, asked: AskedSchedule, after: float, length: float) -> None:
        await self._wish(
            asked, after, lambda process: process.schedules.pause(asked.id, url=URL), noted="schedule_pause"
        )
        await asyncio.sleep(length)
        await self._wish(asked, 0.0, lambda process: process.schedules.resume(asked.id, url=URL))

    async def _run(self, asked: AskedSchedule, after: float) -> None:
        def run(process: Process) -> Coroutine[Any, Any, object]:
            self._promises.seen[asked.id].runs.append(self._now())
            return process.schedules.run(asked.id, url=URL)

        if await self._wish(asked, after, run, noted="schedule_run"):
            self._promises.seen[asked.id].answered += 1

    async def _remove(self, asked: AskedSchedule, after: float) -> None:
        await self._wish(asked, after, lambda process: process.schedules.remove(asked.id), noted="schedule_removal")

    async def _wish(
        self,
        asked: AskedSchedule,
        after: float,
        wish: Callable[[Process], Coroutine[Any, Any, object]],
        *,
        noted: str = "",
    ) -> bool:
        """Wish something of a schedule once it stands; whether that was agreed to."""
        await asyncio.sleep(after)
        while asked.id not in self._promises.seen:
            if asked.id in self._promises.refused:
                return False
            await asyncio.sleep(1.0)
        is_agreed = await self._caller.until_answered(wish)
        if is_agreed and noted:
            self._note(noted)
        return is_agreed

    def _note(self, wish: str) -> None:
        self._trace.fault(asyncio.get_running_loop().time(), "author", wish)

    def _now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()


def _body(asked: AskedSchedule, definition: Definition, **more: str) -> bytes:
    if asked.ask.digest:
        request = digest_document(asked.ask, definition.words)
        return orjson.dumps({**request, "timetable": definition.times.document, **more})
    request = document_of(asked.ask)
    kept = {name: request[name] for name in ("version", "tenant", "audience", "options")}
    content = {"text": definition.words}
    return orjson.dumps({**kept, "timetable": definition.times.document, "content": content, **more})
