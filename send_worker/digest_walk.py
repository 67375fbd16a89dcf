"""The walk along a digest: everybody who has items of their own, or is in an audience that has, with their letters.

It merges two streams in the order of people's keys: the rows of items for single people, and the runs of audiences.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace

from send_worker.walks import Lookup
from shared.domain.batches import Recipient
from shared.domain.broadcasts import Broadcast
from shared.domain.letters import Sheet, compose, pack_letter
from shared.storage.digest_items import DigestItems, Named, StoredItem
from shared.storage.digest_plans import name_taken
from shared.storage.rows import Operation

MOST_TOLD = 1_000
"""Items of one person that one digest tells; further ones wait for the next."""
MOST_NAMED = 4_000
"""Items that one step names, so that their names fit into a row."""
LETTER_BYTES = 1024 * 1024
"""Bytes of letters that are written ahead: a step takes 2 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gathered:
    """What gathered for one person: items of their own, and places in the sheet."""

    key: str
    own: Sequence[StoredItem] = ()
    places: Sequence[int] = ()


class DigestWalk:
    """Walks along a digest from behind a person's key.

    `members` are people's keys in order, with the places of those items in the sheet that are for them. Items that
    expire by `now` are not told.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        sheet: Sheet,
        members: Iterator[tuple[str, Sequence[int]]],
        *,
        items: DigestItems,
        lookup: Lookup,
        after: str,
        now: float,
    ) -> None:
        self._broadcast = broadcast
        self._sheet = sheet
        self._members = members
        self._lookup = lookup
        self._now = now
        self._own = own_items(items, broadcast.tenant, broadcast.digest, after=after, now=now)
        self._next_own: StoredItems | None = None
        self._next_member: tuple[str, Sequence[int]] | None = None
        self._has_begun = False
        self._named: dict[str, list[Named]] = {}

    @property
    def is_through(self) -> bool:
        """Whether nobody is left."""
        return self._has_begun and self._next_own is None and self._next_member is None

    async def ahead(self, most: int) -> Sequence[Recipient]:
        """The next ones, at most so many, with their letters; maybe none before the end."""
        letters: dict[str, str] = {}
        self._named.clear()
        looked_at = names = size = 0
        while looked_at < most and names < MOST_NAMED and size < LETTER_BYTES:
            gathered = await self._next()
            if gathered is None:
                break
            looked_at += 1
            shared = [(place, self._sheet.items[place]) for place in gathered.places]
            letter = compose([one.item for one in gathered.own], shared, now=self._now)
            if letter is None:
                continue
            letters[gathered.key] = pack_letter(letter)
            self._named[gathered.key] = [one.named for one in gathered.own]
            names += len(gathered.own)
            size += len(letters[gathered.key])
        found = await self._lookup.recipients(self._broadcast.tenant, list(letters)) if letters else []
        return [replace(one, letter=letters[one.key]) for one in found]

    def beside(self, recipients: Sequence[Recipient]) -> Sequence[Operation]:
        """The names of what the letters of these recipients tell of their own items."""
        return [name_taken([one for recipient in recipients for one in self._named[recipient.key]])]

    async def _next(self) -> _Gathered | None:
        """What gathered for the next person."""
        if not self._has_begun:
            self._has_begun = True
            await self._go_on(own=True, members=True)
        own, member = self._next_own, self._next_member
        keys = [one[0] for one in (own, member) if one is not None]
        if not keys:
            return None
        key = min(keys)
        has_own, is_member = own is not None and own[0] == key, member is not None and member[0] == key
        await self._go_on(own=has_own, members=is_member)
        return _Gathered(
            key=key,
            own=own[1] if own is not None and has_own else (),
            places=member[1] if member is not None and is_member else (),
        )

    async def _go_on(self, *, own: bool, members: bool) -> None:
        if own:
            self._next_own = await anext(self._own, None)
        if members:
            self._next_member = next(self._members, None)


StoredItems = tuple[str, Sequence[StoredItem]]
"""A person's key, and items of theirs."""


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
