"""The ledger's counts, pages and figures."""

from array import array
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.figures import rate_of, worst_second
from simulator.ledger import Ledger


def deliver(
    ledger: Ledger,
    person: str | None,
    text: str = "hello",
    *,
    at: float = 0.0,
    event: str = "sent",
    attachments: Sequence[Any] = (),
) -> None:
    ledger.record(
        event,
        at=1_700_000_000.0 + at,
        monotonic=at,
        tenant="contoso",
        person=person,
        conversation=f"a:{person}",
        activity_id="1",
        content=text.encode(),
        text=text,
        attachments=attachments,
    )


def test_empty_ledger_has_no_moments() -> None:
    summary = Ledger().summary()

    assert (summary.deliveries, summary.first_at, summary.last_at, summary.rate) == (0, None, None, None)


def test_duplicates_are_surplus_deliveries_of_one_content() -> None:
    ledger = Ledger()
    for person, text in [("adele", "a"), ("adele", "a"), ("adele", "a"), ("adele", "b"), ("bruno", "a")]:
        deliver(ledger, person, text)

    summary = ledger.summary()

    assert (summary.deliveries, summary.people, summary.duplicates, summary.people_repeated) == (5, 2, 2, 1)
    assert ledger.people() == {"adele": 4, "bruno": 1}


def test_contents_are_told_apart_by_digest() -> None:
    ledger = Ledger()
    for person, text in [("adele", "a"), ("adele", "a"), ("bruno", "a"), ("bruno", "b")]:
        deliver(ledger, person, text)

    rows = sorted(ledger.contents().values(), key=lambda row: str(row["text"]))

    assert rows == [
        {"text": "a", "attachments": [], "deliveries": 3, "reached": 2, "duplicates": 1},
        {"text": "b", "attachments": [], "deliveries": 1, "reached": 1, "duplicates": 0},
    ]


def test_a_contents_attachments_are_told() -> None:
    ledger, card = Ledger(), {"contentType": "card", "content": {"body": ["words"]}}
    for person in ("adele", "bruno"):
        deliver(ledger, person, attachments=[card])

    (told,) = ledger.contents().values()
    ledger.clear()

    assert (told["attachments"], told["reached"]) == ([card], 2)
    assert ledger.contents() == {}


def test_updates_and_deletes_are_no_deliveries() -> None:
    ledger = Ledger()
    deliver(ledger, "adele")
    deliver(ledger, "adele", "changed", event="updated")
    deliver(ledger, "adele", event="deleted")

    summary = ledger.summary()

    assert (summary.deliveries, summary.updates, summary.deletes, summary.duplicates) == (1, 1, 1, 0)


def test_entries_come_after_a_position_and_of_one_person() -> None:
    ledger = Ledger()
    for person in ("adele", "bruno", "adele", "bruno"):
        deliver(ledger, person)

    assert [entry.seq for entry in ledger.entries(after=2)] == [3, 4]
    assert [entry.seq for entry in ledger.entries(person="bruno")] == [2, 4]


def test_position_of_a_reader_outlives_clearing() -> None:
    ledger = Ledger()
    deliver(ledger, "adele")
    ledger.clear()
    deliver(ledger, "bruno")

    assert [(entry.seq, entry.person) for entry in ledger.entries(after=1)] == [(2, "bruno")]
    assert ledger.summary().deliveries == 1


def test_rate_leaves_out_the_last_thousandth() -> None:
    moments = array("d", [number / 50 for number in range(2000)] + [1000.0])

    assert rate_of(moments) == pytest.approx(50.0, rel=0.001)


@given(st.lists(st.floats(0, 20), min_size=1, max_size=60).map(sorted))
def test_worst_second_is_the_fullest_window(moments: list[float]) -> None:
    fullest = max(sum(end - 1.0 < moment <= end for moment in moments) for end in moments)

    assert worst_second(array("d", moments)) == fullest
