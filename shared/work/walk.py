"""The walk along a lane: work on a batch, settle it, go on with the one behind it for half a minute, then hand over."""

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Protocol

from shared.domain.broadcasts import Broadcast
from shared.errors import BroadcastNotFound, StorageUnavailable
from shared.nudging import Nudging
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.telemetry import log_event
from shared.work.claim import Claim
from shared.work.elapsed import monotonic
from shared.work.heads import Heads
from shared.work.settling import settle_batch
from shared.work.stake import Stake
from shared.work.taking import Taking

BUDGET_SECONDS = 30.0
"""One invocation goes on along its lane for so long, then it hands over by a nudge."""
LONGEST_DELAY = 1800.0
"""A nudge lives for an hour; where its time is further away the sweep nudges until then."""


class End(Enum):
    """How the work on a batch ended."""

    TRIED = auto()
    """Each delivery was tried; what is left is due later than it is worth waiting, or is somebody else's."""
    STOPPED = auto()
    """Nothing may be done for now: cancelled, expired, or held."""
    FAR_AWAY = auto()
    """The next slots are too far away to wait for."""
    LOST = auto()
    """The lease is somebody else's, or may be."""


class Run(Protocol):
    """The work on one claimed batch. It never settles the claim."""

    wait: float
    """Seconds until slots that were too far away."""

    async def work(self) -> End:
        """Do what the batch needs now."""


Begin = Callable[[Claim], Run]

logger = logging.getLogger(__name__)


@contextmanager
def ending_in_silence(broadcast_id: str, number: int) -> Iterator[None]:
    """Let the work on a nudge end where storage fails, or where there is no such broadcast: the sweep nudges again."""
    try:
        yield
    except BroadcastNotFound:
        log_event(logger, "nudge_dropped", broadcast=broadcast_id, batch=number)
    except StorageUnavailable as error:
        log_event(logger, "walk_ended_by_storage", broadcast=broadcast_id, batch=number, cause=str(error))


class LaneWalk:
    """Walks along lanes, as the sender or as the installer: what their `taking` takes is theirs."""

    def __init__(self, store: Broadcasts, *, heads: Heads, taking: Taking, nudging: Nudging, clock: Clock) -> None:
        self._store = store
        self._heads = heads
        self._taking = taking
        self._nudging = nudging
        self._clock = clock

    async def walk(self, broadcast: Broadcast, number: int, *, stake: Stake, begin: Begin) -> None:
        """Work on a batch and on what follows it in its lane, while there is time."""
        until = monotonic() + BUDGET_SECONDS
        claim = await self._taking.take(broadcast, number, stake=stake)
        while claim is not None:
            had_place = claim.has_place
            run = begin(claim)
            try:
                end = await run.work()
                if end is End.LOST:
                    return
                if end is not End.TRIED:
                    await claim.settle(keep_place=True)
                    if end is End.STOPPED:
                        await self._taking.hand_on_what_can_be_sent(claim)
                    if end is End.FAR_AWAY and not claim.is_lost:
                        jitter = random.uniform(0.8, 1.3)  # noqa: S311 - jitter between instances is no secret
                        delay = min(run.wait * jitter, LONGEST_DELAY)
                        await self._nudging.batch(broadcast.id, claim.number, delay=delay)
                    return
                following = await self._settle(claim, may_go_on=monotonic() < until)
                if claim.is_lost:
                    return
                await self._taking.hand_on_what_is_due(claim)
            finally:
                claim.give_back_stake()
            if following is None and had_place:
                number = broadcast.lanes.after(claim.number)
                if monotonic() >= until:
                    await self._nudging.batch(broadcast.id, number)
                    return
                # Read again after the lane's step: a planner that wrote the batch before it did not see the step.
                following = await self._taking.take(broadcast, number, stake=stake)
            claim = following
            if claim is not None and (await self._heads.head(broadcast.id)).revision != broadcast.revision:
                # The lanes of another revision have started: this one's are of no use any more.
                await claim.settle(keep_place=True)
                claim.give_back_stake()
                return
        await self._look_for_the_end(broadcast)

    async def leave_to_others(self, broadcast: Broadcast, number: int) -> None:
        """Have a batch worked on by others where it needs nothing of this worker, who cannot work for now."""
        await self._taking.leave_to_others(broadcast, number)

    async def _settle(self, claim: Claim, *, may_go_on: bool) -> Claim | None:
        """Give the batch back, and have the next one of its lane for it where there is time; the claim of that one."""
        # What a pause holds is still to be sent, and must be found again.
        is_over = await self._heads.is_over(claim.broadcast.id)
        following = await self._taking.following(claim) if may_go_on and claim.has_place else None
        return await settle_batch(claim, is_over=is_over, following=following, now=self._clock.now())

    async def _look_for_the_end(self, broadcast: Broadcast) -> None:
        """Have the broadcast closed, or its slow start go on, once all lanes are through; the sweep does it else."""
        cursor = (await self._store.cursor(broadcast.id)).cursor
        is_planned = cursor.waits_for_lanes or broadcast.stopped_at(self._clock.now()) is not None
        if is_planned and not any(
            cursor.holds(lane.batch) for lane in await self._store.lanes(broadcast.id, broadcast.revision)
        ):
            await self._nudging.plan(broadcast.id)
