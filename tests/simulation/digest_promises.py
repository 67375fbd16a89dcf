"""What Herald promises of digests: who drops an item learns that it is told once, to everybody whom it is for.

An item is known by its title, of which each has one of its own. What is told stands in the letters of batch rows; of
items that a letter only counts, the row `taken` names those of the person's own.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import orjson

from shared.domain.letters import Letter, unpack_letter, unpack_sheet
from shared.storage import broadcast_rows as codec
from shared.storage.broadcast_keys import content_key
from shared.storage.rows import Operation, Row, unpack_bytes
from tests.simulation.asks import Ask
from tests.simulation.drops import DIGEST, Drop
from tests.simulation.storm import Storm
from tests.simulation.tenant import user_key
from tests.twins.world import EPOCH, TENANT

if TYPE_CHECKING:
    from tests.simulation.promises import Promises, SeenBroadcast

LATEST_LETTER = 300.0
"""A letter is written at most so long after its items were read: a budget, a freeze, a write that comes late."""
_ITEMS, _SEEN = f"{TENANT}!{DIGEST}", "seen!"


class DigestPromises:
    """A part of the promises, with their picture of the tables at hand."""

    def __init__(self, promises: "Promises", storm: Storm) -> None:
        self._promises = promises
        self._error = storm.clock_error
        self._removes_old = storm.old_items_at is None
        self._drops = {drop.title: drop for drop in storm.drops}
        self.kept: dict[str, str] = {}
        """The items that were kept, and the keys of their rows."""
        self.wished_away: set[str] = set()
        """Rows that somebody took away."""
        self._requests = 0
        """Requests that stand as carried out."""
        self._standing: dict[str, str] = {}
        """The title of the item in each row that stands."""
        self._versions: dict[tuple[str, str], str] = {}
        """The title of the item that each version of a row holds."""
        self._expires: dict[str, float] = {}
        """When each item expires, in seconds since the epoch."""
        self._replaced: dict[str, float] = {}
        """When others took the place of these."""
        self._gone: dict[str, float] = {}
        """When these were removed."""
        self._sheets: dict[str, tuple[str, ...]] = {}
        """Of each broadcast, the items for audiences that it has taken up."""
        self._told: dict[tuple[str, str], str] = {}
        """The broadcast that tells an item to a person, by its title and their key."""
        self._letters: dict[tuple[str, str], Sequence[str]] = {}
        """What the letter of each person shows, by broadcast and key."""
        self._counted: Counter[tuple[str, str]] = Counter()
        """How many items for audiences a letter only counts."""

    def waiting(self) -> frozenset[str]:
        """The items that wait and have not expired."""
        return frozenset(title for title in self._standing.values() if not self._is_over(title))

    def is_at_rest(self) -> bool:
        """Whether everything that was dropped was kept."""
        return len(self.kept) == len(self._drops)

    def wrote_items(self, partition: str, operations: Iterable[Operation], version_of: Callable[[str], str]) -> None:
        """A transaction on the table Digests took effect; `version_of` tells the ETag of a row that stands."""
        if partition != _ITEMS:
            return
        for operation in operations:
            if operation.key.startswith(_SEEN):
                self._requests += -1 if operation.kind == "delete" else 1
            elif operation.kind == "delete":
                self._removed(operation)
            else:
                self._kept(operation, version_of(operation.key))

    def wrote_plan(self, seen: "SeenBroadcast", operations: Sequence[Operation]) -> None:
        """A transaction on the partition of a digest's broadcast took effect."""
        by_key = {operation.key: operation for operation in operations}
        if "frozen" in by_key:
            sheet = unpack_sheet(unpack_bytes("content", by_key[content_key(0)].values))
            self._sheets[seen.id] = tuple(item.title for item in sheet.items)
        elif content_key(0) in by_key and seen.id in self._sheets:
            self._promises.fail(f"the sheet of {seen.key} is written over")
        new = [one for one in operations if one.key.startswith("batch!") and one.kind == "insert"]
        if new:
            self._planned(seen, new, by_key["taken"])

    def said(self, seen: "SeenBroadcast", recipient: str, words: Sequence[str]) -> str:
        """A message of a digest arrived, which ends with the titles of its items. What it says before these."""
        expected = self._letters[seen.id, recipient]
        place = max(0, len(words) - len(expected))
        if list(words[place:]) != list(expected):
            self._promises.fail(f"{recipient} was told {words} by {seen.key}, and their letter is {expected}")
        return " ".join(words[:place])

    def faults(
        self, wanted: Callable[[Ask], frozenset[str]], perhaps: Callable[[Ask], frozenset[str]]
    ) -> Iterator[str]:
        """What is wrong at the very end. Who is in an audience at any rate is `wanted`; others may be."""
        if self._drops and self._requests != len(self._drops):
            yield f"{self._requests} of {len(self._drops)} requests stand as carried out"
        for title in self._standing.values():
            if self._removes_old or not self._is_over(title):
                yield f"the item {title} still stands at the end"
        for title, drop in self._drops.items():
            if title not in self.kept:
                yield f"the item {title} was never kept"
            elif drop.whom is not None:
                yield from self._audience_faults(drop, wanted(drop.whom), perhaps(drop.whom))
            elif not self._is_excused(title) and (title, _person_of(drop)) not in self._told:
                yield f"the item {title} is gone, and nobody was told"

    def _audience_faults(self, drop: Drop, wanted: frozenset[str], perhaps: frozenset[str]) -> Iterator[str]:
        """What is wrong with who was told of an item for an audience."""
        title, was_taken = drop.title, False
        for broadcast in (broadcast for broadcast, sheet in self._sheets.items() if title in sheet):
            seen = self._promises.broadcasts[broadcast]
            told = {person for (other, person), by in self._told.items() if (other, by) == (title, broadcast)}
            counted = {person for by, person in self._counted if by == broadcast}
            if told - wanted - perhaps:
                yield f"the item {title} is told to {len(told - wanted - perhaps)} whom it is not for by {seen.key}"
            has_rows = bool(seen.rows)
            was_taken = was_taken or bool(told) or (has_rows and (seen.stopped_at is not None or bool(counted)))
            missing = wanted - perhaps - told - counted
            if told and missing and seen.stopped_at is None and drop.expires_after is None:
                yield f"the item {title} is not told to {len(missing)} whom it is for by {seen.key}"
        if not was_taken and wanted - perhaps and not self._is_excused(title):
            yield f"the item {title} for {len(wanted)} people is gone, and nobody was told"

    def _kept(self, operation: Operation, version: str) -> None:
        """An item was kept, maybe in the place of another one."""
        row, now = operation.key, self._promises.now()
        item = orjson.loads(unpack_bytes("item", operation.values))
        title = str(item["title"])
        if title in self.kept:
            self._promises.fail(f"the item {title} is kept a second time")
        if row in self._standing:
            self._replaced[self._standing[row]] = now
        self.kept[title] = row
        self._standing[row] = self._versions[row, version] = title
        self._expires[title] = float(item["expires_at"])

    def _removed(self, operation: Operation) -> None:
        """An item's row was removed: it was named, has expired, or somebody wished so."""
        title = self._standing.pop(operation.key)
        self._gone[title] = self._promises.now()
        is_wished = operation.etag is None and operation.key in self.wished_away
        drop = self._drops[title]
        if drop.person is None:
            is_named = any(title in sheet for sheet in self._sheets.values())
        else:
            is_named = (title, _person_of(drop)) in self._told
        if not is_wished and not is_named and not self._is_over(title):
            self._promises.fail(f"the item {title} is removed, and no digest has named it")

    def _planned(self, seen: "SeenBroadcast", rows: Sequence[Operation], taken: Operation) -> None:
        """Batch rows were written, with the names of the items that their letters tell of people's own."""
        named: dict[str, set[str]] = {}
        for row, version in orjson.loads(unpack_bytes("named", taken.values)):
            named.setdefault(row.split("!", 1)[1].rpartition("!")[0], set()).add(self._versions[row, version])
        for operation in rows:
            stored = Row(partition="", key=operation.key, values=operation.values, etag="", written_at=0, read_at=0)
            for recipient in codec.unpack_batch(stored, 0).recipients:
                self._wrote(seen, recipient.key, unpack_letter(recipient.letter), named.pop(recipient.key, set()))
        if named:
            self._promises.fail(f"{seen.key} names items of {len(named)} who have no letter in the same step")

    def _wrote(self, seen: "SeenBroadcast", person: str, letter: Letter, named: set[str]) -> None:
        """Somebody's letter was written."""
        sheet = self._sheets[seen.id]
        shown = [sheet[one] if isinstance(one, int) else one.title for one in letter.shown]
        own = {one.title for one in letter.shown if not isinstance(one, int)}
        self._letters[seen.id, person] = shown
        if own - named:
            self._promises.fail(f"{seen.key} shows {person} {sorted(own - named)} of their own, which it does not name")
        only_counted = letter.more - len(named - own)
        if only_counted < 0:
            self._promises.fail(f"{seen.key} counts {letter.more} for {person}, and names {len(named - own)} more")
        if only_counted > 0:
            self._counted[seen.id, person] += only_counted
        for title in [*shown, *sorted(named - own)]:
            self._tell(seen, title, person)

    def _tell(self, seen: "SeenBroadcast", title: str, person: str) -> None:
        """An item is told to somebody, by the letter that was written just now."""
        fail, now, drop = self._promises.fail, self._promises.now(), self._drops[title]
        if (title, person) in self._told:
            before = self._promises.broadcasts[self._told[title, person]].key
            fail(f"the item {title} is told to {person} by {seen.key}, and was by {before}")
        self._told[title, person] = seen.id
        if drop.person is not None and person != _person_of(drop):
            fail(f"the item {title} is told to {person}, whom it is not for")
        if title not in self.kept:
            fail(f"the item {title} is told, and was never kept")
        for what, at in (("replaced", self._replaced.get(title)), ("removed", self._gone.get(title))):
            # What is for audiences is read before these are collected, which may take as long as a directory is away.
            if at is not None and drop.person is not None and now > at + LATEST_LETTER:
                fail(f"the item {title} is told {now - at:.0f} s after it was {what}")
        if EPOCH + now > self._expires[title] + LATEST_LETTER:
            fail(f"the item {title} is told, and has expired")

    def _is_excused(self, title: str) -> bool:
        """Whether nobody needs to be told of an item that does not stand any more."""
        return title in self._replaced or self.kept[title] in self.wished_away or self._is_over(title)

    def _is_over(self, title: str) -> bool:
        return self._expires[title] <= EPOCH + self._promises.now() + self._error


def _person_of(drop: Drop) -> str:
    assert drop.person is not None
    return user_key(drop.person)


def planned_people(seen: "SeenBroadcast") -> frozenset[str]:
    """Everybody who has a delivery."""
    return frozenset(recipient for row in seen.rows.values() for recipient in row.recipients)
