"""Nudging a whole broadcast: whoever changed what it may do next wakes its batches. The sweep does the same in time."""

from shared.domain.broadcasts import Broadcast
from shared.domain.cursors import Cursor
from shared.domain.lanes import is_install
from shared.envelopes import Nudge, pack_nudge
from shared.ports import Queue
from shared.storage.broadcasts import Broadcasts

WAKE_SECONDS = 4.0
"""Senders remember a head for three seconds, and would find nothing to do by the one before the change."""
TICK_SECONDS = 60.0
MOST_DUE = 200
"""Due markers that are nudged at a time; the next minute brings more."""


class Nudging:
    """Puts nudges for what a broadcast has to do."""

    def __init__(self, store: Broadcasts, *, sends: Queue, plans: Queue, installs: Queue) -> None:
        self._store = store
        self._sends = sends
        self._plans = plans
        self._installs = installs

    async def plan(self, broadcast_id: str, *, delay: float = 0) -> None:
        """Have a broadcast planned, or closed."""
        await self._plans.put(pack_nudge(Nudge(broadcast=broadcast_id)), delay=delay)

    async def batch(self, broadcast_id: str, number: int, *, delay: float = 0) -> None:
        """Have a batch worked on: by the installer where its people must be given the app first, else by the sender.

        Whoever finds that it is the other one's turn hands the nudge on.
        """
        work = self.install if is_install(number) else self.send
        await work(broadcast_id, number, delay=delay)

    async def batch_in_time(self, broadcast: Broadcast, number: int, *, now: float) -> None:
        """Have a batch worked on when its broadcast's moment comes; people are given the app before that."""
        await self.batch(broadcast.id, number, delay=0.0 if is_install(number) else broadcast.wait(now))

    async def send(self, broadcast_id: str, number: int, *, delay: float = 0) -> None:
        """Have a batch sent."""
        await self._sends.put(pack_nudge(Nudge(broadcast=broadcast_id, batch=number)), delay=delay)

    async def install(self, broadcast_id: str, number: int, *, delay: float = 0) -> None:
        """Have the people of a batch given the app."""
        await self._installs.put(pack_nudge(Nudge(broadcast=broadcast_id, batch=number)), delay=delay)

    async def wake(self, broadcast: Broadcast, cursor: Cursor) -> None:
        """Nudge every lane of a broadcast that may go on, and its plan; what is due later is the sweep's."""
        for lane in await self._store.lanes(broadcast.id, broadcast.revision):
            if cursor.holds(lane.batch):
                await self.batch(broadcast.id, lane.batch, delay=WAKE_SECONDS)
        await self.plan(broadcast.id)

    async def wake_still(self, broadcast: Broadcast, cursor: Cursor, *, now: float, still: float) -> int:
        """Nudge the batches at which lanes stand for longer than `still` seconds, and those that are due; how many.

        Where nothing is left to nudge for good, the planner is nudged to close the broadcast.
        """
        lanes = await self._store.lanes(broadcast.id, broadcast.revision)
        numbers = [lane.batch for lane in lanes if cursor.holds(lane.batch) and lane.age > still]
        markers = await self._store.due_markers(broadcast.id, until=now, limit=MOST_DUE)
        numbers += [marker.batch for marker in markers]
        if broadcast.wait(now) > TICK_SECONDS:
            # What is to be sent falls due behind the next tick.
            numbers = [number for number in numbers if is_install(number)]
        for number in numbers:
            await self.batch_in_time(broadcast, number, now=now)
        is_planned = cursor.is_finished or broadcast.stopped_at(now) is not None
        is_through = is_planned and not any(cursor.holds(lane.batch) for lane in lanes)
        if is_through and not numbers and not await self._store.due_markers(broadcast.id, limit=1):
            # Whoever was to have it closed did not.
            await self.plan(broadcast.id)
        return len(numbers)
