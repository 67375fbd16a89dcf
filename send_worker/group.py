"""A group: deliveries that share one intent and one stretch of slots, posted at their slots' times."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace

from send_worker.decisions import decide, decide_revision
from send_worker.speaker import Speaker, Spoken
from send_worker.witness import Witness
from send_worker.wording import Wording
from shared.domain.batches import Note
from shared.domain.pacing import Slots, is_throttling
from shared.errors import StorageError
from shared.pacer import Pacer
from shared.ports import Clock
from shared.teams.answers import Answer, Verdict
from shared.telemetry import log_event
from shared.work.brakes import Brakes
from shared.work.claim import Claim
from shared.work.heads import Heads

logger = logging.getLogger(__name__)

LATE = 0.0005
"""Seconds under which a wait is not worth a timer."""
LONG = 0.5
"""Seconds of a wait after which it is asked again whether the broadcast goes on: at a low rate a group takes long."""


@dataclass(slots=True, kw_only=True)
class Group:
    """The deliveries of one intent, and what came back so far."""

    positions: Sequence[int]
    slots: Slots
    left: int = field(init=False)
    """Deliveries that are neither answered nor withdrawn."""
    throttled: int = field(default=0, init=False)
    answered: int = field(default=0, init=False)
    retry_after: float = field(default=0.0, init=False)
    has_told: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.left = len(self.positions)


class GroupPoster:
    """Posts groups of one claim; every delivery is a task of its own, so a slow one never holds up its neighbours."""

    def __init__(
        self,
        claim: Claim,
        *,
        heads: Heads,
        speaker: Speaker,
        brakes: Brakes,
        witness: Witness,
        pacer: Pacer,
        clock: Clock,
        wording: Wording,
    ) -> None:
        self._claim = claim
        self._heads = heads
        self._speaker = speaker
        self._brakes = brakes
        self._witness = witness
        self._pacer = pacer
        self._clock = clock
        self._wording = wording
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, group: Group) -> None:
        """Post the group from now on."""
        self._spawn(self._post(group))

    async def finish(self) -> None:
        """Wait for everything under way; each call has its own time-out."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _post(self, group: Group) -> None:
        slots = group.slots
        for index, position in enumerate(group.positions):
            wait = slots.first_at - self._clock.now()
            if wait > LATE:
                await asyncio.sleep(wait)
            if self._claim.is_lost or self._claim.is_overdue:
                self._claim.is_lost = True
                group.left -= len(group.positions) - index
                break
            if self._pacer.is_void(slots) or (wait > LONG and not await self._may_post(position)):
                unposted = group.positions[index:]
                group.left -= len(unposted)
                self._claim.deliveries.withdraw(unposted)
                break
            self._spawn(self._post_one(group, position))
            slots = slots.after(self._claim.deliveries.requests_for(position))
        self._claim.deliveries.touch()

    async def _may_post(self, position: int) -> bool:
        """Whether a delivery whose slot was long in coming may still be posted, by a head of three seconds ago."""
        broadcast_id = self._claim.broadcast.id
        if self._claim.deliveries.is_sent(position):
            return not await self._heads.is_held(broadcast_id)
        return await self._heads.may_post(broadcast_id)

    async def _post_one(self, group: Group, position: int) -> None:
        if self._claim.is_overdue:
            # The process was frozen since the task was made: another holder may have been here, with newer words.
            self._claim.is_lost = True
            group.left -= 1
            self._claim.deliveries.touch()
            return
        await (self._revise if self._claim.deliveries.is_sent(position) else self._deliver)(group, position)

    async def _deliver(self, group: Group, position: int) -> None:
        claim, broadcast = self._claim, self._claim.broadcast
        deliveries = claim.deliveries
        recipient, note = deliveries.recipients[position], deliveries.note(position)
        # The chat may be the planner's, or one that Graph told, or that an earlier try created.
        conversation = deliveries.conversation(position)
        spoken = await self._speak(position)
        if spoken.conversation:
            note = replace(note, conversation=spoken.conversation)
        decision = decide(
            spoken.answer,
            broadcast=broadcast,
            note=note,
            delivering=spoken.delivering,
            renewable=bool(recipient.member and conversation),
            now=self._clock.now(),
            jitter=random.random(),  # noqa: S311 - jitter is no secret
        )
        # Before the answer counts: whoever looks for work next must know of a pause.
        await self._brakes.watch(broadcast.id, spoken.answer.kind)
        group.left -= 1
        group.answered += 1
        deliveries.answer(position, decision)
        if spoken.answer.kind is Verdict.THROTTLED:
            await self._count_throttled(group, spoken.answer.retry_after or 1.0)
        await self._witness.note(broadcast.tenant, recipient, decision, conversation=conversation)

    async def _revise(self, group: Group, position: int) -> None:
        """Edit or take back a message that was sent."""
        broadcast, deliveries = self._claim.broadcast, self._claim.deliveries
        recipient = deliveries.recipients[position]
        try:
            answer = await self._speaker.revise(
                recipient,
                self._wording(recipient),
                tenant=broadcast.tenant,
                conversation=deliveries.conversation(position),
                activity_id=deliveries.activity_ids[position],
            )
        except Exception as error:
            # As for a delivery: one message's bug must not keep the others waiting.
            self._tell_of_crash(position, error)
            answer = Answer(kind=Verdict.REJECTED)
        decision = decide_revision(
            answer,
            recall=broadcast.recalled,
            note=deliveries.revision_notes.get(position, Note()),
            now=self._clock.now(),
            jitter=random.random(),  # noqa: S311 - jitter is no secret
        )
        if answer.kind is Verdict.UNAUTHORIZED:
            await self._brakes.watch(broadcast.id, answer.kind)
        group.left -= 1
        group.answered += 1
        deliveries.answer_revision(position, decision)
        if answer.kind is Verdict.THROTTLED:
            await self._count_throttled(group, answer.retry_after or 1.0)

    async def _speak(self, position: int) -> Spoken:
        broadcast, deliveries = self._claim.broadcast, self._claim.deliveries
        recipient, conversation = deliveries.recipients[position], deliveries.conversation(position)
        try:
            return await self._speaker.speak(
                recipient,
                self._wording(recipient),
                tenant=broadcast.tenant,
                conversation=conversation,
                may_go_on=self._may_go_on,
            )
        except Exception as error:
            # One recipient's bug must not keep its neighbours waiting; nobody knows what was sent.
            self._tell_of_crash(position, error)
            return Spoken(answer=Answer(kind=Verdict.SERVICE_ERROR))

    def _tell_of_crash(self, position: int, error: Exception) -> None:
        log_event(
            logger,
            "delivery_crashed",
            level=logging.ERROR,
            error=error,
            broadcast=self._claim.broadcast.id,
            batch=self._claim.number,
            position=position,
        )

    async def _may_go_on(self) -> bool:
        return await self._heads.may_post(self._claim.broadcast.id)

    async def _count_throttled(self, group: Group, retry_after: float) -> None:
        group.throttled += 1
        group.retry_after = max(group.retry_after, retry_after)
        if group.has_told or not is_throttling(throttled=group.throttled, posted=len(group.positions)):
            return
        group.has_told = True
        try:
            await self._pacer.report_throttling(
                epoch=group.slots.epoch, share=group.throttled / group.answered, retry_after=group.retry_after
            )
        except StorageError:
            # The next group that is throttled tells again.
            log_event(logger, "throttling_not_told", level=logging.WARNING, broadcast=self._claim.broadcast.id)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
