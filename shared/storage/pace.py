"""The table Pace: one row `tenant / connector` for each tenant, moved by compare-and-swap."""

from dataclasses import asdict

from shared.domain.pacing import Pace
from shared.errors import RowConflict
from shared.ports import Table
from shared.storage.rows import insert, replace

ROW = "connector"


class PaceRows:
    """Reads and compare-and-swap writes of pace rows."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def read(self, tenant: str) -> tuple[Pace, str] | None:
        """A tenant's pace with its ETag; None where nothing was sent yet."""
        row = await self._table.get(tenant, ROW)
        if row is None:
            return None
        values = row.values
        pace = Pace(
            next_at=float(values["next_at"]),
            urgent_next_at=float(values["urgent_next_at"]),
            rate=float(values["rate"]),
            rate_at=float(values["rate_at"]),
            epoch=int(values["epoch"]),
        )
        return pace, row.etag

    async def swap(self, tenant: str, pace: Pace, *, etag: str | None) -> str | None:
        """Write the row if it still stands at `etag` (None: if there is none); the new ETag, or None when it moved."""
        operation = insert(ROW, asdict(pace)) if etag is None else replace(ROW, asdict(pace), etag=etag)
        try:
            return (await self._table.write(tenant, [operation]))[0]
        except RowConflict:
            return None
