"""The partition `calendars` of the table Schedules: when nobody of a tenant is to be disturbed.

calendars / <tenant>    the calendar as it was given
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from shared.ports import Table
from shared.storage.rows import Value, delete, pack_bytes, replace, unpack_bytes, upsert

_CALENDARS = "calendars"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """A tenant's calendar. `changed_at` is in seconds since the epoch."""

    document: Mapping[str, Any]
    """As a request writes it: `shared.calendar_contract` reads it."""
    changed_at: float
    row_version: str = ""
    """The row that it was read from, for a write in its place; empty before it is stored."""

    @property
    def version(self) -> str:
        """A hash of what it says."""
        return sha256(orjson.dumps(self.document, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


class Calendars:
    """Reads and writes of calendars. Decides nothing."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def get(self, tenant: str) -> Calendar | None:
        """A tenant's calendar; None where it has none."""
        row = await self._table.get(_CALENDARS, tenant)
        if row is None:
            return None
        return Calendar(
            document=orjson.loads(unpack_bytes("calendar", row.values)),
            changed_at=float(row.values["changed_at"]),
            row_version=row.etag,
        )

    async def document(self, tenant: str) -> Mapping[str, Any]:
        """What a tenant's calendar says; nothing where it has none."""
        calendar = await self.get(tenant)
        return {} if calendar is None else calendar.document

    async def put(self, tenant: str, calendar: Calendar, *, over: Calendar | None = None) -> None:
        """Write a calendar, whatever stands there, or only in the place of `over`. Raises RowConflict."""
        packed = pack_bytes("calendar", orjson.dumps(calendar.document))
        values: dict[str, Value] = {"changed_at": calendar.changed_at, **packed}
        write = upsert(tenant, values) if over is None else replace(tenant, values, etag=over.row_version)
        await self._table.write(_CALENDARS, [write])

    async def remove(self, tenant: str, *, only: Calendar | None = None) -> None:
        """Remove a calendar, or only the one that was read as `only`. Raises RowConflict, also where it is gone."""
        await self._table.write(_CALENDARS, [delete(tenant, etag=only.row_version if only else None)])
