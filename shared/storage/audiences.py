"""The table Audiences: audiences that were saved under a name.

tenant / <name>     the audience as a request writes it, and what a list tells of it
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from shared.ports import Table
from shared.storage.rows import Row, Value, delete, pack_bytes, replace, unpack_bytes, upsert

_LISTED = ("description", "changed_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class AudienceEntry:
    """A saved audience as a list tells of it. `changed_at` is in seconds since the epoch."""

    name: str
    description: str
    changed_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedAudience:
    """A saved audience. `document` is the audience as a request writes it."""

    name: str
    document: Mapping[str, Any]
    description: str = ""
    changed_at: float
    row_version: str = ""
    """The row that it was read from, for a write in its place; empty before it is stored."""

    @property
    def version(self) -> str:
        """A hash of everything that an author can change: the same words have the same version."""
        packed = orjson.dumps([self.document, self.description], option=orjson.OPT_SORT_KEYS)
        return sha256(packed).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudiencePage:
    """Entries in the order of their names, and behind which name the next page starts (empty at the end)."""

    entries: tuple[AudienceEntry, ...]
    next: str


class Audiences:
    """Reads and writes of saved audiences. Decides nothing."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def get(self, tenant: str, name: str) -> SavedAudience | None:
        """A saved audience; None where the tenant has none of this name."""
        row = await self._table.get(tenant, name)
        return None if row is None else _saved(row)

    async def page(self, tenant: str, *, after: str = "", limit: int) -> AudiencePage:
        """A page of a tenant's audiences from behind the name `after`, without what they hold."""
        start = f"{after}\x20" if after else ""
        rows = [row async for row in self._table.scan(tenant, start=start, select=_LISTED, limit=limit + 1)]
        kept = rows[:limit]
        return AudiencePage(entries=tuple(map(_entry, kept)), next=kept[-1].key if len(rows) > limit else "")

    async def put(self, tenant: str, saved: SavedAudience, *, over: SavedAudience | None = None) -> None:
        """Write an audience, whatever stands there, or only in the place of `over`. Raises RowConflict."""
        values: dict[str, Value] = {
            "description": saved.description,
            "changed_at": saved.changed_at,
            **pack_bytes("audience", orjson.dumps(saved.document)),
        }
        write = upsert(saved.name, values) if over is None else replace(saved.name, values, etag=over.row_version)
        await self._table.write(tenant, [write])

    async def remove(self, tenant: str, name: str, *, only: SavedAudience | None = None) -> None:
        """Remove an audience, or only the one that was read as `only`. Raises RowConflict, also where it is gone."""
        await self._table.write(tenant, [delete(name, etag=only.row_version if only else None)])


def _saved(row: Row) -> SavedAudience:
    return SavedAudience(
        name=row.key,
        document=orjson.loads(unpack_bytes("audience", row.values)),
        description=str(row.values["description"]),
        changed_at=float(row.values["changed_at"]),
        row_version=row.etag,
    )


def _entry(row: Row) -> AudienceEntry:
    return AudienceEntry(
        name=row.key,
        description=str(row.values["description"]),
        changed_at=float(row.values["changed_at"]),
    )
