"""Outcomes: one character each, states that sum up, reasons of what is undeliverable."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.outcomes import (
    OPEN_STATES,
    Outcome,
    Reason,
    State,
    count_outcomes,
    count_reasons,
    count_states,
)

rows = st.lists(st.text(alphabet=[outcome.value for outcome in Outcome], max_size=100), max_size=20)


def test_each_outcome_is_one_character_of_its_own() -> None:
    characters = [outcome.value for outcome in Outcome]

    assert all(len(character) == 1 and character.isascii() for character in characters)
    assert len(set(characters)) == len(characters)


def test_each_state_and_each_reason_has_an_outcome() -> None:
    assert {outcome.state for outcome in Outcome} == set(State)
    assert {outcome.reason for outcome in Outcome} == {*Reason, None}


@pytest.mark.parametrize("outcome", Outcome)
def test_only_undeliverable_outcomes_have_a_reason(outcome: Outcome) -> None:
    assert (outcome.reason is not None) == (outcome.state is State.UNDELIVERABLE)


@pytest.mark.parametrize(
    ("outcome", "is_open"),
    [
        (Outcome.PENDING, True),  # Nobody has tried it yet.
        (Outcome.AWAITING_INSTALL, True),  # The app must come first.
        (Outcome.SENDING, True),  # An answer is awaited.
        (Outcome.DEFERRED, True),  # It is tried again later.
        (Outcome.SENT, False),  # The Connector has it.
        (Outcome.UNCERTAIN, False),  # Reported, never resent.
        (Outcome.EXPIRED, False),  # Its time has gone by.
        (Outcome.CANCELLED, False),  # Somebody stopped it.
        (Outcome.OPTED_OUT, False),  # The person said no.
        (Outcome.ATTEMPTS_EXHAUSTED, False),  # A day of tries.
    ],
)
def test_open_outcomes_are_those_of_which_something_is_to_come(outcome: Outcome, is_open: bool) -> None:
    assert outcome.is_open is is_open
    assert (outcome.state in OPEN_STATES) is is_open


@given(rows)
def test_states_add_up_to_the_number_of_deliveries(outcomes: list[str]) -> None:
    counts = count_outcomes(outcomes)
    states = count_states(counts)

    assert list(states) == list(State)
    assert sum(states.values()) == counts.total() == sum(map(len, outcomes))


@given(rows)
def test_reasons_add_up_to_the_undeliverable_ones(outcomes: list[str]) -> None:
    counts = count_outcomes(outcomes)
    reasons = count_reasons(counts)

    assert sum(reasons.values()) == count_states(counts)[State.UNDELIVERABLE]
    assert 0 not in reasons.values()
    assert list(reasons) == [reason for reason in Reason if reason in reasons]


def test_a_count_of_zero_is_no_reason() -> None:
    assert count_reasons(Counter({Outcome.SERVICE_ERROR: 0, Outcome.SENT: 3})) == {}


def test_an_unknown_character_is_refused() -> None:
    with pytest.raises(ValueError, match="x"):
        count_outcomes(["x"])
