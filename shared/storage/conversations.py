"""The Conversations table: one row for each place where Herald may speak, one partition for each tenant."""

from collections.abc import AsyncIterator

from shared.domain.references import Reference, ReferenceChange, decide_change, reference_of, values_of
from shared.errors import RowConflict
from shared.ports import Table
from shared.storage.rows import insert, merge, upsert_merge

TRIES = 5
"""Two activities about one place may meet; five in the same moment do not."""


class Conversations:
    """Keeps and finds conversation references. Keys are those of `recipient_key`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def keep(self, change: ReferenceChange) -> bool:
        """Write what an activity changed; False where a newer state stood there. Raises StorageError."""
        if change.is_state_change:
            return await self._keep_state(change)
        await self._table.write(change.tenant, [upsert_merge(change.key, change.values)])
        return True

    async def get(self, tenant: str, key: str) -> Reference | None:
        """The reference of this key; None where there is none."""
        row = await self._table.get(tenant, key)
        return None if row is None else reference_of(row.values)

    async def scan(
        self, tenant: str, *, start: str = "", end: str | None = None, limit: int | None = None
    ) -> AsyncIterator[tuple[str, Reference]]:
        """Yield keys with their references, `start` <= key < `end`, in key order."""
        async for row in self._table.scan(tenant, start=start, end=end, limit=limit):
            yield row.key, reference_of(row.values)

    async def insert_if_absent(self, tenant: str, key: str, reference: Reference) -> bool:
        """Write a reference that did not come from an activity; one that did is never overwritten by it."""
        try:
            await self._table.write(tenant, [insert(key, values_of(reference))])
        except RowConflict:
            return False
        return True

    async def _keep_state(self, change: ReferenceChange) -> bool:
        for _ in range(TRIES - 1):
            try:
                return await self._try_state(change)
            except RowConflict:
                # Whoever wrote, even this call itself with its answer lost: what stands there now decides.
                continue
        return await self._try_state(change)

    async def _try_state(self, change: ReferenceChange) -> bool:
        """Read, compare, write with the ETag. Raises RowConflict where another write came between."""
        row = await self._table.get(change.tenant, change.key)
        values = decide_change(None if row is None else row.values, change)
        if values is None:
            return False
        write = insert(change.key, values) if row is None else merge(change.key, values, etag=row.etag)
        await self._table.write(change.tenant, [write])
        return True
