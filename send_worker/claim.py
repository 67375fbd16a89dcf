"""A claim: one batch row under this process's lease, its working copy, and its journal.

The lease holder is the row's only writer, by ETag. What the copy holds becomes true by `journal`; after a crash the row
says what was certain.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from send_worker.decisions import Decision
from send_worker.elapsed import monotonic
from send_worker.stake import Stake
from shared.domain.batches import Batch, Note, Progress, Recipient
from shared.domain.broadcasts import Broadcast, DeliveryMode
from shared.domain.outcomes import Outcome
from shared.errors import RowConflict, StorageUnavailable
from shared.storage.broadcasts import Broadcasts
from shared.storage.rows import Operation

LEASE_SECONDS = 45.0
HOLDER_SECONDS = 30.0
"""A holder measures its lease by its own monotonic clock, and posts and writes nothing after two thirds of it."""


class Claim:
    """The working copy of a batch: held once `claim` has written the lease, or by the handover of the batch before."""

    def __init__(self, store: Broadcasts, broadcast: Broadcast, batch: Batch, *, lease: str, stake: Stake) -> None:
        self._store = store
        self._stake = stake
        self._lease = lease
        self._batch = batch
        self._writes = batch.writes
        self._renewed = monotonic()
        self._staked = 0
        self._bore_fruit = False
        self._fruitless_before = batch.progress.fruitless
        self._last_etags: list[str] = []
        self.broadcast = broadcast
        self.recipients: Sequence[Recipient] = batch.recipients
        self.outcomes = [Outcome(character) for character in batch.progress.outcomes]
        self.notes = dict(batch.progress.notes)
        self.activity_ids = dict(batch.progress.activity_ids)
        self.answers: deque[tuple[int, Decision]] = deque()
        """Decisions that are not yet in the copy, let alone in the row."""
        self.is_dirty = False
        """Whether the copy holds something that the row should soon know."""
        self.is_lost = False
        self._changed = asyncio.Event()
        self._take_over()

    @property
    def number(self) -> int:
        """The batch's number."""
        return self._batch.number

    @property
    def has_place(self) -> bool:
        """Whether the batch still has its place in its lane."""
        return self._batch.progress.placed

    @property
    def due_marker(self) -> str:
        """The key of the marker for its leftovers that stands in the table; empty without one."""
        return self._batch.progress.due_marker

    @property
    def seconds_since_write(self) -> float:
        """Seconds since the last successful write was sent off."""
        return monotonic() - self._renewed

    @property
    def is_overdue(self) -> bool:
        """Whether the holder is past its own deadline: it then posts and writes nothing more."""
        return self.seconds_since_write > HOLDER_SECONDS

    def note(self, position: int) -> Note:
        """What the delivery remembers, or an empty note."""
        return self.notes.get(position, Note())

    def conversation(self, position: int) -> str:
        """The (quoted) conversation to speak in; empty while it must still be created."""
        return self.recipients[position].conversation or self.note(position).conversation

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
        """Mark a group as `sending`; true once journaled."""
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

    def settle_answers(self) -> None:
        """Bring the decisions into the copy."""
        while self.answers:
            position, decision = self.answers.popleft()
            self._bore_fruit = True
            self.outcomes[position] = decision.outcome
            if decision.note is None:
                self.notes.pop(position, None)
            else:
                self.notes[position] = decision.note
            if decision.activity_id:
                self.activity_ids[position] = decision.activity_id

    async def claim(self) -> bool:
        """Write the lease into the row; false when somebody else has it."""
        return await self._write()

    async def journal(self) -> bool:
        """Write intents and results, which renews the lease; false when it is lost."""
        self.settle_answers()
        self.is_dirty = False
        return await self._write()

    async def settle(
        self,
        *,
        due_marker: str | None = None,
        keep_place: bool = False,
        also: Sequence[Operation] = (),
        following: Batch | None = None,
        following_lease: str = "",
    ) -> "Claim | None":
        """Give the lease back with the last results, in one transaction with `also`.

        Where `following` is given the same transaction claims that batch for this holder, and the answer is its
        claim; None where somebody else has taken it. `is_lost` tells when the lease of this batch was lost before.
        """
        standing = self.outcomes.count(Outcome.SENDING)
        if standing:
            raise AssertionError(f"batch {self.number} would be settled with {standing} deliveries in `sending`")
        placed = self.has_place and keep_place
        marker = self.due_marker if due_marker is None else due_marker
        if following is not None:
            handover = self._store.handover(following, lease=following_lease)
            if await self._write(placed=placed, due_marker=marker, settle=True, also=[*also, handover]):
                return await self._handed_over(following, following_lease)
            # The following batch may be the one that was lost: this one is then settled alone.
            self.is_lost = False
        await self._write(placed=placed, due_marker=marker, settle=True, also=also)
        return None

    async def _handed_over(self, following: Batch, lease: str) -> "Claim | None":
        """The claim of the batch that came with a settlement; its ETag is read where the answer was lost."""
        etag = self._last_etags[-1] or await self._store.wrote(
            self.broadcast.id, following.number, writer=lease, writes=following.writes + 1
        )
        if not etag:
            return None
        claimed = replace(following, etag=etag, writes=following.writes + 1)
        return Claim(self._store, self.broadcast, claimed, lease=lease, stake=self._stake)

    def give_back_stake(self) -> None:
        """Whatever became of the claim: what it staked no longer counts for this process."""
        self._stake.change(-self._staked)
        self._staked = 0
        self.is_lost = True

    async def _write(
        self,
        *,
        placed: bool | None = None,
        due_marker: str | None = None,
        settle: bool = False,
        also: Sequence[Operation] = (),
    ) -> bool:
        if self.is_lost:
            return False
        before = self._batch.progress
        progress = Progress(
            outcomes="".join(outcome.value for outcome in self.outcomes),
            notes=dict(self.notes),
            activity_ids=dict(self.activity_ids),
            placed=before.placed if placed is None else placed,
            due_marker=before.due_marker if due_marker is None else due_marker,
            fruitless=self._fruitless(),
        )
        self._writes += 1
        sent_at = monotonic()
        etags = await self._write_or_recognise(progress, settle=settle, also=also)
        if etags is None:
            self.is_lost = True
            self._changed.set()
            return False
        self._last_etags = etags
        self._batch = replace(self._batch, progress=progress, etag=etags[0])
        self._renewed = sent_at
        standing = self.outcomes.count(Outcome.SENDING)
        self._stake.change(standing - self._staked)
        self._staked = standing
        return True

    async def _write_or_recognise(
        self, progress: Progress, *, settle: bool, also: Sequence[Operation]
    ) -> list[str] | None:
        """The new ETags, also when the answer to this very write was lost on its way; None when the lease is."""
        broadcast_id, writer, writes = self.broadcast.id, self._lease, self._writes
        try:
            return await self._store.write_batch(
                broadcast_id, self._batch, progress, writer=writer, writes=writes, settle=settle, also=also
            )
        except RowConflict:
            # The client below tries again when an answer is lost, and then meets its own success.
            etag = await self._store.wrote(broadcast_id, self.number, writer=writer, writes=writes)
            return None if etag is None else [etag, *("" for _ in also)]
        except StorageUnavailable:
            # The row may hold this write or not: the next holder reads it, and the sweep calls one.
            return None

    def _fruitless(self) -> int:
        """Claims in a row that posted and never learned an answer: this one counts from its first intent on."""
        if self._bore_fruit:
            return 0
        return self._fruitless_before + (Outcome.SENDING in self.outcomes)

    def _take_over(self) -> None:
        """Deliveries left in `sending` by a holder that died are the only uncertain ones: resend or report them."""
        resend = self.broadcast.delivery is DeliveryMode.AT_LEAST_ONCE
        for position, outcome in enumerate(self.outcomes):
            if outcome is Outcome.SENDING:
                self.outcomes[position] = Outcome.PENDING if resend else Outcome.UNCERTAIN
