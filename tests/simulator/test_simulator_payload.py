"""What the Connector takes as an activity."""

from typing import Any

import orjson
import pytest

from simulator.payload import check_activity, check_size, content_of, is_split
from simulator.refusals import Refusal
from tests.simulator.connector_caller import CARD


@pytest.mark.parametrize(
    "activity",
    [
        {"type": "message", "text": "hello"},
        {"type": "message", "attachments": [CARD], "summary": "Lunch"},
        {"type": "typing"},
    ],
)
def test_whole_activities_are_accepted(activity: dict[str, Any]) -> None:
    check_activity(activity)


@pytest.mark.parametrize(
    "activity",
    [
        None,
        [],
        {},
        {"text": "no type"},
        {"type": "mystery", "text": "hello"},
        {"type": "message"},
        {"type": "message", "text": "  "},
        {"type": "message", "text": 7},
        {"type": "message", "attachments": {}},
        {"type": "message", "attachments": ["card"]},
        {"type": "message", "attachments": [{"content": {}}]},
        {"type": "message", "attachments": [{"contentType": CARD["contentType"], "content": "{}"}]},
        {"type": "message", "attachments": [{"contentType": CARD["contentType"], "content": {"type": "Card"}}]},
    ],
)
def test_broken_activities_are_refused_as_bad_argument(activity: Any) -> None:
    with pytest.raises(Refusal) as refusal:
        check_activity(activity)

    assert (refusal.value.status, refusal.value.code) == (400, "Bad Argument")


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("a" * 51_000, True),  # An ASCII letter is two bytes in UTF-16.
        ("a" * 51_300, False),
        ("あ" * 51_000, True),  # So is one that takes three bytes in UTF-8.
        ("あ" * 51_300, False),
        ("😀" * 25_000, True),  # An emoji takes four.
        ("😀" * 25_700, False),
        ("data:image/png;base64," + "A" * 500_000, True),  # Pictures in base64 do not count.
    ],
)
def test_size_counts_utf_16_without_pictures(text: str, fits: bool) -> None:
    raw = orjson.dumps({"text": text})
    if fits:
        check_size(raw)
        return

    with pytest.raises(Refusal) as refusal:
        check_size(raw)

    assert (refusal.value.status, refusal.value.code) == (413, "MessageSizeTooBig")


def test_text_with_attachment_is_split() -> None:
    assert is_split({"type": "message", "text": "hello", "attachments": [CARD]})
    assert not is_split({"type": "message", "text": "hello"})
    assert not is_split({"type": "message", "attachments": [CARD]})


def test_card_is_shown_by_its_summary_or_its_words() -> None:
    assert content_of({"attachments": [CARD], "summary": "Lunch"})[1] == "Lunch"
    assert content_of({"attachments": [CARD]})[1] == "Lunch is served"
