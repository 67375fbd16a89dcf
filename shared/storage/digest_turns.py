"""Whose turn it is to take a digest's items: `turns / <tenant>!<digest>` in the table Digests.

Two plans that walk through the same items would both name what neither has removed yet.
"""

from dataclasses import dataclass

from shared.ports import Table
from shared.storage.rows import insert, replace

_TURNS = "turns"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The broadcast whose plan takes items, and the version of the row that says so."""

    broadcast: str
    version: str


class DigestTurns:
    """Reads and writes of turns. Decides nothing."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def current(self, tenant: str, digest: str) -> Turn | None:
        """Whose turn it is; None before the first."""
        row = await self._table.get(_TURNS, f"{tenant}!{digest}")
        return None if row is None else Turn(broadcast=str(row.values["broadcast"]), version=row.etag)

    async def pass_to(self, tenant: str, digest: str, broadcast: str, *, after: Turn | None) -> None:
        """Make it a broadcast's turn after another's, or as the first.

        Raises RowConflict where somebody was faster, be it this very call.
        """
        key, values = f"{tenant}!{digest}", {"broadcast": broadcast}
        operation = insert(key, values) if after is None else replace(key, values, etag=after.version)
        await self._table.write(_TURNS, [operation])
