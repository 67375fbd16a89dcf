"""The table Directory: by tenant the broadcasts and their idempotency keys, and what the tick looks at.

tenant / key!<sha256 of the key>              which broadcast the key stands for
tenant / broadcast!<newest first>!<id>        the list of broadcasts
open / <broadcast id>                         broadcasts that have not ended
open / last-sweep                             when the last sweep ran
due / <milliseconds>!<broadcast id>           broadcasts that sleep until then
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from shared.domain.ids import newest_first
from shared.errors import RowConflict
from shared.ports import Table
from shared.storage.rows import Row, Value, delete, insert, upsert

_OPEN, _LAST_SWEEP, _DUE = "open", "last-sweep", "due"
_LIST, _AFTER = "broadcast!", "\x7e"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A broadcast as the directory knows it. `accepted_at` is in seconds since the epoch."""

    broadcast_id: str
    key: str
    body_hash: str
    accepted_at: float

    @property
    def place(self) -> str:
        """Its place in the tenant's list: a page can begin behind it."""
        return f"{newest_first(self.accepted_at)}!{self.broadcast_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenBroadcast:
    """A broadcast that the sweep looks after; it may lack a head when its acceptance broke off."""

    broadcast_id: str
    tenant: str
    opened_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleeper:
    """A broadcast that sleeps until its plan is due; `key` is the row's."""

    key: str
    broadcast_id: str
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A broadcast's row before the sweep's eyes: for which revision it was written, and how long ago (seconds)."""

    version: str
    revision: int
    age: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Entries, newest first, and where the next page starts (empty at the end)."""

    entries: tuple[Entry, ...]
    next: str


class Directory:
    """Reads and writes of the directory. Decides nothing."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def open(self, broadcast_id: str, *, tenant: str, opened_at: float, revision: int = 0) -> None:
        """Put a broadcast before the sweep's eyes, for a revision that is about to begin where one is named."""
        values: dict[str, Value] = {"tenant": tenant, "opened_at": opened_at, "revision": revision}
        await self._table.write(_OPEN, [upsert(broadcast_id, values)])

    async def open_if_closed(self, broadcast_id: str, *, tenant: str, opened_at: float) -> None:
        """Put a broadcast before the sweep's eyes. A row that stands, maybe for a revision to come, stays as it is."""
        with suppress(RowConflict):
            values: dict[str, Value] = {"tenant": tenant, "opened_at": opened_at, "revision": 0}
            await self._table.write(_OPEN, [insert(broadcast_id, values)])

    async def opening(self, broadcast_id: str) -> Opening | None:
        """What keeps a broadcast in the sweep's sight; None where it is out."""
        row = await self._table.get(_OPEN, broadcast_id)
        if row is None:
            return None
        return Opening(version=row.etag, revision=int(row.values.get("revision", 0)), age=row.age)

    async def close(self, broadcast_id: str, *, version: str | None = None) -> None:
        """Take a broadcast out of the sweep's sight, or only the `version` in which it was seen there.

        No matter if it is out already, or was opened again since.
        """
        try:
            await self._table.write(_OPEN, [delete(broadcast_id, etag=version)])
        except RowConflict:
            return

    async def open_broadcasts(self) -> list[OpenBroadcast]:
        """All open broadcasts, oldest first."""
        rows = [row async for row in self._table.scan(_OPEN) if row.key != _LAST_SWEEP]
        return [
            OpenBroadcast(
                broadcast_id=row.key, tenant=str(row.values["tenant"]), opened_at=float(row.values["opened_at"])
            )
            for row in rows
        ]

    async def lay_down(self, broadcast_id: str, *, tenant: str, until: float) -> None:
        """Have the tick wake a broadcast at an instant, in seconds since the epoch."""
        await self._table.write(_DUE, [upsert(f"{int(until * 1000):013d}!{broadcast_id}", {"tenant": tenant})])

    async def due(self, *, until: float, limit: int) -> list[Sleeper]:
        """Broadcasts that are to be woken by an instant, the first ones first. What is due later is not read."""
        rows = self._table.scan(_DUE, end=f"{int(until * 1000):013d}", limit=limit)
        return [
            Sleeper(key=row.key, broadcast_id=row.key.partition("!")[2], tenant=str(row.values["tenant"]))
            async for row in rows
        ]

    async def wake(self, sleeper: Sleeper, *, at: float) -> None:
        """Put a sleeping broadcast before the sweep's eyes. Doing it twice changes nothing."""
        await self.open_if_closed(sleeper.broadcast_id, tenant=sleeper.tenant, opened_at=at)
        with suppress(RowConflict):
            await self._table.write(_DUE, [delete(sleeper.key)])

    async def find_key(self, tenant: str, key: str) -> Entry | None:
        """The broadcast that an idempotency key stands for."""
        row = await self._table.get(tenant, _key_row(key))
        return None if row is None else _entry(row)

    async def register(self, tenant: str, entry: Entry) -> None:
        """Write the key and the list's row in one transaction. Raises RowConflict where the key stands already."""
        values: dict[str, Value] = {
            "broadcast": entry.broadcast_id,
            "key": entry.key,
            "body_hash": entry.body_hash,
            "accepted_at": entry.accepted_at,
        }
        await self._table.write(tenant, [insert(_key_row(entry.key), values), upsert(_listed(entry), values)])

    async def page(self, tenant: str, *, after: str = "", limit: int) -> Page:
        """A page of a tenant's broadcasts, newest first, from behind `after`: the `next` of the page before."""
        start = f"{_LIST}{after}\x20" if after else _LIST
        rows = [row async for row in self._table.scan(tenant, start=start, end=_LIST + _AFTER, limit=limit + 1)]
        kept = rows[:limit]
        more = kept[-1].key.removeprefix(_LIST) if len(rows) > limit else ""
        return Page(entries=tuple(_entry(row) for row in kept), next=more)

    async def is_open(self, broadcast_id: str) -> bool:
        """Whether the sweep looks after a broadcast."""
        return await self._table.get(_OPEN, broadcast_id, select=()) is not None

    async def accepted_before(self, tenant: str, instant: float) -> AsyncIterator[Entry]:
        """A tenant's broadcasts that were accepted before an instant, newest first. Younger ones are not read."""
        start = _LIST + newest_first(instant)
        async for row in self._table.scan(tenant, start=start, end=_LIST + _AFTER):
            yield _entry(row)

    async def forget_key(self, tenant: str, entry: Entry) -> None:
        """Give a broadcast's idempotency key free; nothing where it stands for another broadcast by now."""
        while (row := await self._table.get(tenant, _key_row(entry.key))) is not None:
            if row.values["broadcast"] != entry.broadcast_id:
                return
            # After a conflict, be it the echo of this very write, the row itself tells what stands.
            with suppress(RowConflict):
                await self._table.write(tenant, [delete(row.key, etag=row.etag)])
                return

    async def forget(self, tenant: str, entry: Entry) -> None:
        """Take a broadcast off the list; no matter if it is off already."""
        with suppress(RowConflict):
            await self._table.write(tenant, [delete(_listed(entry))])

    async def last_sweep(self) -> float | None:
        """When the last sweep ran, in seconds since the epoch; None before the first."""
        row = await self._table.get(_OPEN, _LAST_SWEEP)
        return None if row is None else float(row.values["at"])

    async def note_sweep(self, *, at: float) -> None:
        """Note that a sweep ran."""
        await self._table.write(_OPEN, [upsert(_LAST_SWEEP, {"at": at})])


def _key_row(key: str) -> str:
    return f"key!{sha256(key.encode()).hexdigest()}"


def _listed(entry: Entry) -> str:
    return _LIST + entry.place


def _entry(row: Row) -> Entry:
    values = row.values
    return Entry(
        broadcast_id=str(values["broadcast"]),
        key=str(values["key"]),
        body_hash=str(values["body_hash"]),
        accepted_at=float(values["accepted_at"]),
    )
