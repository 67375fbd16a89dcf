"""Children: each moment of a parent becomes a broadcast of its own once that is due to be planned.

The parent's cursor first tells that there will be a child, and then the child is accepted, under the id that follows
from parent and instant: whoever finds it missing makes it. So a parent is closed over children that stand.
"""

import logging
from dataclasses import replace
from datetime import timedelta

from send_worker.plan_steps import PlanSteps
from shared.acceptance import Acceptance
from shared.domain.audience import Audience, Shared
from shared.domain.broadcasts import PLAN_AHEAD, Broadcast
from shared.domain.ids import child_id, child_key
from shared.domain.own_clocks import Moment, unpack_moments
from shared.domain.requests import BroadcastRequest, Child, Content
from shared.errors import InvalidRequest, KeyReused
from shared.families import Families
from shared.nudging import TICK_SECONDS, Nudging
from shared.passing_on import PassingOn
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts, Held
from shared.telemetry import log_event

CHILD_AHEAD = PLAN_AHEAD.total_seconds() + TICK_SECONDS
"""So many seconds before its moment a child is accepted: a tick before its own plan is due."""

logger = logging.getLogger(__name__)


class Children:
    """Makes children, and has them follow their parents."""

    def __init__(
        self,
        store: Broadcasts,
        families: Families,
        *,
        steps: PlanSteps,
        acceptance: Acceptance,
        passing_on: PassingOn,
        nudging: Nudging,
        clock: Clock,
    ) -> None:
        self._store = store
        self._families = families
        self._steps = steps
        self._acceptance = acceptance
        self._passing_on = passing_on
        self._nudging = nudging
        self._clock = clock

    async def look_after(self, parent_id: str) -> None:
        """Make the children that are due, and bring all to the state of their parent. Raises RowConflict."""
        held = await self._store.cursor(parent_id)
        for member in await self._families.members(await self._store.head(parent_id), held.cursor):
            if member.is_due and member.head is None:
                await self._make(parent_id, member.moment)
        held = await self._make_next(parent_id, held)
        await self._passing_on.pass_on(parent_id)
        await self._nudge_in_time(parent_id, held)

    async def _make_next(self, parent_id: str, held: Held) -> Held:
        """Make children as long as the next one may begin.

        The head is read behind the cursor: closing a parent that was stopped writes its cursor, so whoever read that
        before the stop cannot step it any more.
        """
        if not held.cursor.is_finished:
            return held
        for moment in unpack_moments(held.cursor.moments)[held.cursor.children :]:
            if not _may_begin(await self._store.head(parent_id), moment, self._clock.now()):
                break
            held = await self._steps.step(parent_id, held, replace(held.cursor, children=held.cursor.children + 1))
            await self._make(parent_id, moment)
        return held

    async def _make(self, parent_id: str, moment: Moment) -> None:
        """Accept a child with the newest words of its parent, or finish that."""
        parent = await self._store.head(parent_id)
        request = BroadcastRequest(
            tenant=parent.tenant,
            key=child_key(parent=parent.id, at=moment.at),
            audience=Audience(shared=Shared(parent=parent.id, at=moment.at)),
            content=Content(encoded=await self._store.content(parent.id, parent.content_revision)),
            delivery=parent.delivery,
            priority=parent.priority,
            expires_after=None if parent.expires_after is None else timedelta(seconds=parent.expires_after),
            mode=parent.mode,
            digest=parent.digest,
            starts_at=float(moment.at),
            child=_as_stands(parent),
            broadcast_id=child_id(parent=parent.id, at=moment.at),
        )
        try:
            accepted = await self._acceptance.accept(request)
        except (InvalidRequest, KeyReused) as error:
            # Only a caller who took the child's own key can bring this about, when keys of Herald's own could be taken.
            log_event(logger, "child_refused", level=logging.ERROR, broadcast=parent.id, cause=str(error))
            return
        log_event(logger, "child_made", broadcast=parent.id, child=accepted.broadcast_id, at=moment.at)

    async def _nudge_in_time(self, parent_id: str, held: Held) -> None:
        """Have the planner come back when the next child is due, where that is before the next tick."""
        following = unpack_moments(held.cursor.moments)[held.cursor.children :]
        if held.cursor.is_finished and following:
            remaining = following[0].at - CHILD_AHEAD - self._clock.now()
            if 0 < remaining <= TICK_SECONDS:
                await self._nudging.plan(parent_id, delay=remaining)


def _may_begin(parent: Broadcast, moment: Moment, now: float) -> bool:
    """Whether a moment is due to be planned, and nothing keeps its child from being made.

    A pause does not lengthen an expiry: whose time is over by now is told so by a child that sends nothing.
    """
    if now < moment.at - CHILD_AHEAD or parent.stopped_at(now) is not None:
        return False
    life = parent.expires_after
    return parent.paused is None or (life is not None and now >= max(moment.at, parent.accepted_at) + life)


def _as_stands(parent: Broadcast) -> Child:
    return Child(
        parent=parent.id,
        revision=parent.content_revision,
        accepted_at=parent.accepted_at,
        cancelled_at=parent.cancelled_at,
        paused_at=parent.paused_at if parent.paused is not None else None,
    )
