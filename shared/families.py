"""Families: a parent with its children, one for each instant at which its recipients' clocks show its local time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.batches import Batch
from shared.domain.broadcasts import LEASE_SECONDS, Broadcast, count_as
from shared.domain.cursors import Cursor
from shared.domain.ids import child_id
from shared.domain.own_clocks import Moment, unpack_moments
from shared.errors import BroadcastNotFound
from shared.storage.broadcasts import Broadcasts

STRIDE = 10**8
"""A family's batches are numbered by the child's place, times this, and the batch's number in the child."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A moment of a parent, with the id of its child, and its head; None where there is no child.

    Whether it `is_due`, the parent's cursor tells: then a child that is not there is only about to be.
    """

    moment: Moment
    id: str
    is_due: bool
    head: Broadcast | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedBatch:
    """A batch with its number in the family, or, of a broadcast without children, its own; and whose it is."""

    number: int
    broadcast: Broadcast
    batch: Batch

    def outcomes(self, now: float) -> str:
        """What became of each delivery, as it counts by now: one character for each."""
        ends_as = self.broadcast.ends_open_as(now)
        return count_as(self.batch.progress.outcomes, held=self.batch.is_held(LEASE_SECONDS), ends_as=ends_as)


class Families:
    """Reads families."""

    def __init__(self, store: Broadcasts) -> None:
        self._store = store

    async def members(self, parent: Broadcast, cursor: Cursor) -> list[Member]:
        """One for each moment of a parent that its split has found so far, the earliest first."""

        async def read(place: int, moment: Moment) -> Member:
            child = child_id(parent=parent.id, at=moment.at)
            is_due = place < cursor.children
            return Member(moment=moment, id=child, is_due=is_due, head=await self._head(child) if is_due else None)

        return await asyncio.gather(*(read(*one) for one in enumerate(unpack_moments(cursor.moments))))

    async def heads(self, broadcast_id: str) -> list[Broadcast]:
        """Where a broadcast's deliveries are: in a parent's children, or in itself. Raises BroadcastNotFound."""
        broadcast = await self._store.head(broadcast_id)
        if broadcast.own_clock is None:
            return [broadcast]
        members = await self.members(broadcast, (await self._store.cursor(broadcast_id)).cursor)
        return [one.head for one in members if one.head is not None]

    async def batches(self, broadcast_id: str, *, first: int, limit: int) -> list[NumberedBatch]:
        """Whole batches of a broadcast, or of a parent's children, from number `first` on.

        Raises BroadcastNotFound.
        """
        broadcast = await self._store.head(broadcast_id)
        if broadcast.own_clock is None:
            return await self._batches(broadcast, first=first, limit=limit) if first < STRIDE else []
        members = await self.members(broadcast, (await self._store.cursor(broadcast_id)).cursor)
        found = list[NumberedBatch]()
        for place in range(first // STRIDE, len(members)):
            head = members[place].head
            if head is not None and len(found) < limit:
                start = max(0, first - place * STRIDE)
                found += await self._batches(head, first=start, limit=limit - len(found), offset=place * STRIDE)
        return found

    async def _batches(self, broadcast: Broadcast, *, first: int, limit: int, offset: int = 0) -> list[NumberedBatch]:
        batches: Sequence[Batch] = await self._store.batches(broadcast.id, first=first, limit=limit)
        return [NumberedBatch(number=offset + one.number, broadcast=broadcast, batch=one) for one in batches]

    async def _head(self, broadcast_id: str) -> Broadcast | None:
        try:
            return await self._store.head(broadcast_id)
        except BroadcastNotFound:
            return None
