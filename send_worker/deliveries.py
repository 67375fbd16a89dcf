"""The deliveries of a claimed batch in memory: what stands in the row, and what has happened since.

What is here becomes true when the claim journals it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from send_worker.decisions import Decision
from shared.domain.batches import Batch, Note
from shared.domain.broadcasts import DeliveryMode
from shared.domain.outcomes import Outcome
from shared.domain.recipients import RecipientKind, kind_of


class Deliveries:
    """A working copy of a batch. Deliveries left in `sending` by a holder that died are resent, or uncertain."""

    def __init__(self, batch: Batch, mode: DeliveryMode) -> None:
        taken_over = Outcome.PENDING if mode is DeliveryMode.AT_LEAST_ONCE else Outcome.UNCERTAIN
        outcomes = [Outcome(character) for character in batch.progress.outcomes]
        self.outcomes = [taken_over if outcome is Outcome.SENDING else outcome for outcome in outcomes]
        self.notes = dict(batch.progress.notes)
        self.activity_ids = dict(batch.progress.activity_ids)
        self.recipients = batch.recipients
        self.answers: deque[tuple[int, Decision]] = deque()
        """Decisions that are not yet among the outcomes, let alone in the row."""
        self.is_dirty = False
        """Whether something was withdrawn that the row still calls `sending`."""
        self.has_answered = False
        """Whether any answer was taken in at all."""
        self._changed = asyncio.Event()

    @property
    def standing(self) -> int:
        """How many stand in `sending`."""
        return self.outcomes.count(Outcome.SENDING)

    def note(self, position: int) -> Note:
        """What the delivery remembers, or an empty note."""
        return self.notes.get(position, Note())

    def conversation(self, position: int) -> str:
        """The (quoted) conversation to speak in; empty while it must still be created."""
        return self.recipients[position].conversation or self.note(position).conversation

    def requests_for(self, position: int) -> int:
        """How many requests, and so slots of the pace, it takes: two where a chat must be created first."""
        is_person = kind_of(self.recipients[position].key) is RecipientKind.USER
        return 2 if is_person and not self.conversation(position) else 1

    def due(self, now: float) -> list[int]:
        """The positions that may be sent now."""
        return [
            position
            for position, outcome in enumerate(self.outcomes)
            if outcome is Outcome.PENDING or (outcome is Outcome.DEFERRED and self.note(position).due_at <= now)
        ]

    def next_due_at(self) -> float | None:
        """When the first deferred delivery is due; None without any."""
        instants = [self.note(p).due_at for p, outcome in enumerate(self.outcomes) if outcome is Outcome.DEFERRED]
        return min(instants, default=None)

    def intend(self, positions: Sequence[int]) -> None:
        """Mark a group as `sending`."""
        for position in positions:
            self.outcomes[position] = Outcome.SENDING

    def withdraw(self, positions: Sequence[int]) -> None:
        """Take an intent back for deliveries that were never posted."""
        for position in positions:
            self.outcomes[position] = Outcome.PENDING
        self.is_dirty = True
        self._changed.set()

    def answer(self, position: int, decision: Decision) -> None:
        """Take in what became of a delivery."""
        self.answers.append((position, decision))
        self._changed.set()

    def settle_answers(self) -> None:
        """Bring the decisions among the outcomes."""
        while self.answers:
            position, decision = self.answers.popleft()
            self.has_answered = True
            self.outcomes[position] = decision.outcome
            if decision.note is not None:
                self.notes[position] = decision.note
            if decision.activity_id:
                self.activity_ids[position] = decision.activity_id

    def touch(self) -> None:
        """Wake whoever waits for a change."""
        self._changed.set()

    async def changed(self, timeout: float) -> None:
        """Wait for a change, at most `timeout` seconds."""
        self._changed.clear()
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return
