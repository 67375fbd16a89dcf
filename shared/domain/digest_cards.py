"""How a letter looks: an Adaptive Card, the items in groups by severity. Pure.

Titles and the heading come from elsewhere and are plain text, so they are text runs, in which no client of Teams reads
Markdown. An item's link opens at a click on the item: a link on a text run has been shown as plain text by some
clients (https://github.com/microsoft/AdaptiveCards/issues/9100), and one in Markdown needs escapes that others show.
"""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from shared.domain.digests import Item, Severity
from shared.domain.letters import Letter, Sheet

_GROUPS: Mapping[Severity, tuple[str, str]] = {
    Severity.CRITICAL: ("Critical", "Attention"),
    Severity.WARNING: ("Warning", "Warning"),
    Severity.INFO: ("Info", "Default"),
}
"""The heading of each group, and its colour."""


def digest_card(sheet: Sheet, letter: Letter) -> dict[str, Any]:
    """The card of one person's letter, for version 1.5 of Adaptive Cards."""
    body = [_plain(sheet.heading, size="Large", weight="Bolder")]
    for severity, items in groupby(letter.items(sheet), key=lambda item: item.severity):
        heading, color = _GROUPS[severity]
        body.append(_text(heading, style="heading", weight="Bolder", color=color, separator=True, spacing="Medium"))
        body += map(_item, items)
    if letter.more:
        body.append(_text(f"and {letter.more:,} more", isSubtle=True, separator=True, spacing="Medium"))
    return {"type": "AdaptiveCard", "version": "1.5", "body": body}


def digest_summary(sheet: Sheet, letter: Letter) -> str:
    """What a notification shows, such as `3 items: Disk full`."""
    number = len(letter.shown) + letter.more
    return f"{number:,} {'item' if number == 1 else 'items'}: {letter.items(sheet)[0].title}"


def _item(item: Item) -> dict[str, Any]:
    title = _plain(item.title, weight="Bolder", **({"color": "Accent"} if item.link else {}))
    container = {
        "type": "Container",
        "spacing": "Small",
        "items": [title, _text(item.text, spacing="None")] if item.text else [title],
    }
    return container | ({"selectAction": {"type": "Action.OpenUrl", "url": item.link}} if item.link else {})


def _text(text: str, **looks: Any) -> dict[str, Any]:
    """A text in Markdown."""
    return {"type": "TextBlock", "text": text, "wrap": True, **looks}


def _plain(text: str, **looks: Any) -> dict[str, Any]:
    """A text that is shown as it is."""
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **looks}]}
