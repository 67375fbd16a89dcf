"""One person among many: the delivery in a broadcast, and what the person got lately."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from messages.answers import instant
from messages.reports import describe_delivery
from shared.domain.broadcasts import Broadcast
from shared.errors import BroadcastNotFound
from shared.families import Families
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.storage.directory import Directory, Entry
from shared.storage.recipient_search import RecipientSearch

AT_ONCE = 8
"""Broadcasts that are searched side by side."""
MOST_BROADCASTS = 96
"""Broadcasts that one request looks at; the next link goes on behind them."""
MOST_ROWS = 1_000
"""Rows of indexes after which a request looks at no further ones: they stand for two million recipients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """A person's deliveries, newest first, and behind which place of the list the next page starts (empty: none)."""

    deliveries: tuple[dict[str, Any], ...]
    next: str


class PersonReports:
    """Finds people's deliveries."""

    def __init__(
        self,
        broadcasts: Broadcasts,
        directory: Directory,
        *,
        families: Families,
        search: RecipientSearch,
        clock: Clock,
    ) -> None:
        self._families = families
        self._broadcasts = broadcasts
        self._directory = directory
        self._search = search
        self._clock = clock

    async def in_broadcast(self, broadcast_id: str, keys: Sequence[str]) -> tuple[dict[str, Any], ...]:
        """The deliveries of a broadcast, or of its children, to the recipient with one of these keys.

        Raises BroadcastNotFound.
        """
        heads = await self._families.heads(broadcast_id)
        found = await asyncio.gather(*(self._find(head, keys) for head in heads))
        return tuple(delivery for deliveries, _ in found for delivery in deliveries)

    async def lately(self, tenant: str, key: str, *, after: str, limit: int) -> Lately:
        """What a recipient got by the tenant's newest broadcasts behind `after`; a request looks at only so many."""
        found, looked_at, rows = list[dict[str, Any]](), 0, 0
        while True:
            page = await self._directory.page(tenant, after=after, limit=AT_ONCE)
            searched = await asyncio.gather(*(self._of(entry, key) for entry in page.entries))
            for number, (entry, (deliveries, read)) in enumerate(zip(page.entries, searched, strict=True), start=1):
                found += deliveries
                rows += read
                after = entry.place if page.next or number < len(page.entries) else ""
                if len(found) >= limit:
                    return Lately(deliveries=tuple(found), next=after)
            looked_at += len(page.entries)
            if not page.next or looked_at >= MOST_BROADCASTS or rows >= MOST_ROWS:
                return Lately(deliveries=tuple(found), next=page.next)

    async def _of(self, entry: Entry, key: str) -> tuple[list[dict[str, Any]], int]:
        """What one broadcast of the list holds for a recipient, and how many rows that took to find out."""
        try:
            broadcast = await self._broadcasts.head(entry.broadcast_id)
            deliveries, rows = await self._find(broadcast, [key])
        except BroadcastNotFound:
            # Its acceptance broke off, or its time is over.
            return [], 0
        of_broadcast = {
            "broadcast": entry.broadcast_id,
            "key": entry.key,
            "mode": broadcast.mode,
            "accepted_at": instant(entry.accepted_at),
        }
        return [{**of_broadcast, **delivery} for delivery in deliveries], rows

    async def _find(self, broadcast: Broadcast, keys: Sequence[str]) -> tuple[tuple[dict[str, Any], ...], int]:
        search = await self._search.find(broadcast.id, keys)
        ends_as = broadcast.ends_open_as(self._clock.now())
        deliveries = tuple(
            {**describe_delivery(one.batch, one.position, ends_as), "updated_at": instant(one.written_at)}
            for one in search.found
        )
        return deliveries, search.rows
