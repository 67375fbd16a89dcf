"""The deliveries of a claimed batch in memory: what stands in the row, and what has happened since.

What is here becomes true when the claim journals it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from shared.domain.batches import Batch, Note
from shared.domain.broadcasts import DeliveryMode
from shared.domain.decisions import Decision
from shared.domain.outcomes import Outcome
from shared.domain.recipients import RecipientKind, kind_of
from shared.domain.revisions import Revised, RevisionDecision


class Deliveries:
    """A working copy of a batch. Deliveries left in `sending` by a holder that died are resent, or uncertain."""

    def __init__(self, batch: Batch, mode: DeliveryMode, *, stopped: bool = False) -> None:
        # After a stop nobody sends them again, so that they stay what they are: perhaps sent.
        resend = mode is DeliveryMode.AT_LEAST_ONCE and not stopped
        taken_over = Outcome.PENDING if resend else Outcome.UNCERTAIN
        outcomes = [Outcome(character) for character in batch.progress.outcomes]
        self.outcomes = [taken_over if outcome is Outcome.SENDING else outcome for outcome in outcomes]
        self.notes = dict(batch.progress.notes)
        self.activity_ids = dict(batch.progress.activity_ids)
        self.recipients = batch.recipients
        self.revised = list(batch.progress.revised)
        self.revision_notes = dict(batch.progress.revision_notes)
        self.sent_in = dict(batch.progress.sent_in)
        self.revisions: deque[tuple[int, RevisionDecision]] = deque()
        """What became of edits and recalls, not yet in the copy either."""
        self._revision = batch.progress.revision
        self._revising: set[int] = set()
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

    @property
    def is_trying(self) -> bool:
        """Whether anything was posted whose answer is not in the copy."""
        return bool(self.standing or self._revising)

    def note(self, position: int) -> Note:
        """What the delivery remembers, or an empty note."""
        return self.notes.get(position, Note())

    def conversation(self, position: int) -> str:
        """The (quoted) conversation to speak in; empty while it must still be created."""
        note = self.note(position)
        return note.conversation if note.is_renewed else self.recipients[position].conversation or note.conversation

    def requests_for(self, position: int) -> int:
        """How many requests, and so slots of the pace, it takes: two where a chat must be created first."""
        is_person = kind_of(self.recipients[position].key) is RecipientKind.USER
        return 2 if is_person and not self.conversation(position) and not self.is_sent(position) else 1

    def due(self, now: float) -> list[int]:
        """The positions that may be sent now."""
        return [
            position
            for position, outcome in enumerate(self.outcomes)
            if outcome is Outcome.PENDING or (outcome is Outcome.DEFERRED and self.note(position).due_at <= now)
        ]

    def to_revise(self, now: float) -> list[int]:
        """The positions whose messages may be edited or taken back now."""
        return [
            position
            for position, revised in enumerate(self.revised)
            if position not in self._revising
            and (
                revised == Revised.PENDING
                or (revised == Revised.DEFERRED and self.revision_notes[position].due_at <= now)
            )
        ]

    def next_due_at(self, *, sending: bool = True) -> float | None:
        """When the first deferred delivery, or revision, is due; None without any. `sending` is false after a stop."""
        instants = [note.due_at for p, note in self.revision_notes.items() if self.revised[p] == Revised.DEFERRED]
        if sending:
            instants += self._due_instants(Outcome.DEFERRED)
        return min(instants, default=None)

    def left_until(self, *, sending: bool) -> float | None:
        """When something is due that this claim leaves to others, zero for at once; None where nothing is left."""
        instants = [0.0] if Revised.PENDING in self.revised or (sending and Outcome.PENDING in self.outcomes) else []
        if sending:
            instants += self._due_instants(Outcome.AWAITING_INSTALL)
        retry_at = self.next_due_at(sending=sending)
        return min([*instants, *([] if retry_at is None else [retry_at])], default=None)

    def _due_instants(self, outcome: Outcome) -> list[float]:
        return [self.note(position).due_at for position, one in enumerate(self.outcomes) if one is outcome]

    @property
    def unwritten(self) -> int:
        """How many answers are not yet in the copy."""
        return len(self.answers) + len(self.revisions)

    def is_sent(self, position: int) -> bool:
        """Whether the message is there, so that all that can be done with it is to revise it."""
        return self.outcomes[position] is Outcome.SENT

    def intend(self, positions: Sequence[int]) -> None:
        """Mark a group as `sending`; a revision needs no such mark in the row, as doing it twice changes nothing."""
        for position in positions:
            if self.is_sent(position):
                self._revising.add(position)
            else:
                self.outcomes[position] = Outcome.SENDING

    def withdraw(self, positions: Sequence[int]) -> None:
        """Take an intent back for deliveries that were never posted."""
        for position in positions:
            if self.is_sent(position):
                self._revising.discard(position)
            else:
                self.outcomes[position] = Outcome.PENDING
        self.is_dirty = True
        self._changed.set()

    def answer(self, position: int, decision: Decision) -> None:
        """Take in what became of a delivery."""
        self.answers.append((position, decision))
        self._changed.set()

    def answer_revision(self, position: int, decision: RevisionDecision) -> None:
        """Take in what became of an edit or a recall."""
        self.revisions.append((position, decision))
        self._changed.set()

    def settle_answers(self) -> None:
        """Bring the decisions among the outcomes."""
        while self.revisions:
            position, revision = self.revisions.popleft()
            self.has_answered = True
            self.revised[position] = revision.revised.value
            self._revising.discard(position)
            if revision.note is None:
                self.revision_notes.pop(position, None)
            else:
                self.revision_notes[position] = revision.note
        while self.answers:
            position, decision = self.answers.popleft()
            self.has_answered = True
            self.outcomes[position] = decision.outcome
            if decision.note is not None:
                self.notes[position] = decision.note
            if decision.activity_id:
                self.activity_ids[position] = decision.activity_id
            if decision.outcome is Outcome.SENT and self._revision:
                self.sent_in[position] = self._revision

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
