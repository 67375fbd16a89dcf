"""The walks along what gathered for a digest: with everybody's letters, or to learn only who there is."""

from collections.abc import Sequence
from dataclasses import replace

from send_worker.gathering import Gathering
from send_worker.walks import Lookup
from shared.domain.batches import Recipient
from shared.domain.letters import Sheet, compose, pack_letter
from shared.storage.digest_items import Named
from shared.storage.digest_plans import name_taken
from shared.storage.rows import Operation

MOST_NAMED = 4_000
"""Items that one step names, so that their names fit into a row."""
LETTER_BYTES = 1024 * 1024
"""Bytes of letters that are written ahead: a step takes 2 MiB."""


class DigestWalk:
    """Writes letters along the way. Items that have expired by `now` are not told."""

    def __init__(self, tenant: str, sheet: Sheet, gathering: Gathering, *, lookup: Lookup, now: float) -> None:
        self._tenant = tenant
        self._sheet = sheet
        self._gathering = gathering
        self._lookup = lookup
        self._now = now
        self._named: dict[str, list[Named]] = {}

    @property
    def is_through(self) -> bool:
        """Whether nobody is left."""
        return self._gathering.is_through

    async def ahead(self, most: int) -> Sequence[Recipient]:
        """The next ones, at most so many, with their letters; maybe none before the end."""
        letters: dict[str, str] = {}
        self._named.clear()
        looked_at = names = size = 0
        while looked_at < most and names < MOST_NAMED and size < LETTER_BYTES:
            gathered = await self._gathering.next()
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
        found = await self._lookup.recipients(self._tenant, list(letters)) if letters else []
        return [replace(one, letter=letters[one.key]) for one in found]

    def beside(self, recipients: Sequence[Recipient]) -> Sequence[Operation]:
        """The names of what the letters of these recipients tell of their own items."""
        return [name_taken([one for recipient in recipients for one in self._named[recipient.key]])]


class PeopleWalk:
    """Walks along the people of a digest, and takes nothing: their own broadcasts do."""

    def __init__(self, tenant: str, gathering: Gathering, *, lookup: Lookup) -> None:
        self._tenant = tenant
        self._gathering = gathering
        self._lookup = lookup

    @property
    def is_through(self) -> bool:
        """Whether nobody is left."""
        return self._gathering.is_through

    async def ahead(self, most: int) -> Sequence[Recipient]:
        """The next ones, at most so many."""
        keys = list[str]()
        while len(keys) < most and (gathered := await self._gathering.next()) is not None:
            keys.append(gathered.key)
        return await self._lookup.recipients(self._tenant, keys) if keys else []

    def beside(self, recipients: Sequence[Recipient]) -> Sequence[Operation]:  # noqa: ARG002 - a walk's form
        """Nothing."""
        return ()
