"""The table Broadcasts: one partition for each broadcast, holding all of its rows.

    head, content!r, cursor, run!name!part, batch!n, prints!n, counts, lane!r!k, due!time!n, parked!n

Everything of a broadcast shares a partition, so a step over two rows is one transaction. `install!n` and
`install_lane!k` are reserved for people who must be given the app first.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from shared.domain.batches import Batch, Progress, Recipient
from shared.domain.broadcasts import BatchSummary, Broadcast, PauseReason, pack_counts, unpack_counts
from shared.domain.plans import Cursor
from shared.domain.reports import Report
from shared.domain.revisions import pack_revised, unpack_revised
from shared.errors import BroadcastNotFound, RowConflict
from shared.ports import Table
from shared.storage import broadcast_rows as codec
from shared.storage.prints import index_of
from shared.storage.rows import (
    MAX_TRANSACTION_ROWS,
    Operation,
    Value,
    Values,
    delete,
    insert,
    merge,
    pack_bytes,
    unpack_bytes,
    upsert,
)

HEAD, CURSOR, COUNTS = "head", "cursor", "counts"
TRIES = 5
"""Two changes of one head may meet; five in the same moment do not."""
_AFTER = "\x7e"
_SUMMARY = ("outcomes", "lease", "revision", "revised")


def batch_key(number: int) -> str:
    """The key of a batch row."""
    return f"batch!{number:08d}"


def lane_key(lane: int, revision: int) -> str:
    """The key of a lane row, which names the batch that the lane works on in a revision."""
    return f"lane!{revision:04d}!{lane:02d}"


def content_key(revision: int) -> str:
    """The key of the row with a revision's encoded activity."""
    return f"content!{revision:04d}"


def due_key(due_at: float, batch: int) -> str:
    """The key of a due marker: by it the tick finds a batch's leftovers at their time (milliseconds)."""
    return f"due!{int(due_at * 1000):013d}!{batch:08d}"


def parked_key(batch: int) -> str:
    """The key of the marker of a batch that was set aside because its claims bear no fruit."""
    return f"parked!{batch:08d}"


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
    """Reads and writes of one broadcast's rows. Decides nothing."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def begin(
        self,
        broadcast: Broadcast,
        *,
        content: bytes,
        audience: bytes,
        cursor: Cursor,
        batch: Sequence[Recipient] = (),
    ) -> None:
        """Write content, then head, cursor and lanes in one transaction, with the only batch where that is planned.

        Raises RowConflict where the head stands already: then everything of this step does.
        """
        await self._table.write(broadcast.id, [upsert(content_key(0), pack_bytes("content", content))])
        operations = [
            insert(HEAD, codec.pack_broadcast(broadcast)),
            insert(CURSOR, codec.pack_cursor(cursor) | pack_bytes("audience", audience)),
            *(insert(lane_key(lane, 0), {"batch": lane}) for lane in range(broadcast.lanes)),
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
        """Read the activity as it was encoded for a revision."""
        row = await self._table.get(broadcast_id, content_key(revision))
        if row is None:
            raise BroadcastNotFound(broadcast_id)
        return unpack_bytes("content", row.values)

    async def revise(self, broadcast: Broadcast, *, content: bytes | None, at: float) -> bool:
        """Begin the next revision: an edit with new `content`, or a recall without. False when another one began.

        The head, the new revision's lanes and its content are one transaction; a finished broadcast is open again, and
        a recalled one sends nothing more.
        """
        number = broadcast.revision + 1
        also = [insert(lane_key(lane, number), {"batch": lane}) for lane in range(broadcast.lanes)]
        if content is not None:
            also.append(insert(content_key(number), pack_bytes("content", content)))

        def change(values: Values) -> Values:
            changed: dict[str, Value] = {"revision": number, "revised_at": at, "finished_at": 0.0}
            changed["recalled"] = content is None
            ended = broadcast.cancelled_at is not None or broadcast.finished_at is not None
            if content is None and not ended:
                changed["cancelled_at"] = at
            stops = content is None or broadcast.stopped_at(at) is not None
            if stops and values.get("paused") != PauseReason.BLOCKED_AUTH.value:
                # Nothing is held back any more, and nobody could let a stopped broadcast go on.
                changed["paused"] = ""
            return changed

        return await self._change_head(
            broadcast.id, change, also=also, only_if=lambda values: int(values.get("revision", 0)) == broadcast.revision
        )

    async def cancel(self, broadcast_id: str, *, at: float) -> None:
        """Note that the broadcast was cancelled; open deliveries count as such from ten seconds later."""
        await self._table.write(broadcast_id, [merge(HEAD, {"cancelled_at": at})])

    async def pause(self, broadcast_id: str, reason: PauseReason, *, at: float) -> bool:
        """Note that the broadcast stands still from now on. A person's pause takes the place of any other; no other
        reason takes the place of one that stands. Whether it was noted."""
        by_person = reason is PauseReason.BY_REQUEST

        def may_pause(values: Values) -> bool:
            # What was stopped cannot be let go on; only refused credentials end by themselves.
            stopped = bool(values.get("cancelled_at") or values.get("recalled") or values.get("finished_at"))
            return reason is PauseReason.BLOCKED_AUTH or not stopped

        return await self._change_head(
            broadcast_id,
            {"paused": reason.value, "paused_at": at},
            only_if=lambda values: may_pause(values) and (by_person or not values.get("paused")),
        )

    async def resume(self, broadcast_id: str, *, reason: PauseReason | None = None) -> bool:
        """Note that the broadcast goes on, or only if it stood still for `reason`. Whoever does this nudges its lanes.

        Who lets it go on after refusals has looked at them: it is not held for them again.
        """

        def change(values: Values) -> Values:
            seen = values.get("paused") == PauseReason.REFUSALS.value
            return {"paused": "", "refusals_seen": True} if seen else {"paused": ""}

        return await self._change_head(
            broadcast_id,
            change,
            only_if=lambda values: values.get("paused") == reason.value if reason else bool(values.get("paused")),
        )

    async def finish(self, broadcast_id: str, *, at: float, sums: str, revised_sums: str, revision: int) -> bool:
        """Note the end and the sums, those of the latest revision apart; False when another revision has begun."""
        values: dict[str, Value] = {"finished_at": at, "sums": sums, "revised_sums": revised_sums}
        return await self._change_head(
            broadcast_id, values, only_if=lambda head: int(head.get("revision", 0)) == revision
        )

    async def _change_head(
        self,
        broadcast_id: str,
        change: Values | Callable[[Values], Values],
        *,
        only_if: Callable[[Values], bool],
        also: Sequence[Operation] = (),
    ) -> bool:
        """Change a head that still is as `only_if` wants it, with `also` in one transaction; whether it was changed."""
        for _ in range(TRIES):
            row = await self._table.get(broadcast_id, HEAD)
            if row is None or not only_if(row.values):
                return False
            values = change(row.values) if callable(change) else change
            try:
                await self._table.write(broadcast_id, [merge(HEAD, values, etag=row.etag), *also])
            except RowConflict:
                continue
            return True
        return False

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
        batches: Sequence[tuple[Recipient, ...]] = (),
        first: int = 0,
    ) -> str:
        """Write batch rows from number `first` on together with the cursor's step; answer its new ETag.

        Raises RowConflict where another planner went on, also when that other one was this call's own lost answer.
        """
        operations = [
            insert(batch_key(first + index), codec.pack_new_batch(batch)) for index, batch in enumerate(batches)
        ]
        if batches:
            operations.append(index_of(batches, first=first))
        etags = await self._table.write(
            broadcast_id, [*operations, merge(CURSOR, codec.pack_cursor(cursor), etag=etag)]
        )
        return etags[-1]

    async def save_run(self, broadcast_id: str, name: str, kind: str, keys: Sequence[str]) -> None:
        """Store a run under a name that nobody used. It becomes valid by the cursor's step alone."""
        for part, values in enumerate(codec.pack_run(kind, keys)):
            await self._table.write(broadcast_id, [upsert(f"run!{name}!{part:03d}", values)])

    async def run(self, broadcast_id: str, name: str) -> tuple[str, list[str]]:
        """Read a run: its kind and its keys in order."""
        kind, keys = "", list[str]()
        async for row in self._table.scan(broadcast_id, start=f"run!{name}!", end=f"run!{name}!{_AFTER}"):
            kind, part = codec.unpack_run(row.values)
            keys.extend(part)
        return kind, keys

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
        rows = self._table.scan(broadcast_id, start=prefix, end=prefix + _AFTER)
        return [
            Lane(number=int(row.key.removeprefix(prefix)), batch=int(row.values["batch"]), age=row.age)
            async for row in rows
        ]

    async def due_markers(self, broadcast_id: str, *, until: float | None = None, limit: int) -> list[DueMarker]:
        """Read markers in the order of their time, those due by `until`, or all."""
        end = "due!" + _AFTER if until is None else f"due!{int(until * 1000):013d}"
        rows = self._table.scan(broadcast_id, start="due!", end=end, limit=limit)
        return [_due_marker(row.key) async for row in rows]

    async def parked(self, broadcast_id: str, *, first: int = 0, limit: int) -> list[int]:
        """Read which batches were set aside, from number `first` on."""
        rows = self._table.scan(broadcast_id, start=parked_key(first), end="parked!" + _AFTER, limit=limit)
        return [int(row.key.removeprefix("parked!")) async for row in rows]

    async def summaries(self, broadcast_id: str, *, lease_seconds: float) -> AsyncIterator[BatchSummary]:
        """Stream what a report needs of every batch row."""
        rows = self._table.scan(broadcast_id, start="batch!", end="batch!" + _AFTER, select=_SUMMARY)
        async for row in rows:
            yield BatchSummary(
                outcomes=str(row.values["outcomes"]),
                held=bool(row.values.get("lease")) and row.age <= lease_seconds,
                written_at=row.written_at,
                revision=int(row.values["revision"]),
                revised=str(row.values["revised"]),
            )

    async def batches(self, broadcast_id: str, *, first: int, limit: int) -> list[Batch]:
        """Read whole batch rows from number `first` on, for a page of a report."""
        rows = self._table.scan(broadcast_id, start=batch_key(first), end="batch!" + _AFTER, limit=limit)
        return [codec.unpack_batch(row, int(row.key.removeprefix("batch!"))) async for row in rows]

    async def unpark(self, broadcast_id: str, batch: Batch, *, at: float) -> None:
        """Let a batch that was set aside be worked on again, as leftovers that are due at an instant.

        Raises RowConflict where it is not parked (any more), or was written meanwhile.
        """
        marker = batch.progress.due_marker or due_key(at, batch.number)
        operations = [
            delete(parked_key(batch.number)),
            merge(batch_key(batch.number), {"fruitless": 0, "due_marker": marker}, etag=batch.etag),
        ]
        if not batch.progress.due_marker:
            operations.append(insert(marker, {}))
        await self._table.write(broadcast_id, operations)

    async def save_counts(self, broadcast_id: str, report: Report) -> None:
        """Store the sums of a running broadcast that is too large to be summed up for each look at it."""
        values: dict[str, Value] = {
            "sums": pack_counts(report.outcomes),
            "revision": report.revision,
            "revised_sums": pack_revised(report.revised),
            "rate": report.rate,
            "counted_at": report.counted_at,
        }
        await self._table.write(broadcast_id, [upsert(COUNTS, values)])

    async def counts(self, broadcast_id: str) -> Report | None:
        """Read the sums that were stored last."""
        row = await self._table.get(broadcast_id, COUNTS)
        if row is None:
            return None
        return Report(
            outcomes=unpack_counts(str(row.values["sums"])),
            rate=float(row.values["rate"]),
            counted_at=float(row.values["counted_at"]),
            revision=int(row.values["revision"]),
            revised=unpack_revised(str(row.values["revised_sums"])),
        )

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
    _, milliseconds, batch = key.split("!")
    return DueMarker(key=key, due_at=int(milliseconds) / 1000, batch=int(batch))
