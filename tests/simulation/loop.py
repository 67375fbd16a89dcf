"""The event loop of a simulation: it runs whichever ready step the seed picks, for processes that can be cut or frozen.

A step belongs to the process in whose context it was scheduled. Steps of a cut process never run, so nothing of it,
not even a `finally`, has any effect; steps of a frozen one wait until it thaws, timers included.
"""

import asyncio
import heapq
import random
from asyncio import Handle
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from tests.twins.loop import VirtualLoop


@dataclass(slots=True, eq=False)
class Life:
    """Whether a process runs, as the loop sees it."""

    name: str
    is_cut: bool = False
    frozen_until: float = 0.0
    held: list[Handle] = field(default_factory=list)
    """Steps that wait for the thaw; of a cut process, steps that never run but must not be collected either."""


LIFE: ContextVar[Life | None] = ContextVar("life", default=None)
"""The process that runs now; None for the world around the processes."""


class SeededLoop(VirtualLoop):
    """A virtual clock, and the order of ready steps by a seed."""

    # asyncio's own attributes and hooks, which have been the same from 3.8 to 3.13.
    _ready: "Any"
    _scheduled: "list[asyncio.TimerHandle]"
    _stopping: bool

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._pick = random.Random(seed).random
        self._pool: list[Handle] = []
        self.steps = 0
        self.most_steps = 0
        self.on_exhausted: Callable[[], None] = lambda: None
        """Called when `most_steps` were made: something goes round in circles."""

    def release(self, life: Life) -> None:
        """Let the steps that waited for a thaw run."""
        if not life.is_cut:
            self._pool.extend(life.held)
            life.held = []

    def _run_once(self) -> None:
        pool, ready, pick = self._pool, self._ready, self._pick
        while not self._stopping:
            if ready:
                pool.extend(ready)
                ready.clear()
            if not pool:
                self._advance()
                continue
            index = int(pick() * len(pool))
            handle, pool[index] = pool[index], pool[-1]
            pool.pop()
            if handle._cancelled:
                continue
            life: Life | None = handle._context.get(LIFE)  # type: ignore[attr-defined]
            if life is not None and (life.is_cut or life.frozen_until > self._virtual_now):
                life.held.append(handle)
                continue
            self.steps += 1
            if self.steps == self.most_steps:
                self.on_exhausted()
            handle._run()
        if ready:
            pool.extend(ready)
            ready.clear()

    def _advance(self) -> None:
        """Jump to the next timer, and make every timer of that instant ready."""
        timers = self._scheduled
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False  # type: ignore[attr-defined]
        if not timers:
            raise RuntimeError("every task waits for something that never comes")
        self._virtual_now = max(self._virtual_now, timers[0].when())
        while timers and timers[0].when() <= self._virtual_now:
            handle = heapq.heappop(timers)
            handle._scheduled = False  # type: ignore[attr-defined]
            self._pool.append(handle)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: cancelled timers leave the heap when their time comes."""
