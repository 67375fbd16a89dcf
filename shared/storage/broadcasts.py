"""The table Broadcasts: one partition for each broadcast, holding all of its rows.

    head, content!r, cursor, run!name!part, batch!n, prints!n, counts, lane!r!k, due!time!n, parked!n,
    share!time!n, frozen, part!name!n, taken

Everything of a broadcast shares a partition, so a step over two rows is one transaction. Batches of people who must be
given the app first are numbered from 50,000,000, and their lanes from 50.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from shared.domain.batches import Batch, Progress, Recipient
from shared.domain.broadcasts import BatchSummary, Broadcast
from shared.domain.cursors import Cursor
from shared.domain.lanes import is_install
from shared.domain.outcomes import Outcome
from shared.domain.plans import NewBatches
from shared.errors import BroadcastNotFound, RowConflict
from shared.ports import Table
from shared.storage import broadcast_rows as codec
from shared.storage.broadcast_keys import AFTER, CURSOR, HEAD, batch_key, content_key, due_at, lane_key
from shared.storage.counts import Counts
from shared.storage.digest_plans import DigestPlans
from shared.storage.head_changes import HeadChanges
from shared.storage.parked import ParkedBatches
from shared.storage.prints import index_of
from shared.storage.rows import MAX_TRANSACTION_ROWS, Operation, delete, insert, merge, pack_bytes, unpack_bytes, upsert
from shared.storage.runs import Runs
from shared.storage.shares import Shares

_SUMMARY = ("outcomes", "lease", "revision", "revised")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A lane row: which batch it stands at, and how long ago it was last written (seconds, by storage's clock)."""

    number: int
    batch: int
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DueMarker:
    """A marker for leftovers."""

    key: str
    due_at: float
    batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A cursor as it was read or written, with the ETag that makes the next step conditional."""

    cursor: Cursor
    etag: str
    age: float = 0.0
    """Seconds since its last write, by storage's clock alone."""


class Broadcasts:
    """Reads and writes of one broadcast's rows, of some kinds by a part of their own. Decides nothing."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.changes = HeadChanges(table)
        self.runs = Runs(table)
        self.parked = ParkedBatches(table)
        self.counts = Counts(table)
        self.shares = Shares(table)
        self.digests = DigestPlans(table)

    async def begin(
        self,
        broadcast: Broadcast,
        *,
        content: bytes,
        audience: bytes,
        cursor: Cursor,
        batch: Sequence[Recipient] = (),
    ) -> None:
        """Write content, head, cursor and lanes in one transaction, with the only batch where that is planned.

        So an occurrence whose schedule is changed while two ticks accept it is what one of them read, as a whole.
        Content and lanes are those of the broadcast's revision, which is not the first one where it is a child of a
        parent that was edited. Raises RowConflict where the head stands already: then everything of this step does.
        """
        operations = [
            upsert(content_key(broadcast.revision), pack_bytes("content", content)),
            insert(HEAD, codec.pack_broadcast(broadcast)),
            insert(CURSOR, codec.pack_cursor(cursor) | pack_bytes("audience", audience)),
            *(
                insert(lane_key(lane, broadcast.revision), {"batch": first})
                for lane, first in broadcast.lanes.starts.items()
            ),
        ]
        if batch:
            operations.append(insert(batch_key(0), codec.pack_new_batch(tuple(batch))))
        await self._table.write(broadcast.id, operations)

    async def head(self, broadcast_id: str) -> Broadcast:
        """Read the head. Raises BroadcastNotFound."""
        row = await self._table.get(broadcast_id, HEAD)
        if row is None:
            raise BroadcastNotFound(broadcast_id)
        return codec.unpack_broadcast(row)

    async def content(self, broadcast_id: str, revision: int = 0) -> bytes:
        """Read the activity as it was encoded for a revision, or the sheet of a digest."""
        row = await self._table.get(broadcast_id, content_key(revision))
        if row is None:
            raise BroadcastNotFound(broadcast_id)
        return unpack_bytes("content", row.values)

    async def cursor(self, broadcast_id: str) -> Held:
        """Read where the plan stands. Raises BroadcastNotFound."""
        row = await self._table.get(broadcast_id, CURSOR, select=codec.CURSOR_PROPERTIES)
        if row is None:
            raise BroadcastNotFound(broadcast_id)
        return Held(cursor=codec.unpack_cursor(row.values), etag=row.etag, age=row.age)

    async def audience(self, broadcast_id: str) -> bytes:
        """Read the audience as it was asked for."""
        row = await self._table.get(broadcast_id, CURSOR)
        if row is None:
            raise BroadcastNotFound(broadcast_id)
        return unpack_bytes("audience", row.values)

    async def step(
        self,
        broadcast_id: str,
        cursor: Cursor,
        *,
        etag: str,
        rows: Sequence[NewBatches] = (),
        also: Sequence[Operation] = (),
    ) -> str:
        """Write batch rows, and what else belongs to it, together with the cursor's step; answer its new ETag.

        Raises RowConflict where another planner went on, also when that other one was this call's own lost answer.
        """
        operations = [*also]
        for new in rows:
            outcome = Outcome.AWAITING_INSTALL if is_install(new.first) else Outcome.PENDING
            operations += [
                insert(batch_key(number), codec.pack_new_batch(batch, outcome))
                for number, batch in enumerate(new.batches, start=new.first)
            ]
            operations.append(index_of(new.batches, first=new.first))
        etags = await self._table.write(
            broadcast_id, [*operations, merge(CURSOR, codec.pack_cursor(cursor), etag=etag)]
        )
        return etags[-1]

    async def batch(self, broadcast_id: str, number: int) -> Batch | None:
        """Read a batch row; None where the planner has not come so far."""
        row = await self._table.get(broadcast_id, batch_key(number))
        return None if row is None else codec.unpack_batch(row, number)

    async def write_batch(
        self,
        broadcast_id: str,
        batch: Batch,
        progress: Progress,
        *,
        writer: str,
        writes: int,
        settle: bool = False,
        also: Sequence[Operation] = (),
    ) -> list[str]:
        """Write a batch's progress and lease under its ETag, in one transaction with `also`; the ETags in that order.

        `writer` is the token of the claim, `writes` the number of this write under it, and `settle` gives the lease
        back. Raises RowConflict when the row is another's by now, or when the answer to
        this very write was lost and the client tried again: `wrote` tells the two apart.
        """
        values = codec.pack_progress(progress) | {"lease": "" if settle else writer, "writer": writer, "writes": writes}
        return await self._table.write(broadcast_id, [merge(batch_key(batch.number), values, etag=batch.etag), *also])

    def handover(self, batch: Batch, *, lease: str) -> Operation:
        """The operation that claims the lane's next batch for the holder of the one before."""
        return merge(batch_key(batch.number), codec.claim(batch, lease), etag=batch.etag)

    async def wrote(self, broadcast_id: str, number: int, *, writer: str, writes: int) -> str | None:
        """The ETag of a batch row if the write numbered `writes` of `writer` is the one that stands; else None."""
        row = await self._table.get(broadcast_id, batch_key(number), select=["writer", "writes"])
        if row is None or row.values.get("writer") != writer or row.values.get("writes") != writes:
            return None
        return row.etag

    async def lanes(self, broadcast_id: str, revision: int) -> list[Lane]:
        """Read all lanes of a revision."""
        prefix = f"lane!{revision:04d}!"
        rows = self._table.scan(broadcast_id, start=prefix, end=prefix + AFTER)
        return [
            Lane(number=int(row.key.removeprefix(prefix)), batch=int(row.values["batch"]), age=row.age)
            async for row in rows
        ]

    async def due_markers(self, broadcast_id: str, *, until: float | None = None, limit: int) -> list[DueMarker]:
        """Read markers in the order of their time, those due by `until`, or all."""
        end = "due!" + AFTER if until is None else f"due!{int(until * 1000):013d}"
        rows = self._table.scan(broadcast_id, start="due!", end=end, limit=limit)
        return [_due_marker(row.key) async for row in rows]

    async def summaries(self, broadcast_id: str, *, lease_seconds: float) -> AsyncIterator[BatchSummary]:
        """Stream what a report needs of every batch row."""
        rows = self._table.scan(broadcast_id, start="batch!", end="batch!" + AFTER, select=_SUMMARY)
        async for row in rows:
            yield BatchSummary(
                number=int(row.key.removeprefix("batch!")),
                outcomes=str(row.values["outcomes"]),
                held=bool(row.values.get("lease")) and row.age <= lease_seconds,
                written_at=row.written_at,
                revision=int(row.values["revision"]),
                revised=str(row.values["revised"]),
            )

    async def batches(self, broadcast_id: str, *, first: int, limit: int) -> list[Batch]:
        """Read whole batch rows from number `first` on, for a page of a report."""
        rows = self._table.scan(broadcast_id, start=batch_key(first), end="batch!" + AFTER, limit=limit)
        return [codec.unpack_batch(row, int(row.key.removeprefix("batch!"))) async for row in rows]

    async def remove_rows(self, broadcast_id: str) -> bool:
        """Remove a transaction's worth of rows, the head after all others; whether there may be more."""
        rows = self._table.scan(broadcast_id, select=(), limit=MAX_TRANSACTION_ROWS + 1)
        keys = [row.key async for row in rows]
        if not keys:
            return False
        doomed = [key for key in keys if key != HEAD][:MAX_TRANSACTION_ROWS] or [HEAD]
        # A conflict is the echo of this very write: the next look at the partition tells what is left.
        with suppress(RowConflict):
            await self._table.write(broadcast_id, [delete(key) for key in doomed])
        return True


def _due_marker(key: str) -> DueMarker:
    return DueMarker(key=key, due_at=due_at(key), batch=int(key.rpartition("!")[2]))
