"""The pacer: takes slots from a tenant's pace row for all batches of this process, one compare-and-swap at a time.

Rules: `shared/domain/pacing.py`. This module owns the waiting, the joining and the row's last known version.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from shared.domain import pacing
from shared.domain.pacing import FarAway, Pace, Slots
from shared.errors import StorageError
from shared.ports import Clock
from shared.storage.pace import PaceRows

PATIENCE = 20.0
"""Seconds: slots further away than this are not waited for; the batch goes back to the queue."""
AHEAD = 0.7
"""A process reserves anew once it holds less than so many seconds of unused slots."""
JOINED = 1.05
"""Waiting batches are joined into one reservation of at most so many seconds of pace, or one batch."""
LONGEST_REPLY_WAIT = 2.0
ALONE_AFTER = 60.0
"""Seconds without a lost compare-and-swap after which the process takes itself to be the tenant's only one."""


Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Waiting:
    slots: int
    answer: "asyncio.Future[Slots | FarAway]"


class Pacer:
    """The slots of one tenant for one process. With no ceiling every slot is free at once."""

    def __init__(self, rows: PaceRows, *, tenant: str, ceiling: float | None, clock: Clock) -> None:
        self._rows = rows
        self._tenant = tenant
        self._ceiling = ceiling
        self._clock = clock
        self._queue: deque[_Waiting] = deque()
        self._server: asyncio.Task[None] | None = None
        self._known: tuple[Pace, str | None] | None = None
        self._reserved_until = 0.0
        self._conflict_at = 0.0
        self._epoch = 0

    async def reserve(self, slots: int, *, urgent: bool = False) -> Slots | FarAway:
        """Take the next slots, waiting while this process still holds enough. Raises StorageError."""
        if self._ceiling is None:
            return Slots(first_at=self._clock.now(), interval=0.0, epoch=0)
        if urgent:
            return await self._reserve_urgent(slots, self._ceiling)
        queued = sum(waiting.slots for waiting in self._queue) / self._ceiling
        if queued > PATIENCE:
            return FarAway(wait=queued)
        waiting = _Waiting(slots, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._server is None:
            self._server = asyncio.create_task(self._serve(self._ceiling))
        return await waiting.answer

    def is_void(self, slots: Slots) -> bool:
        """Whether the first of these slots may no longer be used: it is late, or the rate was cut since."""
        if self._ceiling is None:
            return False
        return slots.epoch < self._epoch or self._clock.now() - slots.first_at > pacing.VOID_AFTER

    async def report_throttling(self, *, epoch: int, share: float, retry_after: float) -> None:
        """Lower the tenant's rate for a group with many 429s whose slots came from `epoch`."""
        if (ceiling := self._ceiling) is None:
            return

        def cut(pace: Pace) -> tuple[Pace, None]:
            now = self._clock.now()
            return pacing.throttle(
                pace, epoch=epoch, share=share, retry_after=retry_after, now=now, ceiling=ceiling
            ), None

        await self._swap(cut, ceiling, fresh=True)

    async def _reserve_urgent(self, slots: int, ceiling: float) -> Slots:
        def take(pace: Pace) -> tuple[Pace, Slots]:
            return pacing.reserve_urgent(pace, slots=slots, now=self._clock.now(), ceiling=ceiling)

        return await self._swap(take, ceiling, fresh=True)

    async def _serve(self, ceiling: float) -> None:
        try:
            while self._queue:
                spare = self._reserved_until - self._clock.now() - AHEAD
                if spare > 0:
                    # A floor, since a wait of nothing would not let a clock advance.
                    await asyncio.sleep(max(0.005, min(spare, 2.0)))
                    continue
                await self._serve_one(self._take_waiting(ceiling), ceiling)
        finally:
            self._server = None

    def _take_waiting(self, ceiling: float) -> list[_Waiting]:
        taken = [self._queue.popleft()]
        most = max(taken[0].slots, ceiling * JOINED)
        while self._queue and sum(one.slots for one in taken) + self._queue[0].slots <= most:
            taken.append(self._queue.popleft())
        return taken

    async def _serve_one(self, taken: list[_Waiting], ceiling: float) -> None:
        total = sum(one.slots for one in taken)

        def take(pace: Pace) -> tuple[Pace | None, Slots | FarAway]:
            answer = pacing.reserve(pace, slots=total, now=self._clock.now(), ceiling=ceiling, patience=PATIENCE)
            return (None, answer) if isinstance(answer, FarAway) else answer

        try:
            answer = await self._swap(take, ceiling)
        except StorageError as error:
            for one in taken:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        for one in taken:
            if not one.answer.done():
                one.answer.set_result(answer)
            if isinstance(answer, Slots):
                answer = answer.after(one.slots)
        if isinstance(answer, Slots):
            self._reserved_until = answer.first_at

    async def _swap(
        self, change: Callable[[Pace], tuple[Pace | None, Answer]], ceiling: float, *, fresh: bool = False
    ) -> Answer:
        """Read the row, change it, write it if it still stands; again until it does. None for a row means no write.

        The last known version serves while this process is the tenant's only one, which saves the read.
        """
        shared = self._clock.now() - self._conflict_at < ALONE_AFTER
        if fresh or shared:
            self._known = None
        while True:
            if self._known is None:
                self._known = await self._rows.read(self._tenant) or (Pace(rate=ceiling), None)
            pace, etag = self._known
            self._epoch = max(self._epoch, pace.epoch)
            changed, answer = change(pace)
            if changed is None or changed == pace:
                self._known = None
                return answer
            self._known = None
            new_etag = await self._rows.swap(self._tenant, changed, etag=etag)
            if new_etag is not None:
                self._known = (changed, new_etag)
                self._epoch = max(self._epoch, changed.epoch)
                return answer
            self._conflict_at = self._clock.now()
            await asyncio.sleep(random.uniform(0.0, 0.02))  # noqa: S311 - jitter between instances is no secret


class Pacers:
    """The pacers of this process, one for each tenant. Without a `ceiling` there is no limit."""

    def __init__(self, rows: PaceRows, *, ceiling: float | None, clock: Clock) -> None:
        self._rows = rows
        self._clock = clock
        self._pacers: dict[str, Pacer] = {}
        self.ceiling = ceiling

    def of(self, tenant: str) -> Pacer:
        """The tenant's pacer, made at its first use."""
        if tenant not in self._pacers:
            self._pacers[tenant] = Pacer(self._rows, tenant=tenant, ceiling=self.ceiling, clock=self._clock)
        return self._pacers[tenant]

    async def take_slot(self, tenant: str) -> None:
        """Wait for one urgent slot, at most two seconds: a person's answer is late rather than dropped."""
        pacer = self.of(tenant)
        try:
            slots = await pacer.reserve(1, urgent=True)
        except StorageError:
            return
        if isinstance(slots, Slots):
            await asyncio.sleep(min(LONGEST_REPLY_WAIT, max(0.0, slots.first_at - self._clock.now())))
