"""Nudges that are turned away come again by themselves: once each, and the later the more of them wait."""

from hypothesis import given
from hypothesis import strategies as st

from shared.work.turning_away import JITTER, LONGEST_WAIT, SHORTEST_WAIT, TurnedAway


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def now(self) -> float:
        return self.at


def test_a_nudge_that_is_repeated_comes_again_once() -> None:
    clock = Clock()
    turned_away = TurnedAway(clock)

    wait = turned_away.wait("b", 7)

    assert wait is not None
    assert turned_away.wait("b", 7) is None
    assert turned_away.wait("b", 8) is not None
    clock.at += wait
    assert turned_away.wait("b", 7) is not None


@given(st.integers(min_value=0, max_value=500))
def test_waits_stay_in_bounds_and_grow_with_the_crowd(crowd: int) -> None:
    turned_away = TurnedAway(Clock())
    for number in range(crowd):
        turned_away.wait("b", number)

    wait = turned_away.wait("c", 0)

    assert wait is not None
    assert min(LONGEST_WAIT / JITTER, SHORTEST_WAIT + crowd / 4) <= wait <= LONGEST_WAIT
