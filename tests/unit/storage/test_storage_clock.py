"""Storage's clock is found from whole seconds, and stays found."""

import random
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.storage.clock import RENEWAL_SECONDS, ClockOffset, StorageClock, parse_date

START = 1_800_000_000.0


def seeded(seed: int) -> random.Random:
    return random.Random(seed)


def feed(
    offset: ClockOffset, *, local: float, ahead: float, there: float = 0.005, back: float = 0.005, late: float = 0.0
) -> None:
    """One answer: written `there` seconds after it was asked for, with a Date from `late` seconds before."""
    date = floor(local + there + ahead - late)
    offset.feed(sent=local, received=local + there + back, date=date)


def test_before_any_answer_the_local_clock_is_taken() -> None:
    assert StorageClock(lambda: 12.5).now() == 12.5


@pytest.mark.parametrize("ahead", [0.0, 0.4, -3.7, 86_400.0])
def test_fifty_answers_at_random_times_find_the_offset(ahead: float) -> None:
    errors = []
    for seed in range(200):
        rng, offset = seeded(seed), ClockOffset()
        for _ in range(50):
            feed(offset, local=START + rng.uniform(0, 500), ahead=ahead, there=0.003, back=rng.uniform(0.002, 0.02))
        errors.append(abs(offset.middle - ahead))

    # By chance alone all 50 answers may miss the ends of the seconds: some runs in a hundred are off by more.
    assert sorted(errors)[190] < 0.05
    assert max(errors) < 0.1


@given(
    ahead=st.floats(-1000, 1000),
    answers=st.lists(st.tuples(st.floats(0, 500), st.floats(0, 2), st.floats(0, 2)), min_size=1, max_size=60),
)
def test_interval_always_holds_the_truth(ahead: float, answers: list[tuple[float, float, float]]) -> None:
    offset = ClockOffset()
    for after, there, back in answers:
        feed(offset, local=START + after, ahead=ahead, there=there, back=back)

        assert offset.low - 1e-6 <= ahead <= offset.high + 1e-6


@pytest.mark.parametrize("jump", [-3600.0, -5.0, -0.5, -0.1, 0.1, 0.2, 0.5, 5.0, 3600.0])
def test_jump_of_the_local_clock_is_survived(jump: float) -> None:
    rng, offset = seeded(1), ClockOffset()
    for second in range(100):
        feed(offset, local=START + second + rng.random(), ahead=0.3)
    for second in range(100, 200):
        feed(offset, local=START + second + rng.random() + jump, ahead=0.3 - jump)

    assert offset.middle == pytest.approx(0.3 - jump, abs=0.05)


def test_an_answer_during_which_the_clock_was_set_back_says_nothing() -> None:
    offset = ClockOffset()
    feed(offset, local=START, ahead=0.3)
    before = (offset.low, offset.high)

    offset.feed(sent=START + 10, received=START - 50, date=START)

    assert (offset.low, offset.high) == before


def test_hours_of_drift_and_late_dates_never_throw_the_estimate_off() -> None:
    rng, offset = seeded(2), ClockOffset()
    worst, drift = 0.0, 50e-6
    for answer in range(20_000):
        elapsed = answer * 1.5 + rng.random()
        feed(offset, local=START + elapsed, ahead=0.2 + drift * elapsed, late=rng.uniform(0, 0.02))
        if answer > 100:
            worst = max(worst, abs(offset.middle - 0.2 - drift * elapsed))

    assert worst < 0.06


def test_renewal_keeps_the_estimate() -> None:
    rng, offset = seeded(3), ClockOffset()
    for _ in range(200):
        feed(offset, local=START + rng.random() * 100, ahead=0.2)
    before = offset.middle

    feed(offset, local=START + RENEWAL_SECONDS + 101, ahead=0.2)

    assert offset.middle == pytest.approx(before, abs=0.05)


def test_clock_learns_from_date_headers() -> None:
    clock = StorageClock(lambda: 100.0)

    clock.observe(sent=100.0, received=100.0, date="Thu, 01 Jan 1970 00:02:00 GMT")

    assert clock.now() == 120.5


@pytest.mark.parametrize("header", [None, "", "yesterday", "Thu, 99 Jan 1970 00:02:00 GMT"])
def test_date_that_cannot_be_read_is_none(header: str | None) -> None:
    assert parse_date(header) is None
