"""Gathering: who has items in a digest, in the order of people's keys, each once, with these items.

It merges the rows of items for single people with the runs of audiences that have items, one person at a time.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from shared.storage.digest_items import DigestItems, StoredItem

MOST_TOLD = 1_000
"""Items of one person that one digest tells; further ones wait for the next."""
StoredItems = tuple[str, Sequence[StoredItem]]
"""A person's key, and items of theirs."""
Member = tuple[str, Sequence[int]]
"""A person's key, and places in the sheet of items that are for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What gathered for one person: items of their own, and places in the sheet."""

    key: str
    own: Sequence[StoredItem] = ()
    places: Sequence[int] = ()


class Gathering:
    """Goes through people. `among`, where it is given, is who is meant: all others are passed over."""

    def __init__(
        self, own: AsyncIterator[StoredItems], members: Iterator[Member], *, among: AsyncIterator[str] | None = None
    ) -> None:
        self._own = own
        self._members = members
        self._among = among
        self._next_own: StoredItems | None = None
        self._next_member: Member | None = None
        self._next_among = ""
        self._has_begun = False

    @property
    def is_through(self) -> bool:
        """Whether nobody is left."""
        return self._has_begun and self._next_own is None and self._next_member is None

    async def next(self) -> Gathered | None:
        """What gathered for the next person who is meant; None at the end."""
        if not self._has_begun:
            self._has_begun = True
            await self._go_on(own=True, members=True)
        while (gathered := await self._merge()) is not None:
            if await self._is_meant(gathered.key):
                return gathered
        return None

    async def _merge(self) -> Gathered | None:
        own, member = self._next_own, self._next_member
        keys = [one[0] for one in (own, member) if one is not None]
        if not keys:
            return None
        key = min(keys)
        has_own, is_member = own is not None and own[0] == key, member is not None and member[0] == key
        await self._go_on(own=has_own, members=is_member)
        return Gathered(
            key=key,
            own=own[1] if own is not None and has_own else (),
            places=member[1] if member is not None and is_member else (),
        )

    async def _go_on(self, *, own: bool, members: bool) -> None:
        if own:
            self._next_own = await anext(self._own, None)
        if members:
            self._next_member = next(self._members, None)

    async def _is_meant(self, key: str) -> bool:
        if self._among is None:
            return True
        while self._next_among < key:
            following = await anext(self._among, None)
            if following is None:
                return False
            self._next_among = following
        return self._next_among == key


async def own_items(
    items: DigestItems, tenant: str, digest: str, *, after: str, now: float
) -> AsyncIterator[StoredItems]:
    """Yield each person behind a key who has items of their own, with the first thousand that have not expired."""
    while True:
        person, found = "", list[StoredItem]()
        async for one in items.people(tenant, digest, after=after):
            if one.item.is_over(now):
                continue
            if person and one.person != person:
                yield person, found
                person, found = "", []
            person = one.person
            found.append(one)
            if len(found) == MOST_TOLD:
                break
        if person:
            yield person, found
        if len(found) < MOST_TOLD:
            return
        # What is left of this person's waits; the reading goes on behind it.
        after = person
