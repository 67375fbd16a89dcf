"""The Conversations table: one row for each place where Herald may speak, one partition for each tenant."""

from collections.abc import AsyncIterator

from shared.domain.recipients import RecipientKind
from shared.domain.references import (
    Reference,
    ReferenceChange,
    ReferenceState,
    decide_change,
    reference_of,
    values_of,
)
from shared.errors import RowConflict
from shared.ports import Table
from shared.storage.rows import Operation, insert, merge, upsert_merge

_PEOPLE, _AFTER = f"{RecipientKind.USER}!", "\x7e"
_REACH = ("state", "changed_at", "seen_at", "conversation")
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

    async def people(self, tenant: str, *, after: str = "", limit: int) -> AsyncIterator[tuple[str, Reference]]:
        """Yield people's keys from behind `after`, with what tells whether they can be reached, and no more of it."""
        start = after + "\x20" if after else _PEOPLE
        async for row in self._table.scan(tenant, start=start, end=_PEOPLE + _AFTER, select=_REACH, limit=limit):
            yield row.key, reference_of(row.values)

    async def insert_if_absent(self, tenant: str, key: str, reference: Reference) -> bool:
        """Write a reference that did not come from an activity; one that did is never overwritten by it."""
        try:
            await self._table.write(tenant, [insert(key, values_of(reference))])
        except RowConflict:
            return False
        return True

    async def mark(self, tenant: str, key: str, state: ReferenceState, *, at: str) -> None:
        """Note what an answer of the Connector said about a reference that exists; a newer change stays.

        `at` is the instant in the form of `Reference.changed_at`.
        """
        row = await self._table.get(tenant, key)
        if row is not None and str(row.values.get("changed_at", "")) <= at:
            await self._change(tenant, merge(key, {"state": state.value, "changed_at": at}, etag=row.etag))

    async def forget_conversation(self, tenant: str, key: str, conversation: str) -> None:
        """Drop a conversation that is gone, unless an activity has brought another one since."""
        row = await self._table.get(tenant, key)
        if row is not None and row.values.get("conversation") == conversation:
            await self._change(tenant, merge(key, {"conversation": ""}, etag=row.etag))

    async def move(self, tenant: str, key: str, service_url: str) -> None:
        """Note the service URL that a reference turned out to need."""
        await self._change(tenant, merge(key, {"service_url": service_url}))

    async def know_group(self, tenant: str, key: str, group: str) -> None:
        """Note the group of a team of which no activity has told it: those of its channels do not."""
        row = await self._table.get(tenant, key)
        if row is not None and not row.values.get("group"):
            await self._change(tenant, merge(key, {"group": group}, etag=row.etag))

    async def keep_created(self, tenant: str, key: str, *, conversation: str, service_url: str, at: str) -> None:
        """Keep a conversation that Herald created, which proves that the bot is there: in a new row, or in one that
        has lost its own or was taken for uninstalled. `at` as in `mark`."""
        created = Reference(conversation=conversation, service_url=service_url)
        if await self.insert_if_absent(tenant, key, created):
            return
        row = await self._table.get(tenant, key)
        if row is None:
            return
        known = reference_of(row.values)
        if known.conversation and known.state is not ReferenceState.UNINSTALLED:
            return
        values = {"conversation": conversation, "state": ReferenceState.ACTIVE.value, "changed_at": at}
        await self._change(tenant, merge(key, values, etag=row.etag))

    async def _change(self, tenant: str, operation: Operation) -> None:
        """Write; where the row moved meanwhile, or is gone, somebody else knows better."""
        try:
            await self._table.write(tenant, [operation])
        except RowConflict:
            return

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
