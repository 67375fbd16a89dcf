"""The sums of a running broadcast that is too large to be summed up for each look at it."""

from shared.domain.broadcasts import pack_counts, unpack_counts
from shared.domain.reports import Report
from shared.domain.revisions import pack_revised, unpack_revised
from shared.ports import Table
from shared.storage.broadcast_keys import COUNTS
from shared.storage.rows import Value, upsert


class Counts:
    """Stores sums with the instant at which they were taken, and reads them again."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def save(self, broadcast_id: str, report: Report) -> None:
        """Store sums in the place of those before."""
        values: dict[str, Value] = {
            "sums": pack_counts(report.outcomes),
            "revision": report.revision,
            "revised_sums": pack_revised(report.revised),
            "rate": report.rate,
            "counted_at": report.counted_at,
        }
        await self._table.write(broadcast_id, [upsert(COUNTS, values)])

    async def read(self, broadcast_id: str) -> Report | None:
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
