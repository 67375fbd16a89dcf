"""Cards of digests: what a person reads, and that it is small enough for Teams, whatever the items say."""

from typing import Any

import orjson
import pytest

from shared.domain.digest_cards import digest_card, digest_summary
from shared.domain.digests import Item, Severity
from shared.domain.letters import FURNITURE, LARGEST_CARD, MOST_SHOWN, Letter, Sheet, compose
from shared.requests import LARGEST_MESSAGE
from shared.teams.protocol import encode_message
from simulator import payload

SHEET = Sheet(
    heading="Your *day*",
    items=(
        Item(title="Maintenance", text="On **Sunday**.", at=3.0),
        Item(title="Outage", severity=Severity.CRITICAL, at=1.0),
    ),
)
MINE = Item(title="[Ticket](https://evil.test)", link="https://tickets.test/7", severity=Severity.WARNING, at=2.0)


def a_letter(own: list[Item], *places: int, sheet: Sheet = SHEET) -> Letter:
    letter = compose(own, [(place, sheet.items[place]) for place in places], now=10.0)
    assert letter is not None
    return letter


def elements(value: Any) -> list[dict[str, Any]]:
    """All elements of a card, in the order of reading."""
    if isinstance(value, list):
        return [element for inner in value for element in elements(inner)]
    if not isinstance(value, dict):
        return []
    here = [value] if "type" in value else []
    return here + [element for inner in value.values() for element in elements(inner)]


def words(card: dict[str, Any]) -> list[str]:
    return [element["text"] for element in elements(card) if "text" in element]


def test_items_stand_in_groups_with_the_most_severe_first() -> None:
    card = digest_card(SHEET, a_letter([MINE], 0, 1))

    assert words(card) == [
        *("Your *day*", "Critical", "Outage"),
        *("Warning", "[Ticket](https://evil.test)"),
        *("Info", "Maintenance", "On **Sunday**."),
    ]


def test_a_group_has_one_heading() -> None:
    card = digest_card(SHEET, a_letter([MINE, MINE]))

    assert words(card) == ["Your *day*", "Warning", MINE.title, MINE.title]


def test_what_is_not_shown_is_counted_at_the_end() -> None:
    card = digest_card(SHEET, a_letter([MINE] * (MOST_SHOWN + 1_234)))

    assert words(card)[-1] == "and 1,234 more"


def test_only_the_text_of_an_item_is_markdown() -> None:
    card = digest_card(SHEET, a_letter([MINE], 0))

    markdown = [element["text"] for element in elements(card) if element["type"] == "TextBlock"]
    assert markdown == ["Warning", "Info", "On **Sunday**."]


def test_an_item_opens_its_link_and_no_other_one() -> None:
    card = digest_card(SHEET, a_letter([MINE], 0))

    linked = [element["selectAction"] for element in card["body"] if "selectAction" in element]
    assert linked == [{"type": "Action.OpenUrl", "url": "https://tickets.test/7"}]


@pytest.mark.parametrize(
    ("own", "places", "summary"),
    [
        ([], [1], "1 item: Outage"),
        ([MINE], [0, 1], "3 items: Outage"),  # The first is the most severe.
        ([MINE] * 1_100, [], "1,100 items: [Ticket](https://evil.test)"),  # What is not shown counts as well.
    ],
)
def test_a_notification_tells_the_number_and_the_first(own: list[Item], places: list[int], summary: str) -> None:
    assert digest_summary(SHEET, a_letter(own, *places)) == summary


@pytest.mark.parametrize("letter", ["x", "ü", "語", "🔥", '"', "\\", "*", "\n", "\x01"])
@pytest.mark.parametrize("length", [1, 10, 30, 100, 1_000])
def test_a_card_of_the_longest_items_is_small_enough(letter: str, length: int) -> None:
    def an_item(number: int) -> Item:
        severity = list(Severity)[number % 3]
        return Item(
            title=letter * min(length, 200), text=letter * length, link=letter * 2 * length, severity=severity, at=1
        )

    sheet = Sheet(heading=letter * 200, items=tuple(map(an_item, range(3))))
    shown = a_letter([an_item(number) for number in range(1_000)], 0, 1, 2, sheet=sheet)

    encoded = encode_message(card=digest_card(sheet, shown), summary=digest_summary(sheet, shown))

    assert shown.more == 1_003 - len(shown.shown)
    assert len(encoded) <= LARGEST_CARD
    assert len(encoded.decode().encode("utf-16-le")) <= LARGEST_MESSAGE
    payload.check_size(encoded)
    payload.check_activity(orjson.loads(encoded))


def test_a_card_has_no_more_around_an_item_than_is_reckoned_with() -> None:
    item = Item(title="t", text="x", link="l", severity=Severity.CRITICAL, at=1.0)
    one, two = (len(orjson.dumps(digest_card(SHEET, Letter(shown=(item,) * number)))) for number in (1, 2))

    assert two - one - len('["t","x","l"]') <= FURNITURE
