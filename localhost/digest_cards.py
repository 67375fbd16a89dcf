"""A digest's cards: what one says, and whether that is what gathered for its person. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localhost.digest_drops import Drop

MOST_SHOWN = 20
"""Items on a card, where their words are short."""
_MORE = re.compile(r"and ([\d,]+) more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An item on a card."""

    title: str
    text: str
    link: str
    severity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card: its heading, the items that it shows, and how many `more` it counts."""

    heading: str
    lines: Sequence[Line]
    more: int


def read_card(attachments: Sequence[Mapping[str, Any]]) -> Card:
    """Read a message's only attachment. Raises ValueError or LookupError where that is no digest's card."""
    (attachment,) = attachments
    heading, *blocks = attachment["content"]["body"]
    lines, severity, more = list[Line](), "", 0
    for block in blocks:
        if block["type"] == "Container":
            lines.append(_line(block, severity))
        elif counted := _MORE.fullmatch(block["text"]):
            more = int(counted[1].replace(",", ""))
        else:
            severity = block["text"].lower()
    return Card(heading=_plain(heading), lines=lines, more=more)


def _line(block: Mapping[str, Any], severity: str) -> Line:
    title, *texts = block["items"]
    return Line(
        title=_plain(title),
        text="".join(text["text"] for text in texts),
        link=block.get("selectAction", {}).get("url", ""),
        severity=severity,
    )


def _plain(block: Mapping[str, Any]) -> str:
    return "".join(run["text"] for run in block["inlines"])


def faults_in(card: Card, expected: Sequence[Drop], *, heading: str) -> Iterator[str]:
    """Yield what is wrong with a person's card, for whom this gathered."""
    if card.heading != heading:
        yield f"its heading is {card.heading}"
    by_title = {drop.title: drop for drop in expected}
    shown = [by_title[line.title] for line in card.lines if line.title in by_title]
    if foreign := [line.title for line in card.lines if line.title not in by_title]:
        yield f"it shows what did not gather: {foreign[0]}"
    if any(line != _as_line(by_title[line.title]) for line in card.lines if line.title in by_title):
        yield "it shows an item in other words"
    if len({line.title for line in card.lines}) < len(card.lines):
        yield "it shows an item twice"
    if len(card.lines) + card.more != len(expected):
        yield f"it tells {len(card.lines)} and {card.more} more, {len(expected)} gathered"
    # Of equals any may come first: which of two was kept first is not known outside.
    if [drop.rank for drop in shown] != sorted(drop.rank for drop in expected)[:MOST_SHOWN]:
        yield "the most severe and latest do not come first"


def _as_line(drop: Drop) -> Line:
    given = drop.document
    return Line(title=given["title"], text=given["text"], link=given["link"], severity=given["severity"])
