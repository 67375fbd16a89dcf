"""The table Installations: how each person came to the app, who is at it now, and what keeps a tenant's installs up.

tenant / user!<object id>    state: `installing` by a writer, or a state of `InstallState`
tenant / block               why nobody of the tenant can be given the app at the moment
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.errors import RowConflict
from shared.ports import Table
from shared.storage.rows import Operation, Row, delete, insert, merge, replace, upsert

BLOCK = "block"
INSTALLING = "installing"
BUSY_SECONDS = 90.0
"""An installation that was begun so long ago and not heard of since broke off."""
TRIES = 3
AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Why a tenant's installs stand still, as a state of `InstallState`; `age` in seconds since that was last seen."""

    state: str
    age: float
    etag: str


class Installations:
    """Reads and writes install states. Decides only who is at a person now."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def begin(self, tenant: str, keys: Sequence[str], *, writer: str) -> set[str]:
        """Note that `writer` is about to give these people the app; those of them whom nobody else is at.

        `keys` are at most 100, as they are written in one transaction.
        """
        for _ in range(TRIES):
            rows = await self._rows(tenant, keys)
            mine = {key for key in keys if not _is_busy(rows[key], writer)}
            values = {"state": INSTALLING, "writer": writer}
            operations: list[Operation] = [
                insert(key, values) if (row := rows[key]) is None else replace(key, values, etag=row.etag)
                for key in sorted(mine)
            ]
            try:
                if operations:
                    await self._table.write(tenant, operations)
            except RowConflict:
                # Somebody else began with one of them, or this write's own answer was lost: the rows tell.
                continue
            return mine
        return set()

    async def note(self, tenant: str, states: Mapping[str, str]) -> None:
        """Note what became of people, at most 100."""
        if states:
            rows = [upsert(key, {"state": state, "writer": ""}) for key, state in sorted(states.items())]
            await self._table.write(tenant, rows)

    async def block(self, tenant: str) -> Block | None:
        """What keeps the tenant's installs up; None while nothing does."""
        row = await self._table.get(tenant, BLOCK)
        return None if row is None else Block(state=str(row.values["state"]), age=row.age, etag=row.etag)

    async def set_block(self, tenant: str, state: str) -> None:
        """Note that nobody of the tenant can be given the app."""
        await self._table.write(tenant, [upsert(BLOCK, {"state": state})])

    async def probe(self, tenant: str, block: Block) -> bool:
        """Take it on to find out whether a block still stands; false where somebody else has."""
        try:
            await self._table.write(tenant, [merge(BLOCK, {"state": block.state}, etag=block.etag)])
        except RowConflict:
            return False
        return True

    async def lift_block(self, tenant: str) -> bool:
        """Note that people can be given the app again; false where nothing stood in the way any more."""
        try:
            await self._table.write(tenant, [delete(BLOCK)])
        except RowConflict:
            return False
        return True

    async def _rows(self, tenant: str, keys: Sequence[str]) -> dict[str, Row | None]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def read(key: str) -> tuple[str, Row | None]:
            async with gate:
                return key, await self._table.get(tenant, key)

        return dict(await asyncio.gather(*map(read, keys)))


def _is_busy(row: Row | None, writer: str) -> bool:
    """Whether somebody else gives the person the app at this moment."""
    if row is None or row.values["state"] != INSTALLING:
        return False
    return row.values["writer"] != writer and row.age < BUSY_SECONDS
