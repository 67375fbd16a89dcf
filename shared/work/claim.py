"""A claim: one batch row under this process's lease, and its journal.

The lease holder is the row's only writer, by ETag. After a crash the row says what was certain.
"""

from collections.abc import Sequence
from dataclasses import replace

from shared.domain.batches import Batch, Progress
from shared.domain.broadcasts import Broadcast
from shared.domain.revisions import begin
from shared.errors import RowConflict, StorageUnavailable
from shared.storage.broadcasts import Broadcasts
from shared.storage.rows import Operation
from shared.work.deliveries import Deliveries
from shared.work.elapsed import monotonic
from shared.work.stake import Stake

HOLDER_SECONDS = 30.0
"""A holder measures its lease by its own monotonic clock, and posts nothing after two thirds of it."""


class Claim:
    """A batch that is held once `claim` has written the lease, or by the handover of the batch before."""

    def __init__(
        self,
        store: Broadcasts,
        broadcast: Broadcast,
        batch: Batch,
        *,
        lease: str,
        stake: Stake,
        stopped: bool = False,
    ) -> None:
        # In a later revision than its own a batch has its place in the lane again, and what it sent is to be revised.
        batch = replace(batch, progress=begin(batch.progress, broadcast.revision))
        self._store = store
        self._stake = stake
        self._lease = lease
        self._batch = batch
        self._fruitless_before = batch.progress.fruitless
        self._writes = batch.writes
        self._etags: list[str] = []
        self._renewed = monotonic()
        self._staked = 0
        self.broadcast = broadcast
        self.deliveries = Deliveries(batch, broadcast.delivery, stopped=stopped)
        self.is_lost = False

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
    def is_behind(self) -> bool:
        """Whether the row says less than is known: answers that are not written, or `sending` that is none any more."""
        return bool(self.deliveries.unwritten) or self._batch.progress.standing > self.deliveries.standing

    @property
    def is_overdue(self) -> bool:
        """Whether the holder is past its own deadline: it then posts nothing more."""
        return self.seconds_since_write > HOLDER_SECONDS

    def intend(self, positions: Sequence[int]) -> None:
        """Mark a group as `sending`, true once journaled; it counts for the process's stake from now on."""
        self.deliveries.intend(positions)
        self._count_stake(self.deliveries.standing)

    async def claim(self) -> bool:
        """Write the lease into the row; false when somebody else has it."""
        return await self._write(self._progress())

    async def journal(self) -> bool:
        """Write intents and results, which renews the lease; false when it is lost."""
        self.deliveries.settle_answers()
        self.deliveries.is_dirty = False
        return await self._write(self._progress())

    async def settle(
        self,
        *,
        due_marker: str | None = None,
        keep_place: bool = False,
        also: Sequence[Operation] = (),
        following: Batch | None = None,
        following_lease: str = "",
        following_stopped: bool = False,
    ) -> "Claim | None":
        """Give the lease back with the last results, in one transaction with `also`.

        Where `following` is given the same transaction claims that batch for this holder, and the answer is its
        claim; None where somebody else has taken it. `is_lost` tells when the lease of this batch was lost before.
        """
        if self.is_lost:
            return None
        if self.deliveries.standing:
            raise AssertionError(f"batch {self.number} would be settled with deliveries in `sending`")
        progress = replace(
            self._progress(),
            placed=self.has_place and keep_place,
            due_marker=self.due_marker if due_marker is None else due_marker,
        )
        if following is not None:
            handover = self._store.handover(following, lease=following_lease)
            if await self._write(progress, settle=True, also=[*also, handover]):
                return await self._handed_over(following, following_lease, stopped=following_stopped)
            # The following batch may be the one that was lost: this one is then settled alone.
            self.is_lost = False
        await self._write(progress, settle=True, also=also)
        return None

    def give_back_stake(self) -> None:
        """Whatever became of the claim: what it staked no longer counts for this process."""
        self._count_stake(0)
        self.is_lost = True

    async def _handed_over(self, following: Batch, lease: str, *, stopped: bool) -> "Claim | None":
        """The claim of the batch that came with a settlement; its ETag is read where the answer was lost."""
        etag = self._etags[-1] or await self._store.wrote(
            self.broadcast.id, following.number, writer=lease, writes=following.writes + 1
        )
        if not etag:
            return None
        claimed = replace(following, etag=etag, writes=following.writes + 1)
        return Claim(self._store, self.broadcast, claimed, lease=lease, stake=self._stake, stopped=stopped)

    def _progress(self) -> Progress:
        """The batch as the working copy has it, in the place that it has."""
        copy = self.deliveries
        return replace(
            self._batch.progress,
            outcomes="".join(outcome.value for outcome in copy.outcomes),
            notes=dict(copy.notes),
            activity_ids=dict(copy.activity_ids),
            revised="".join(copy.revised),
            revision_notes=dict(copy.revision_notes),
            sent_in=dict(copy.sent_in),
            # A claim counts as fruitless from its first intent on, until an answer comes.
            fruitless=0 if copy.has_answered else self._fruitless_before + copy.is_trying,
        )

    async def _write(self, progress: Progress, *, settle: bool = False, also: Sequence[Operation] = ()) -> bool:
        if self.is_lost:
            return False
        self._writes += 1
        sent_at = monotonic()
        etags = await self._write_or_recognise(progress, settle=settle, also=also)
        if etags is None:
            self.is_lost = True
            self.deliveries.touch()
            return False
        self._etags = etags
        self._batch = replace(self._batch, progress=progress, etag=etags[0])
        self._renewed = sent_at
        self._count_stake(progress.standing)
        return True

    def _count_stake(self, standing: int) -> None:
        self._stake.change(standing - self._staked)
        self._staked = standing

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
