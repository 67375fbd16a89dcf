"""A broadcast as a whole: its state, its stops, and sums that always add up."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.broadcasts import (
    Broadcast,
    BroadcastState,
    count_as,
    pack_counts,
    state_of,
    unpack_counts,
)
from shared.domain.lanes import LanePlan
from shared.domain.outcomes import Outcome

NOW = 1_800_000_000.0
texts = st.text(alphabet=[outcome.value for outcome in Outcome], max_size=100)


def a_broadcast(
    *,
    expires_at: float | None = None,
    cancelled_at: float | None = None,
    finished_at: float | None = None,
    sums: str = "",
) -> Broadcast:
    return Broadcast(
        id="b",
        tenant="t",
        key="k",
        body_hash="h",
        lanes=LanePlan(sends=4),
        accepted_at=NOW - 3600,
        expires_at=expires_at,
        cancelled_at=cancelled_at,
        finished_at=finished_at,
        final_outcomes=sums,
    )


@pytest.mark.parametrize(
    ("broadcast", "stopped_at"),
    [
        (a_broadcast(), None),  # Nothing stops it.
        (a_broadcast(expires_at=NOW), NOW),  # It expires at this moment.
        (a_broadcast(expires_at=NOW + 1), None),  # Not yet.
        (a_broadcast(cancelled_at=NOW - 5), NOW - 5),  # It was cancelled.
        (a_broadcast(cancelled_at=NOW - 5, expires_at=NOW - 9), NOW - 9),  # What came first counts.
        (a_broadcast(cancelled_at=NOW - 9, expires_at=NOW - 5), NOW - 9),  # The other way round.
    ],
)
def test_a_broadcast_is_stopped_by_what_comes_first(broadcast: Broadcast, stopped_at: float | None) -> None:
    assert broadcast.stopped_at(NOW) == stopped_at


@pytest.mark.parametrize(
    ("broadcast", "outcome"),
    [
        (a_broadcast(), None),  # It goes on.
        (a_broadcast(cancelled_at=NOW - 9.9), None),  # Answers may still come.
        (a_broadcast(cancelled_at=NOW - 10), Outcome.CANCELLED),  # Ten seconds later.
        (a_broadcast(expires_at=NOW - 10), Outcome.EXPIRED),  # The same for an expiry.
        (a_broadcast(cancelled_at=NOW - 10, expires_at=NOW - 30), Outcome.EXPIRED),  # A cancel that came too late.
        (a_broadcast(cancelled_at=NOW - 30, expires_at=NOW - 10), Outcome.CANCELLED),  # A cancel in time.
    ],
)
def test_open_deliveries_of_a_stopped_broadcast_count_as_ended(broadcast: Broadcast, outcome: Outcome | None) -> None:
    assert broadcast.ends_open_as(NOW) is outcome


@pytest.mark.parametrize(
    ("broadcast", "planned", "has_batches", "started", "state"),
    [
        (a_broadcast(), False, False, False, BroadcastState.ACCEPTED),  # Nobody has looked at it.
        (a_broadcast(), False, False, True, BroadcastState.PLANNING),  # Its first run is collected.
        (a_broadcast(), False, True, True, BroadcastState.SENDING),  # Sending starts before the plan ends.
        (a_broadcast(), True, False, True, BroadcastState.SENDING),  # Nobody was there to be planned.
        (a_broadcast(finished_at=NOW), True, True, True, BroadcastState.FINISHED),  # It is closed.
        (a_broadcast(cancelled_at=NOW - 1), False, True, True, BroadcastState.CANCELLED),  # At once.
        (a_broadcast(expires_at=NOW - 1), True, True, True, BroadcastState.EXPIRED),  # At once.
        # Closed after a cancel.
        (a_broadcast(cancelled_at=NOW - 99, finished_at=NOW), True, True, True, BroadcastState.CANCELLED),
        # A cancel that came after the end changes nothing.
        (a_broadcast(cancelled_at=NOW - 1, finished_at=NOW - 2, sums="S4"), True, True, True, BroadcastState.FINISHED),
        # Closed after the expiry, with some whom it ended.
        (a_broadcast(expires_at=NOW - 9, finished_at=NOW, sums="E1 S4"), True, True, True, BroadcastState.EXPIRED),
        # Closed after the expiry, which ended nobody.
        (a_broadcast(expires_at=NOW - 9, finished_at=NOW, sums="S5"), True, True, True, BroadcastState.FINISHED),
    ],
)
def test_one_word_tells_where_a_broadcast_stands(
    broadcast: Broadcast, planned: bool, has_batches: bool, started: bool, state: BroadcastState
) -> None:
    assert state_of(broadcast, planned=planned, has_batches=has_batches, now=NOW, started=started) is state


@pytest.mark.parametrize(
    ("outcomes", "held", "ends_as", "counted"),
    [
        ("psdwS", False, None, "psdwS"),  # While it goes on everything is what it is.
        ("psdwS", False, Outcome.CANCELLED, "CUCCS"),  # Nobody resends what was being sent.
        ("psdwS", True, Outcome.CANCELLED, "CsCCS"),  # An answer is still awaited.
        ("pS0UO", False, Outcome.EXPIRED, "ES0UO"),  # Ends stay ends.
    ],
)
def test_a_row_of_a_stopped_broadcast_counts_by_what_stands_in_it(
    outcomes: str, held: bool, ends_as: Outcome | None, counted: str
) -> None:
    assert count_as(outcomes, held=held, ends_as=ends_as) == counted


@given(texts, st.booleans(), st.sampled_from([None, Outcome.CANCELLED, Outcome.EXPIRED]))
def test_counting_never_gains_or_loses_a_delivery(outcomes: str, held: bool, ends_as: Outcome | None) -> None:
    counted = count_as(outcomes, held=held, ends_as=ends_as)

    assert len(counted) == len(outcomes)
    for before, after in zip(outcomes, counted, strict=True):
        assert before == after or Outcome(before).is_open


@given(texts, st.sampled_from([Outcome.CANCELLED, Outcome.EXPIRED]))
def test_nothing_is_open_in_a_stopped_row_that_nobody_holds(outcomes: str, ends_as: Outcome) -> None:
    counted = count_as(outcomes, held=False, ends_as=ends_as)

    assert not any(Outcome(character).is_open for character in counted)


@given(st.dictionaries(st.sampled_from(Outcome), st.integers(min_value=0, max_value=10**7)))
def test_sums_come_back_as_they_were_stored(counts: dict[Outcome, int]) -> None:
    assert unpack_counts(pack_counts(Counter(counts))) == Counter(counts)


def test_sums_are_one_short_string() -> None:
    packed = pack_counts(Counter({Outcome.SENT: 4980, Outcome.NOT_INSTALLED: 7, Outcome.EXPIRED: 120}))

    assert packed == "07 E120 S4980"
