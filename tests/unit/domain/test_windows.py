"""The windows of a conversation: Teams' four limits hold for every sequence of takes, and nobody waits for nothing."""

from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.windows import HOUR_BURST, HOUR_RATE, SLACK, WINDOWS, Windows, take

LIMITS = [(1.0, 7), (2.0, 8), (30.0, 60), (3_600.0, 1_800)]
NOW = 1_800_000_000.0
gaps = st.one_of(st.just(0.0), st.floats(min_value=0, max_value=3), st.floats(min_value=0, max_value=900))


def most_within(instants: list[float], span: float) -> int:
    """The most that lie in any stretch of this length, its ends included."""
    ordered = sorted(instants)
    return max(bisect_left(ordered, at + span + 1e-6) - index for index, at in enumerate(ordered))


def taken(takes: list[float], *, patience: float = 1e9) -> list[float]:
    """The places of takers who come after each gap; those further away than their patience are not taken."""
    windows, now, places = Windows(), NOW, list[float]()
    for gap in takes:
        now += gap
        after, wait = take(windows, now=now)
        if wait <= patience:
            windows = after
            places.append(now + wait)
    return places


@given(st.lists(gaps, min_size=1, max_size=150))
def test_no_stretch_of_time_ever_sees_more_than_teams_allows(takes: list[float]) -> None:
    places = taken(takes)

    assert places == sorted(places)
    for span, most in LIMITS:
        assert most_within(places, span) <= most


@pytest.mark.parametrize(
    "step",
    [
        0.0,  # All at once: each waits for its place.
        0.4,  # A little faster than the hour allows.
        2.0,  # As fast as the half hour's sixty.
        3.9,  # As fast as the hour refills.
    ],
)
@pytest.mark.parametrize("idle", [0.0, 7_200.0])
def test_an_hour_holds_over_days(step: float, idle: float) -> None:
    places = taken([idle, *[step] * 4_000])

    for span, most in LIMITS:
        assert most_within(places, span) <= most


def test_after_a_full_burst_an_hour_still_holds() -> None:
    # An hour's burst, then idle time to fill the bucket halfway, and another burst.
    places = taken([*[0.0] * 900, 1_800.0, *[0.0] * 900])

    assert most_within(places, 3_600.0) <= 1_800


@given(st.lists(gaps, min_size=1, max_size=150), st.floats(min_value=0, max_value=3))
def test_places_that_are_not_taken_are_not_counted(takes: list[float], patience: float) -> None:
    places = taken(takes, patience=patience)

    for span, most in LIMITS:
        assert most_within(places, span) <= most


@given(st.lists(gaps, min_size=1, max_size=100), st.randoms(use_true_random=False))
def test_requests_that_are_a_little_late_keep_the_limits(takes: list[float], dice: object) -> None:
    late = [place + dice.uniform(0, SLACK * 0.99) for place in taken(takes)]  # type: ignore[attr-defined]

    for span, most in WINDOWS:
        assert most_within(late, span) <= most


@settings(max_examples=200)
@given(st.lists(gaps, min_size=1, max_size=120))
def test_a_wait_is_as_short_as_possible(takes: list[float]) -> None:
    windows, now, places, tokens, filled_at = Windows(), NOW, list[float](), HOUR_BURST, NOW
    for gap in takes:
        now += gap
        windows, wait = take(windows, now=now)
        at = now + wait
        tokens, filled_at = min(HOUR_BURST, tokens + (at - filled_at) * HOUR_RATE), at
        # Whoever waits would have been one too many a moment sooner, or finds the hour's bucket just refilled.
        sooner = [*places, at - 2e-6]
        is_tight = any(most_within(sooner, span + SLACK) > most for span, most in WINDOWS)
        assert wait == 0 or is_tight or tokens == pytest.approx(1, abs=1e-3)
        tokens -= 1
        places.append(at)


@pytest.mark.parametrize(
    ("before", "wait"),
    [
        (0, 0.0),  # The first one.
        (6, 0.0),  # The seventh of a second.
        (7, 1.05),  # The eighth waits for the next second.
        (8, 2.05),  # The ninth for two seconds.
        (60, 30.05),  # The sixty-first for half a minute.
    ],
)
def test_the_first_too_many_waits_until_its_window_is_over(before: int, wait: float) -> None:
    # Those before came as early as they could, so their first ones are the oldest of each window.
    windows, started = Windows(), NOW
    for _ in range(before):
        windows, _ = take(windows, now=started)

    _, waits = take(windows, now=started)

    assert waits == pytest.approx(wait, abs=1e-3)


def test_no_more_is_remembered_than_the_longest_window_needs() -> None:
    windows = Windows()
    for _ in range(500):
        windows, _ = take(windows, now=NOW)

    assert len(windows.instants) == 60
