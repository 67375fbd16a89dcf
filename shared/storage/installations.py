"""The table Installations: how each person came to the app, who is at it now, and what keeps a tenant's installs up.

tenant / user!<object id>, channel!<team id>, chat!<id>
                             state: `installing` by a writer, or a state of `InstallState`
tenant / block!<scope>       why nobody of the tenant can be given the app in this scope at the moment
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.domain.scopes import Scope
from shared.errors import RowConflict
from shared.ports import Table
from shared.storage.rows import Operation, Row, delete, insert, merge, replace, upsert

_BLOCK, _AFTER = "block!", "\x7e"
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
        # Mostly nobody has met these people before: a read of each is for those who were.
        rows: Mapping[str, Row | None] = dict.fromkeys(keys)
        for _ in range(TRIES + 1):
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
                # There is a row, somebody else's or that of this very write, whose answer was lost: the rows tell.
                rows = await self._rows(tenant, keys)
                continue
            return mine
        return set()

    async def note(self, tenant: str, states: Mapping[str, str]) -> None:
        """Note what became of people, at most 100."""
        if states:
            rows = [upsert(key, {"state": state, "writer": ""}) for key, state in sorted(states.items())]
            await self._table.write(tenant, rows)

    async def blocks(self, tenant: str) -> dict[Scope, Block]:
        """What keeps the tenant's installs up, by scope; empty while nothing does."""
        rows = [row async for row in self._table.scan(tenant, start=_BLOCK, end=_BLOCK + _AFTER)]
        found = {
            Scope(row.key.removeprefix(_BLOCK)): Block(state=str(row.values["state"]), age=row.age, etag=row.etag)
            for row in rows
        }
        return {scope: found[scope] for scope in Scope if scope in found}

    async def set_block(self, tenant: str, scope: Scope, state: str) -> None:
        """Note that nobody of the tenant can be given the app in this scope."""
        await self._table.write(tenant, [upsert(_BLOCK + scope, {"state": state})])

    async def probe(self, tenant: str, scope: Scope, block: Block) -> bool:
        """Take it on to find out whether a block still stands; false where somebody else has."""
        try:
            await self._table.write(tenant, [merge(_BLOCK + scope, {"state": block.state}, etag=block.etag)])
        except RowConflict:
            return False
        return True

    async def lift_block(self, tenant: str, scope: Scope) -> bool:
        """Note that the app can be given again; false where nothing stood in the way any more."""
        try:
            await self._table.write(tenant, [delete(_BLOCK + scope)])
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
