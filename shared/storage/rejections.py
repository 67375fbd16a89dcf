"""The table Rejections: requests from the queue that could not be accepted, kept as they came, with every fault.

tenant or `unknown` / message!<hash>                    that this message was recorded
tenant or `unknown` / rejection!<newest first>!<hash>   the rejection
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

import orjson

from shared.errors import Fault
from shared.ports import Table
from shared.storage.listing import Listing
from shared.storage.rows import Row, pack_bytes, unpack_bytes

UNKNOWN_TENANT = "unknown"
MOST_BODY_BYTES = 640 * 1024
MOST_FAULTS = 1_000
_MOST_FAULT_BYTES = 200 * 1024


class RejectionSource(StrEnum):
    """What brought the request: a queue, a schedule's occurrence, or the queue of digests' items."""

    QUEUE = "queue"
    POISON = "queue-poison"
    SCHEDULE = "schedule"
    DIGEST_ITEM = "digest-item"
    DIGEST_ITEM_POISON = "digest-item-poison"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A request that was refused. `at` is in seconds since the epoch; `key` is empty where none could be read."""

    tenant: str
    at: float
    source: RejectionSource
    faults: tuple[Fault, ...]
    body: bytes
    body_bytes: int
    """The size of the body as it came; larger than `body` where that had to be cut."""
    message_id: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectionPage:
    """Rejections, newest first, and where the next page starts (empty at the end)."""

    rejections: tuple[Rejection, ...]
    next: str


class Rejections:
    """Reads and writes of rejections."""

    def __init__(self, table: Table) -> None:
        self._listing = Listing(table, name="rejection")

    async def record(self, rejection: Rejection) -> None:
        """Write a rejection once for each queue message, however often the message comes."""
        # The body is a part of the name, since a message's JSON can overwrite the id that the host passes on.
        named = sha256(f"{rejection.source}!{rejection.message_id}!".encode() + rejection.body).hexdigest()
        values = {
            "at": rejection.at,
            "source": rejection.source.value,
            "message_id": rejection.message_id,
            "key": rejection.key,
            "body_bytes": rejection.body_bytes,
            **pack_bytes("faults", _pack_faults(rejection.faults)),
            **pack_bytes("body", rejection.body[:MOST_BODY_BYTES]),
        }
        await self._listing.record(rejection.tenant, values, at=rejection.at, named=named)

    async def page(self, tenants: Sequence[str], *, after: str = "", limit: int) -> RejectionPage:
        """A page of the rejections of several partitions as one list, newest first, from behind `after`."""
        rows, following = await self._listing.page(tenants, after=after, limit=limit)
        return RejectionPage(rejections=tuple(_rejection(row) for row in rows), next=following)

    async def remove_before(self, tenant: str, *, before: float) -> int:
        """Forget what was recorded before an instant, a transaction's worth of it; how many rejections that were."""
        return await self._listing.remove_before(tenant, before=before)


def _rejection(row: Row) -> Rejection:
    values = row.values
    faults = orjson.loads(unpack_bytes("faults", values))
    return Rejection(
        tenant=row.partition,
        at=float(values["at"]),
        source=RejectionSource(str(values["source"])),
        faults=tuple(Fault(pointer=pointer, detail=detail) for pointer, detail in faults),
        body=unpack_bytes("body", values),
        body_bytes=int(values["body_bytes"]),
        message_id=str(values["message_id"]),
        key=str(values["key"]),
    )


def _pack_faults(faults: Sequence[Fault]) -> bytes:
    """Faults as JSON, the last of them left out where they would not fit into the row."""
    kept = [[fault.pointer, fault.detail] for fault in faults[:MOST_FAULTS]]
    while len(packed := orjson.dumps(kept)) > _MOST_FAULT_BYTES:
        kept = kept[: len(kept) // 2]
    return packed
