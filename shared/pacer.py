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
from shared.stop_switch import StopSwitch
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
Take = Callable[..., tuple[Pace, Slots] | FarAway]
"""`pacing.reserve` or `pacing.reserve_urgent`."""


@dataclass(slots=True)
class _Waiting:
    slots: int
    patience: float
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
        self._urgent: deque[_Waiting] = deque()
        self._urgent_server: asyncio.Task[None] | None = None
        self._conflict_at = 0.0
        self._epoch = 0
        self._rate = ceiling
        self.switch = StopSwitch(rows, tenant=tenant, clock=clock)

    @property
    def rate(self) -> float | None:
        """Requests per second as the row last allowed; None without a limit."""
        return self._rate

    async def reserve(self, slots: int, *, urgent: bool = False, patience: float = PATIENCE) -> Slots | FarAway:
        """Take the next slots, waiting while this process still holds enough. Raises StorageError.

        `patience` is in seconds, for urgent slots alone.
        """
        if self._ceiling is None:
            return Slots(first_at=self._clock.now(), interval=0.0, epoch=0)
        if urgent:
            return await self._reserve_urgent(slots, self._ceiling, patience)
        queued = sum(waiting.slots for waiting in self._queue) / (self.rate or self._ceiling)
        if queued > PATIENCE:
            return FarAway(wait=queued)
        waiting = _Waiting(slots, PATIENCE, asyncio.get_running_loop().create_future())
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

    async def _reserve_urgent(self, slots: int, ceiling: float, patience: float) -> Slots | FarAway:
        """Take urgent slots, joined with what waits meanwhile: a hundred replies at once are a few writes."""
        waiting = _Waiting(slots, patience, asyncio.get_running_loop().create_future())
        self._urgent.append(waiting)
        if self._urgent_server is None:
            self._urgent_server = asyncio.create_task(self._serve_urgent(ceiling))
        return await waiting.answer

    async def _serve_urgent(self, ceiling: float) -> None:
        try:
            while self._urgent:
                taken = _join(self._urgent, ceiling * pacing.URGENT_SHARE * JOINED)
                await self._serve_one(taken, ceiling, take=pacing.reserve_urgent)
        finally:
            self._urgent_server = None

    async def _serve(self, ceiling: float) -> None:
        try:
            while self._queue:
                spare = self._reserved_until - self._clock.now() - AHEAD
                if spare > 0:
                    # A floor, since a wait of nothing would not let a clock advance.
                    await asyncio.sleep(max(0.005, min(spare, 2.0)))
                    continue
                taken = _join(self._queue, ceiling * JOINED)
                end = await self._serve_one(taken, ceiling, take=pacing.reserve)
                self._reserved_until = end or self._reserved_until
        finally:
            self._server = None

    async def _serve_one(self, taken: list[_Waiting], ceiling: float, *, take: Take) -> float | None:
        """Reserve for all who wait, and answer them; when the slots end, or None where none were taken."""
        total, patience = sum(one.slots for one in taken), taken[0].patience

        def change(pace: Pace) -> tuple[Pace | None, Slots | FarAway]:
            answer = take(pace, slots=total, now=self._clock.now(), ceiling=ceiling, patience=patience)
            return (None, answer) if isinstance(answer, FarAway) else answer

        try:
            answer = await self._swap(change, ceiling)
        except Exception as error:
            # It is theirs who wait, whatever it is.
            for one in taken:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return None
        for one in taken:
            if not one.answer.done():
                one.answer.set_result(answer)
            if isinstance(answer, Slots):
                answer = answer.after(one.slots)
        return answer.first_at if isinstance(answer, Slots) else None

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
                row = await self._rows.read(self._tenant)
                self.switch.see(row)
                self._known = row or (Pace(rate=ceiling), None)
            pace, etag = self._known
            self._epoch = max(self._epoch, pace.epoch)
            self._rate = pacing.rate_now(pace, now=self._clock.now(), ceiling=ceiling)
            changed, answer = change(pace)
            if changed is None or changed == pace:
                self._known = None
                return answer
            self._known = None
            new_etag = await self._rows.swap(self._tenant, changed, etag=etag)
            if new_etag is not None:
                self._known = (changed, new_etag)
                self.switch.see(self._known)
                self._epoch = max(self._epoch, changed.epoch)
                return answer
            self._conflict_at = self._clock.now()
            await asyncio.sleep(random.uniform(0.0, 0.02))  # noqa: S311 - jitter between instances is no secret


def _join(waiting: deque[_Waiting], most: float) -> list[_Waiting]:
    """Take those who wait, as many as `most` slots hold, and at least one."""
    taken = [waiting.popleft()]
    most = max(taken[0].slots, most) - taken[0].slots
    while waiting and waiting[0].slots <= most and waiting[0].patience == taken[0].patience:
        most -= waiting[0].slots
        taken.append(waiting.popleft())
    return taken


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
        try:
            async with asyncio.timeout(LONGEST_REPLY_WAIT):
                slots = await self.of(tenant).reserve(1, urgent=True, patience=LONGEST_REPLY_WAIT)
                wait = slots.wait if isinstance(slots, FarAway) else slots.first_at - self._clock.now()
                await asyncio.sleep(max(0.0, wait))
        except (StorageError, TimeoutError):
            return
