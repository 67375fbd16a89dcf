"""The table Pace: the rows `tenant / connector` and `tenant / sandbox` of each tenant, moved by compare-and-swap."""

from dataclasses import asdict

from shared.domain.pacing import Pace
from shared.errors import RowConflict
from shared.ports import Table
from shared.storage.rows import insert, merge, replace

ROW, SANDBOX_ROW = "connector", "sandbox"


class PaceRows:
    """Reads and compare-and-swap writes of pace rows. The sandbox has rows of its own, so that it costs no slots."""

    def __init__(self, table: Table, *, row: str = ROW) -> None:
        self._table = table
        self._row = row

    async def read(self, tenant: str) -> tuple[Pace, str] | None:
        """A tenant's pace with its ETag; None where nothing was sent yet."""
        row = await self._table.get(tenant, self._row)
        if row is None:
            return None
        values = row.values
        pace = Pace(
            # An operator may have made the row by its switch alone; a rate of nothing has climbed by now.
            next_at=float(values.get("next_at", 0.0)),
            urgent_next_at=float(values.get("urgent_next_at", 0.0)),
            rate=float(values.get("rate", 0.0)),
            rate_at=float(values.get("rate_at", 0.0)),
            epoch=int(values.get("epoch", 0)),
            stopped_at=float(values.get("stopped_at", 0.0)),
        )
        return pace, row.etag

    async def swap(self, tenant: str, pace: Pace, *, etag: str | None) -> str | None:
        """Write the row if it still stands at `etag` (None: if there is none); the new ETag, or None when it moved."""
        operation = insert(self._row, asdict(pace)) if etag is None else replace(self._row, asdict(pace), etag=etag)
        try:
            return (await self._table.write(tenant, [operation]))[0]
        except RowConflict:
            return None

    async def switch(self, tenant: str, *, stopped_at: float) -> None:
        """Note since when all of the tenant's sending is stopped; zero lets it go on."""
        try:
            # A rate of nothing that held long ago has climbed to the ceiling by now.
            await self._table.write(tenant, [insert(self._row, asdict(Pace(rate=0.0, stopped_at=stopped_at)))])
        except RowConflict:
            await self._table.write(tenant, [merge(self._row, {"stopped_at": stopped_at})])
