"""The table Digests: items that wait for a digest, and that the requests which brought them were carried out.

tenant / <digest>                                 that the digest has had items, and how far old rows were looked for
tenant!<digest> / for!<person's key>!<id>         an item for one person
tenant!<digest> / for-audience!<id>               an item for an audience, with the audience as a request writes it
tenant!<digest> / seen!<sha256 of the receipt>    that a request was carried out

An item is written together with the `seen` row of its request, which stays when a digest takes the item. So a request
that comes again, be it as the echo of a lost answer, never brings back what a digest has told already.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

from shared.domain.digests import Item, Severity
from shared.errors import ReceiptReused, RowConflict
from shared.ports import Table
from shared.storage.rows import (
    MAX_TRANSACTION_ROWS,
    Row,
    Value,
    delete,
    insert,
    pack_bytes,
    unpack_bytes,
    upsert,
    upsert_merge,
)

SEEN_SECONDS = 8 * 86_400.0
"""A message lives in its queue for seven days, unless its sender says otherwise."""
PAGE_ROWS = 1_000

_PERSON, _AUDIENCE, _SEEN = "for!", "for-audience!", "seen!"
_AFTER = "\x7e"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """An item as a request brings it: for a `person`, by key, or for an `audience` as a request writes it."""

    tenant: str
    digest: str
    id: str
    item: Item
    person: str = ""
    audience: Mapping[str, Any] | None = None
    receipt: str
    """What the request is known by when it comes again."""
    version: str
    """A hash of what was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A row in the version in which it was read."""

    key: str
    etag: str

    @property
    def id(self) -> str:
        """The item's id: its own among those for the same person, or for audiences."""
        return self.key.rpartition("!")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredItem:
    """An item that waits, for a person or for an audience, and the row that holds it."""

    key: str
    etag: str
    item: Item
    person: str = ""
    audience: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        """As `Named.id`."""
        return self.named.id

    @property
    def named(self) -> Named:
        """Its row as it was read."""
        return Named(key=self.key, etag=self.etag)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """How far a digest was looked through for old rows: `after` which key, empty for all of it, and when."""

    digest: str
    after: str
    at: float


class DigestItems:
    """Reads and writes of digests' items. Decides nothing."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._known = set[tuple[str, str]]()

    async def put(self, new: NewItem) -> bool:
        """Write an item in the place of one with its id; False where its request was carried out before.

        Raises ReceiptReused where that was another request.
        """
        if (new.tenant, new.digest) not in self._known:
            # Written first, so that each digest with rows is found by who removes old ones.
            await self._table.write(new.tenant, [upsert_merge(new.digest, {})])
            self._known.add((new.tenant, new.digest))
        partition, seen = _partition(new.tenant, new.digest), _SEEN + sha256(new.receipt.encode()).hexdigest()
        operations = [insert(seen, {"version": new.version}), upsert(_key(new.id, new.person), _values(new))]
        try:
            await self._table.write(partition, operations)
        except RowConflict:
            row = await self._table.get(partition, seen)
            if row is None:
                raise
            if row.values["version"] != new.version:
                raise ReceiptReused from None
            return False
        return True

    async def people(self, tenant: str, digest: str, *, after: str = "") -> AsyncIterator[StoredItem]:
        """Yield items for single people, person by person in the order of their keys, from behind one of these."""
        start = _key(_AFTER, after) if after else _PERSON
        rows = self._table.scan(_partition(tenant, digest), start=start, end=_PERSON + _AFTER)
        async for row in rows:
            yield _stored(row)

    async def audience_items(self, tenant: str, digest: str, *, first: str = "") -> AsyncIterator[StoredItem]:
        """Yield items for audiences in the order of their ids, from one of these on; those before it come last."""
        for start, end in ((first, _AFTER), ("", first)) if first else (("", _AFTER),):
            async for row in self._table.scan(_partition(tenant, digest), start=_AUDIENCE + start, end=_AUDIENCE + end):
                yield _stored(row)

    async def page(
        self, tenant: str, digest: str, *, person: str = "", after: str = "", limit: int
    ) -> tuple[list[StoredItem], str]:
        """A page of what waits, all of it or for a person, from behind a row key; the next page's `after`."""
        first, last = (_key("", person),) * 2 if person else (_PERSON, _AUDIENCE)
        rows = self._table.scan(
            _partition(tenant, digest), start=max(first, _behind(after)), end=last + _AFTER, limit=limit + 1
        )
        found = [_stored(row) async for row in rows]
        return found[:limit], found[limit - 1].key if len(found) > limit else ""

    async def take(self, tenant: str, digest: str, named: Sequence[Named]) -> None:
        """Remove exactly these rows in exactly these versions; what is gone, or was replaced since, is let be."""
        ordered = sorted(named, key=lambda one: one.key)
        for start in range(0, len(ordered), MAX_TRANSACTION_ROWS):
            await self._take(_partition(tenant, digest), ordered[start : start + MAX_TRANSACTION_ROWS])

    async def remove(self, tenant: str, digest: str, item_id: str, *, person: str = "") -> bool:
        """Remove an item, whatever its version; False where there is none."""
        partition, key = _partition(tenant, digest), _key(item_id, person)
        if await self._table.get(partition, key, select=()) is None:
            return False
        with suppress(RowConflict):
            await self._table.write(partition, [delete(key)])
        return True

    async def digests(self, tenant: str) -> AsyncIterator[Looked]:
        """Yield the digests of a tenant that have had items."""
        async for row in self._table.scan(tenant):
            at = float(row.values.get("looked_at", 0.0))
            yield Looked(digest=row.key, after=str(row.values.get("after", "")), at=at)

    async def remove_old(self, tenant: str, looked: Looked, *, now: float) -> Looked:
        """Remove what is old on the page behind `looked`; how far the digest was looked through then, by `now`.

        Old are items that have expired, and what tells of requests that cannot come again.
        """
        scan = self._table.scan(
            _partition(tenant, looked.digest), start=_behind(looked.after), select=("expires_at",), limit=PAGE_ROWS
        )
        rows = [row async for row in scan]
        old = [Named(key=row.key, etag=row.etag) for row in rows if _is_old(row)]
        await self.take(tenant, looked.digest, old)
        after = rows[-1].key if len(rows) == PAGE_ROWS else ""
        await self._table.write(tenant, [upsert_merge(looked.digest, {"after": after, "looked_at": now})])
        return Looked(digest=looked.digest, after=after, at=now)

    async def _take(self, partition: str, named: Sequence[Named]) -> None:
        left = list(named)
        while left:
            try:
                await self._table.write(partition, [delete(one.key, etag=one.etag) for one in left])
            except RowConflict:
                # The echo of this very write, or some are gone: whatever still stands as it was read is tried again.
                rows = self._table.scan(partition, start=left[0].key, end=_behind(left[-1].key), select=())
                standing = {row.key: row.etag async for row in rows}
                still = [one for one in left if standing.get(one.key) == one.etag]
                if len(still) == len(left):
                    raise
                left = still
            else:
                return


def _partition(tenant: str, digest: str) -> str:
    return f"{tenant}!{digest}"


def _key(item_id: str, person: str) -> str:
    return f"{_PERSON}{person}!{item_id}" if person else _AUDIENCE + item_id


def _behind(key: str) -> str:
    return f"{key}\x20" if key else ""


def _is_old(row: Row) -> bool:
    if row.key.startswith(_SEEN):
        return row.age > SEEN_SECONDS
    return 0 < float(row.values["expires_at"]) <= row.read_at


def _values(new: NewItem) -> dict[str, Value]:
    audience = {} if new.audience is None else pack_bytes("audience", orjson.dumps(new.audience))
    return {**pack_bytes("item", orjson.dumps(new.item)), "expires_at": new.item.expires_at or 0.0, **audience}


def _stored(row: Row) -> StoredItem:
    item = orjson.loads(unpack_bytes("item", row.values))
    audience = unpack_bytes("audience", row.values)
    return StoredItem(
        key=row.key,
        etag=row.etag,
        item=Item(**{**item, "severity": Severity(item["severity"])}),
        person="" if audience else row.key.removeprefix(_PERSON).rpartition("!")[0],
        audience=orjson.loads(audience) if audience else None,
    )
