"""Letters: what one digest says to each person. Pure; how a letter looks is `digest_cards`' business.

Items for audiences are the same for many people, so they stand once in the digest's sheet, and a letter only names
their places there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Any

import orjson

from shared.domain.digests import Item, Severity

MOST_SHOWN = 20
"""Items that a letter shows."""
LARGEST_CARD = 28 * 1024
"""Bytes of a letter as it is sent. Microsoft's pages have named 28 KB, 40 KB and 100 KB over the years: the smallest
of them is taken everywhere, and nobody reads more."""
SHOWN_BYTES = 24 * 1024
"""Bytes of the items in a letter; the rest of `LARGEST_CARD` is for headings and the notification."""
FURNITURE = 256
"""Bytes that a card has around one item's own words, at most."""
LARGEST_SHEET = 640 * 1024
"""Bytes of a sheet: a row may have 1 MiB, and Azurite counts it in Base64."""

_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What all letters of one digest share."""

    heading: str
    """Plain text, without Markdown."""
    items: tuple[Item, ...] = ()
    """The items for audiences, in an order that stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a digest says to one person."""

    shown: tuple[Item | int, ...]
    """In the order of reading: items of the person's own, and places of others in the sheet. Never empty."""
    more: int = 0
    """How many items gathered that are not shown."""

    def items(self, sheet: Sheet) -> list[Item]:
        """The items that are shown, in the order of reading."""
        return [sheet.items[entry] if isinstance(entry, int) else entry for entry in self.shown]


def compose(own: Iterable[Item], shared: Iterable[tuple[int, Item]], *, now: float) -> Letter | None:
    """Write the letter of a person with these items; None where none of them is left to tell.

    `shared` are items of the sheet that are for this person, with their places. The most severe come first, of these
    the newest; of equals the person's own, in the order in which they were given. What has expired is left out, and
    what is too much is counted.
    """
    entries: list[tuple[Item | int, Item]] = [*((item, item) for item in own), *shared]
    left = [entry for entry in entries if not entry[1].is_over(now)]
    if not left:
        return None
    left.sort(key=lambda entry: (_RANKS[entry[1].severity], -entry[1].at))
    number = max(1, _fitting([item for _, item in left[:MOST_SHOWN]], SHOWN_BYTES))
    return Letter(shown=tuple(entry for entry, _ in left[:number]), more=len(left) - number)


def fill_sheet(heading: str, items: Sequence[Item]) -> Sheet:
    """The sheet with as many of the items, from the first on, as its row takes."""
    room = LARGEST_SHEET - len(pack_sheet(Sheet(heading=heading)))
    return Sheet(heading=heading, items=tuple(items[: _fitting(items, room)]))


def _fitting(items: Sequence[Item], room: int) -> int:
    """How many items, from the first on, fit into so many bytes, as part of a card and as packed here."""
    weights = accumulate(len(orjson.dumps([item.title, item.text, item.link])) + FURNITURE for item in items)
    return sum(1 for _ in takewhile(lambda weight: weight <= room, weights))


def pack_letter(letter: Letter) -> str:
    """A letter as a short string: a few bytes where it only names places in the sheet."""
    entries = [entry if isinstance(entry, int) else _pack_item(entry) for entry in letter.shown]
    return orjson.dumps([letter.more, *entries]).decode()


def unpack_letter(packed: str) -> Letter:
    """Read what `pack_letter` wrote."""
    more, *entries = orjson.loads(packed)
    return Letter(shown=tuple(entry if isinstance(entry, int) else _unpack_item(entry) for entry in entries), more=more)


def pack_sheet(sheet: Sheet) -> bytes:
    """A sheet as the content of its broadcast."""
    return orjson.dumps({"heading": sheet.heading, "items": [_pack_item(item) for item in sheet.items]})


def unpack_sheet(packed: bytes) -> Sheet:
    """Read what `pack_sheet` wrote."""
    values = orjson.loads(packed)
    return Sheet(heading=values["heading"], items=tuple(map(_unpack_item, values["items"])))


def _pack_item(item: Item) -> list[Any]:
    return [item.title, item.text, item.link, item.severity.value, item.at, item.expires_at]


def _unpack_item(packed: Sequence[Any]) -> Item:
    title, text, link, severity, at, expires_at = packed
    return Item(title=title, text=text, link=link, severity=Severity(severity), at=at, expires_at=expires_at)
