"""The runs of a plan: sets of recipient keys in order, each spread over as many rows as it needs."""

from collections.abc import Sequence

from shared.ports import Table
from shared.storage import broadcast_rows as codec
from shared.storage.broadcast_keys import AFTER
from shared.storage.rows import upsert


class Runs:
    """Stores runs and reads them again. Which of them are valid is the cursor's to say."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def save(self, broadcast_id: str, name: str, kind: str, keys: Sequence[str]) -> None:
        """Store a run under a name that nobody used. It becomes valid by the cursor's step alone."""
        for part, values in enumerate(codec.pack_run(kind, keys)):
            await self._table.write(broadcast_id, [upsert(f"run!{name}!{part:03d}", values)])

    async def read(self, broadcast_id: str, name: str) -> tuple[str, list[str]]:
        """Read a run: its kind and its keys in order."""
        kind, keys = "", list[str]()
        async for row in self._table.scan(broadcast_id, start=f"run!{name}!", end=f"run!{name}!{AFTER}"):
            kind, part = codec.unpack_run(row.values)
            keys.extend(part)
        return kind, keys
