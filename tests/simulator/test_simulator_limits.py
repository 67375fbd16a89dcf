"""The Connector's limits, as tables and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.limits import WINDOWS, Limits, window_wait

TENANT = "contoso"


def admitted(limits: Limits, moments: list[float], *, rule: str | None = "send", conversation: str = "a:1") -> int:
    return sum(
        limits.admit(tenant=TENANT, conversation=conversation, rule=rule, cost=1, now=moment) == 0 for moment in moments
    )


@pytest.mark.parametrize(
    ("taken", "now", "wait"),
    [
        ([], 0.0, 0.0),  # Nothing was sent yet.
        ([0.0] * 6, 0.0, 0.0),  # The seventh in a second is the last that fits.
        ([0.0] * 7, 0.5, 0.5),  # The eighth waits for the first to leave the window of one second.
        ([0.0] * 7, 1.0, 0.0),  # A window of one second is over after one second.
        ([0.0] * 7 + [1.0], 1.5, 0.5),  # Then the window of two seconds holds: eight.
        ([float(i) / 2 for i in range(60)], 29.9, 0.1),  # And that of thirty: sixty.
        ([i * 1.9 for i in range(1800)], 3500.0, 100.0),  # And that of an hour.
    ],
)
def test_windows_of_a_conversation(taken: list[float], now: float, wait: float) -> None:
    assert window_wait(taken, WINDOWS["send"], 1, now) == pytest.approx(wait)


@pytest.mark.parametrize(
    ("rule", "at_once"),
    [("send", 7), ("create", 7), ("members", 14), ("conversations", 14), ("roster", 5)],
)
def test_calls_of_one_conversation_at_once(rule: str, at_once: int) -> None:
    assert admitted(Limits(0, 0), [0.0] * 40, rule=rule) == at_once


def test_bucket_gives_its_depth_at_once_and_its_rate_later() -> None:
    limits = Limits(50, 50)

    assert admitted(limits, [0.0] * 80, rule=None) == 50
    assert admitted(limits, [0.1] * 80, rule=None) == 5
    assert admitted(limits, [60.0] * 80, rule=None) == 50


def test_refusal_says_how_long_to_wait() -> None:
    limits = Limits(50, 50)
    admitted(limits, [0.0] * 50, rule=None)

    wait = limits.admit(tenant=TENANT, conversation=None, rule=None, cost=2, now=0.0)

    assert wait == pytest.approx(2 / 50)


def test_each_tenant_has_its_own_bucket() -> None:
    limits = Limits(50, 50)
    admitted(limits, [0.0] * 50, rule=None)

    assert limits.admit(tenant="fabrikam", conversation=None, rule=None, cost=1, now=0.0) == 0


def test_rate_of_zero_lifts_the_bucket_and_the_switch_lifts_the_windows() -> None:
    assert admitted(Limits(0, 50, conversation_limits=False), [0.0] * 5000) == 5000


def test_refused_call_takes_nothing_from_the_bucket() -> None:
    limits = Limits(50, 50)
    admitted(limits, [0.0] * 40, conversation="a:1")

    assert admitted(limits, [0.0] * 80, rule=None) == 43


def test_windows_stay_right_when_old_moments_are_forgotten() -> None:
    limits = Limits(0, 0)

    count = admitted(limits, [i * 2.0 for i in range(9000)])

    assert count == 9000


@given(st.lists(st.floats(0, 5), min_size=1, max_size=300))
def test_no_window_of_a_conversation_is_ever_overfull(gaps: list[float]) -> None:
    limits, now, passed = Limits(0, 0), 0.0, []
    for gap in gaps:
        now += gap * gap / 25
        if limits.admit(tenant=TENANT, conversation="a:1", rule="send", cost=1, now=now) == 0:
            passed.append(now)

    for allowed, span in WINDOWS["send"]:
        for start in passed:
            assert sum(start <= moment < start + span - 1e-9 for moment in passed) <= allowed


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=400))
def test_bucket_never_gives_more_than_depth_and_rate(gaps: list[float]) -> None:
    limits, now, passed = Limits(50, 20), 0.0, 0
    for gap in gaps:
        now += gap
        passed += limits.admit(tenant=TENANT, conversation=None, rule=None, cost=1, now=now) == 0

    assert passed <= 20 + 50 * now + 1e-6


@given(st.floats(0, 0.99), st.integers(1, 2))
def test_waiting_as_told_is_enough(later: float, cost: int) -> None:
    limits = Limits(50, 50)
    admitted(limits, [0.0] * 60)
    wait = limits.admit(tenant=TENANT, conversation="a:1", rule="send", cost=cost, now=later)

    assert wait > 0
    assert limits.admit(tenant=TENANT, conversation="a:1", rule="send", cost=cost, now=later + wait + 1e-6) == 0
