"""The rows `tenant / window!hash` of the table Pace: what was said of late in one channel or group chat."""

from hashlib import sha256

import orjson

from shared.domain.windows import Windows, take
from shared.errors import RowConflict
from shared.ports import Clock, Table
from shared.storage.rows import Row, Values, insert, replace

TRIES = 8


class WindowRows:
    """Takes places in a conversation's windows, by compare-and-swap, for all instances together."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self._clock = clock

    async def take(self, tenant: str, key: str, *, patience: float) -> float:
        """Take the next place; seconds to wait until it is there. Further away than `patience`, none is taken."""
        row_key = f"window!{sha256(key.encode()).hexdigest()[:32]}"
        for _ in range(TRIES):
            row = await self._table.get(tenant, row_key)
            taken, wait = take(_windows(row), now=self._clock.now())
            if wait > patience:
                return wait
            values: Values = {
                "instants": orjson.dumps(taken.instants).decode(),
                "tokens": taken.tokens,
                "filled_at": taken.filled_at,
            }
            operation = insert(row_key, values) if row is None else replace(row_key, values, etag=row.etag)
            try:
                await self._table.write(tenant, [operation])
            except RowConflict:
                continue
            return wait
        # Too many speak here at once for now.
        return patience + 1.0


def _windows(row: Row | None) -> Windows:
    if row is None:
        return Windows()
    values = row.values
    return Windows(
        instants=tuple(orjson.loads(str(values["instants"]))),
        tokens=float(values["tokens"]),
        filled_at=float(values["filled_at"]),
    )
