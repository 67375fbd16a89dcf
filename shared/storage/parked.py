"""The markers of batches that were set aside because their claims bear no fruit."""

from shared.domain.batches import Batch
from shared.ports import Table
from shared.storage.broadcast_keys import AFTER, batch_key, due_key, parked_key
from shared.storage.rows import delete, insert, merge


class ParkedBatches:
    """Finds batches that were set aside, and lets them be worked on again. Who sets one aside is its holder."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def numbers(self, broadcast_id: str, *, first: int = 0, limit: int) -> list[int]:
        """Read which batches were set aside, from number `first` on."""
        rows = self._table.scan(broadcast_id, start=parked_key(first), end="parked!" + AFTER, limit=limit)
        return [int(row.key.removeprefix("parked!")) async for row in rows]

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
