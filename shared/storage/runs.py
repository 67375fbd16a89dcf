"""The runs of a plan: sets of recipient keys in order, each spread over as many rows as it needs."""

from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import chain, count

from shared.ports import Table
from shared.storage import broadcast_rows as codec
from shared.storage.rows import upsert


class Runs:
    """Stores runs and reads them again. Which of them are valid is the cursor's to say."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def save(self, broadcast_id: str, name: str, kind: str, keys: Sequence[str]) -> None:
        """Store a run under a name that nobody used. It becomes valid by the cursor's step alone."""
        for part, values in enumerate(codec.pack_run(kind, keys)):
            await self._table.write(broadcast_id, [upsert(_run_key(name, part), values)])

    async def read(self, broadcast_id: str, name: str) -> tuple[str, list[str]]:
        """Read a run: its kind and its keys in order."""
        parts = [part async for part in self._parts(broadcast_id, name)]
        return parts[0][0] if parts else "", [key for _, keys in parts for key in keys]

    async def walk(self, broadcast_id: str, name: str, *, after: str) -> Iterator[str]:
        """The keys of a run behind one of them, in order. They stay packed meanwhile: many are walked side by side."""
        parts = [part async for _, part in self._parts(broadcast_id, name)]
        return chain.from_iterable(map(part.__getitem__, range(bisect_right(part, after), len(part))) for part in parts)

    async def _parts(self, broadcast_id: str, name: str) -> AsyncIterator[tuple[str, Sequence[str]]]:
        """Yield the kind and the keys of each row of a run.

        Row by row: the pager of a query is a cycle that keeps its last page, here a mebibyte, until it is collected.
        """
        parts = count()
        while row := await self._table.get(broadcast_id, _run_key(name, next(parts))):
            yield codec.unpack_run(row.values)


def _run_key(name: str, part: int) -> str:
    return f"run!{name}!{part:03d}"
