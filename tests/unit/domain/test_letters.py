"""Letters: which items a person's digest shows, in what order, how many of them, and how they are packed."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.digests import Item, Severity
from shared.domain.letters import (
    LARGEST_SHEET,
    MOST_SHOWN,
    SHOWN_BYTES,
    Letter,
    Sheet,
    compose,
    fill_sheet,
    pack_letter,
    pack_sheet,
    unpack_letter,
    unpack_sheet,
)

NOW = 1_000.0
CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
items = st.builds(
    Item,
    title=texts,
    text=texts,
    link=texts,
    severity=st.sampled_from(Severity),
    at=st.floats(0, 4e9),
    expires_at=st.none() | st.floats(0, 4e9),
)


def an_item(title: str = "Disk full", *, severity: Severity = INFO, at: float = 0.0, **more: object) -> Item:
    return Item(title=title, severity=severity, at=at, **more)  # type: ignore[arg-type]


def titles(letter: Letter | None) -> list[str]:
    assert letter is not None
    return [entry.title for entry in letter.shown if isinstance(entry, Item)]


@pytest.mark.parametrize(
    "gathered",
    [
        [],  # Nothing at all.
        [an_item(expires_at=NOW)],  # What expires at this moment has expired.
        [an_item(expires_at=1.0), an_item(expires_at=NOW - 0.1)],  # So has everything here.
    ],
)
def test_there_is_no_letter_where_nothing_is_left_to_tell(gathered: list[Item]) -> None:
    assert compose(gathered, list(enumerate(gathered)), now=NOW) is None


def test_what_has_expired_is_neither_shown_nor_counted() -> None:
    letter = compose(
        [an_item("stale", expires_at=NOW), an_item("fresh", expires_at=NOW + 0.1)],
        [(0, an_item(expires_at=NOW - 1)), (1, an_item())],
        now=NOW,
    )

    assert letter == Letter(shown=(an_item("fresh", expires_at=NOW + 0.1), 1))


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_most_severe_come_first_and_of_these_the_newest(order: tuple[int, ...]) -> None:
    gathered = [
        an_item("a", severity=CRITICAL, at=2),
        an_item("b", severity=CRITICAL, at=1),
        an_item("c", severity=WARNING, at=3),
        an_item("d", severity=INFO, at=4),
    ]

    assert titles(compose([gathered[n] for n in order], [], now=NOW)) == ["a", "b", "c", "d"]


def test_items_of_ones_own_and_those_of_the_sheet_are_in_one_order() -> None:
    own = [an_item("a", severity=WARNING, at=5), an_item("b", at=5)]
    shared = [(7, an_item(severity=CRITICAL, at=1)), (2, an_item(severity=WARNING, at=5)), (4, an_item(at=9))]

    letter = compose(own, shared, now=NOW)

    # Of the two warnings of one instant one's own is the first.
    assert letter == Letter(shown=(7, own[0], 2, 4, own[1]))


@pytest.mark.parametrize(
    ("number", "more"),
    [
        (1, 0),
        (MOST_SHOWN, 0),  # As many as are shown.
        (MOST_SHOWN + 1, 1),  # One too many.
        (1_000, 980),  # A whole night's alarms.
    ],
)
def test_what_is_too_much_is_counted(number: int, more: int) -> None:
    own = [an_item(str(n), at=n) for n in range(number // 2)]
    shared = [(n, an_item(at=n)) for n in range(number // 2, number)]

    letter = compose(own, shared, now=NOW)

    assert letter is not None
    assert (len(letter.shown), letter.more) == (number - more, more)
    assert letter.shown[0] == number - 1


def test_long_items_are_cut_by_their_bytes() -> None:
    long = [an_item("t" * 200, text="x" * 1_000, link="https://l.test/" + "l" * 1_985) for _ in range(MOST_SHOWN)]

    letter = compose(long, [], now=NOW)

    assert letter is not None
    assert (len(letter.shown), letter.more) == (7, MOST_SHOWN - 7)


def test_one_item_is_shown_however_long_it_is() -> None:
    letter = compose([an_item(text="x" * 2 * SHOWN_BYTES)], [], now=NOW)

    assert letter is not None
    assert len(letter.shown) == 1


@given(st.lists(items | st.integers(0, 10**4), min_size=1, max_size=20), st.integers(0, 10**4))
def test_a_letter_comes_back_as_it_was(shown: list[Item | int], more: int) -> None:
    letter = Letter(shown=tuple(shown), more=more)

    assert unpack_letter(pack_letter(letter)) == letter


@given(texts, st.lists(items, max_size=20))
def test_a_sheet_comes_back_as_it_was(heading: str, gathered: list[Item]) -> None:
    sheet = Sheet(heading=heading, items=tuple(gathered))

    assert unpack_sheet(pack_sheet(sheet)) == sheet


def test_an_item_for_everybody_costs_each_a_few_bytes() -> None:
    letter = compose([], [(0, an_item(text="x" * 1_000))], now=NOW)

    assert letter is not None
    assert pack_letter(letter) == "[0,0]"


@pytest.mark.parametrize("text", ["", "x" * 1_000, "🔥" * 1_000, '"' * 1_000])
def test_a_sheet_takes_the_first_items_that_fit(text: str) -> None:
    gathered = [an_item(str(n), text=text) for n in range(4_000)]

    sheet = fill_sheet("Daily", gathered)

    assert sheet.items == tuple(gathered[: len(sheet.items)])
    assert 150 < len(sheet.items) < 4_000
    assert len(pack_sheet(sheet)) <= LARGEST_SHEET


def test_a_sheet_takes_all_items_where_they_fit() -> None:
    gathered = [an_item(str(n), text="x" * 1_000) for n in range(400)]

    assert fill_sheet("Daily", gathered).items == tuple(gathered)
