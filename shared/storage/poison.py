"""The table Poison: what arrived in poison queues, kept until somebody replays it or its time is over.

queue / message!<hash>                  that this message was kept
queue / poison!<newest first>!<hash>    the message, with why it came there as far as that can be told
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from shared.ports import Table
from shared.storage.listing import Listing
from shared.storage.rows import Row, Value, pack_bytes, unpack_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonMessage:
    """A message that failed each of its tries. `queue` is the queue that it was for; `at` is when it was kept."""

    queue: str
    at: float
    message_id: str
    """The id of the copy in the poison queue: the host gives it a new one."""
    why: str
    body: bytes
    id: str = ""
    """Its name in the list; empty before it was kept."""


class PoisonMessages:
    """Reads and writes of what arrived in poison queues."""

    def __init__(self, table: Table) -> None:
        self._listing = Listing(table, name="poison")

    async def keep(self, message: PoisonMessage) -> bool:
        """Write a message once, however often it comes; false where it was written before."""
        # The body is a part of the name: see Rejections.
        named = sha256(f"{message.message_id}!".encode() + message.body).hexdigest()
        values: dict[str, Value] = {"at": message.at, "message_id": message.message_id, "why": message.why}
        values |= pack_bytes("body", message.body)
        return await self._listing.record(message.queue, values, at=message.at, named=named) is not None

    async def page(
        self, queues: Sequence[str], *, after: str = "", limit: int
    ) -> tuple[tuple[PoisonMessage, ...], str]:
        """A page of what several queues have, newest first, and the `after` of the next one (empty at the end)."""
        rows, following = await self._listing.page(queues, after=after, limit=limit)
        return tuple(self._message(row) for row in rows), following

    async def get(self, queue: str, row_id: str) -> PoisonMessage | None:
        """One message by its name in the list."""
        row = await self._listing.get(queue, row_id)
        return None if row is None else self._message(row)

    async def remove(self, message: PoisonMessage) -> None:
        """Forget a message that was replayed."""
        await self._listing.remove(message.queue, message.id)

    async def remove_before(self, queue: str, *, before: float) -> int:
        """Forget messages that were kept before an instant, a transaction's worth of them; how many there were."""
        return await self._listing.remove_before(queue, before=before)

    def _message(self, row: Row) -> PoisonMessage:
        values = row.values
        return PoisonMessage(
            queue=row.partition,
            at=float(values["at"]),
            message_id=str(values["message_id"]),
            why=str(values["why"]),
            body=unpack_bytes("body", values),
            id=self._listing.id_of(row),
        )
