"""The runs of a plan: sets of recipient keys in order, each spread over as many rows as it needs."""

from collections.abc import Sequence
from itertools import count

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
        kind, keys = "", list[str]()
        # Row by row: the pager of a query is a cycle that keeps its last page, here a mebibyte, until it is collected.
        parts = count()
        while row := await self._table.get(broadcast_id, _run_key(name, next(parts))):
            kind, part = codec.unpack_run(row.values)
            keys.extend(part)
        return kind, keys


def _run_key(name: str, part: int) -> str:
    return f"run!{name}!{part:03d}"
