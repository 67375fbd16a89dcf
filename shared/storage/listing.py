"""Lists of what was recorded: newest first, once for each message, removed from the old end.

partition / message!<hash>                  that this message was recorded
partition / <list>!<newest first>!<hash>    what was recorded of it
"""

from collections.abc import Sequence
from contextlib import suppress
from heapq import merge

from shared.domain.ids import newest_first
from shared.errors import RowConflict
from shared.ports import Table
from shared.storage.rows import MAX_TRANSACTION_ROWS, Operation, Row, Values, delete, insert

_AFTER = "\x7e"


class Listing:
    """One kind of list in a table, in any of its partitions. `name` begins the keys of its rows."""

    def __init__(self, table: Table, *, name: str) -> None:
        self._table = table
        self._prefix = f"{name}!"

    async def record(self, partition: str, values: Values, *, at: float, named: str) -> str | None:
        """Write a row once for each message, which its hash names; its id, or None where it was recorded before."""
        row_id = f"{newest_first(at)}!{named}"
        try:
            await self._table.write(partition, [insert(_message(named), {}), insert(self._prefix + row_id, values)])
        except RowConflict:
            return None
        return row_id

    async def page(self, partitions: Sequence[str], *, after: str = "", limit: int) -> tuple[list[Row], str]:
        """Rows of several partitions as one list, newest first, from behind the id `after`; the next page's `after`."""
        start = f"{self._prefix}{after}\x20" if after else self._prefix
        found: list[list[Row]] = []
        for partition in partitions:
            rows = self._table.scan(partition, start=start, end=self._prefix + _AFTER, limit=limit + 1)
            found.append([row async for row in rows])
        merged = list(merge(*found, key=lambda row: row.key))
        kept = merged[:limit]
        return kept, self.id_of(kept[-1]) if len(merged) > limit else ""

    async def get(self, partition: str, row_id: str) -> Row | None:
        """One row by its id."""
        return await self._table.get(partition, self._prefix + row_id)

    async def remove(self, partition: str, row_id: str) -> None:
        """Remove a row, whose message may then be recorded anew; no matter if it is gone already."""
        await self._remove(partition, [row_id])

    async def remove_before(self, partition: str, *, before: float) -> int:
        """Remove up to a transaction of rows that were recorded before an instant; how many there were."""
        start = self._prefix + newest_first(before)
        rows = self._table.scan(
            partition, start=start, end=self._prefix + _AFTER, select=(), limit=MAX_TRANSACTION_ROWS // 2
        )
        ids = [self.id_of(row) async for row in rows]
        if ids:
            await self._remove(partition, ids)
        return len(ids)

    def id_of(self, row: Row) -> str:
        """The id of a row: when it was recorded, and its message's hash."""
        return row.key.removeprefix(self._prefix)

    async def _remove(self, partition: str, ids: Sequence[str]) -> None:
        operations: list[Operation] = []
        for row_id in ids:
            operations += [delete(self._prefix + row_id), delete(_message(row_id.rpartition("!")[2]))]
        try:
            await self._table.write(partition, operations)
        except RowConflict:
            # The echo of this very write, or one of the rows was removed by hand: what is left goes one by one.
            for operation in operations:
                with suppress(RowConflict):
                    await self._table.write(partition, [operation])


def _message(named: str) -> str:
    return f"message!{named}"
