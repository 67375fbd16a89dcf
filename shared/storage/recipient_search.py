"""Finds one recipient's delivery in a broadcast: reads the index of its batches, then the one batch row."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.batches import Batch
from shared.ports import Table
from shared.storage.broadcast_keys import AFTER, batch_key
from shared.storage.broadcast_rows import unpack_batch
from shared.storage.prints import PRINTS, batches_in


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A delivery: its batch, its position there, and when the batch was last written (seconds since the epoch)."""

    batch: Batch
    position: int
    written_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a search found, and how many rows of the index it read."""

    found: tuple[Found, ...]
    rows: int


class RecipientSearch:
    """Searches the table Broadcasts."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def find(self, broadcast_id: str, keys: Sequence[str]) -> Search:
        """The deliveries of a broadcast to recipients with these keys. Nothing where there is no such broadcast."""
        rows, numbers = 0, set[int]()
        async for row in self._table.scan(broadcast_id, start=PRINTS, end=PRINTS + AFTER):
            rows += 1
            numbers.update(batches_in(row, keys))
        found = list[Found]()
        for number in sorted(numbers) if rows else [0]:
            found += await self._in_batch(broadcast_id, number, keys)
        return Search(found=tuple(found), rows=rows)

    async def _in_batch(self, broadcast_id: str, number: int, keys: Sequence[str]) -> list[Found]:
        row = await self._table.get(broadcast_id, batch_key(number))
        if row is None:
            return []
        batch = unpack_batch(row, number)
        return [
            Found(batch=batch, position=position, written_at=row.written_at)
            for position, recipient in enumerate(batch.recipients)
            if recipient.key in keys
        ]
