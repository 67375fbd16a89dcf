"""Calls of the HTTP API in a storm: again until somebody answers."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from shared.errors import InvalidRequest, ScheduleNotFound, StorageError
from tests.simulation.processes import Process

PATIENCE = 60.0
"""Seconds that a caller waits for an HTTP answer."""


class Caller:
    """Calls whichever process takes the request."""

    def __init__(self, pick: Callable[[], Process | None]) -> None:
        self._pick = pick

    async def until_answered(self, call: Callable[[Process], Coroutine[Any, Any, object]]) -> bool:
        """Call until somebody answers: a process that dies or stands still answers nothing. Whether it agreed."""
        while True:
            process = self._pick()
            if process is not None:
                task = process.spawn(call(process))
                await asyncio.wait([task], timeout=PATIENCE)
                if task.done() and not _should_try_again(task):
                    return task.exception() is None
            await asyncio.sleep(3.0)


def _should_try_again(task: asyncio.Task[Any]) -> bool:
    """Whether the call failed in passing. Raises what is neither an answer nor a refusal."""
    if task.cancelled():
        return True
    error = task.exception()
    if error is None:
        return False
    if isinstance(error, StorageError):
        return True
    if isinstance(error, InvalidRequest):
        # The callers of a storm know the contract.
        raise error
    # Problems of the HTTP API (it has ended already) are answers, too.
    if isinstance(error, ScheduleNotFound) or type(error).__module__.startswith("messages."):
        return False
    raise error
