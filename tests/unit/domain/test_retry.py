"""Retries: doubling waits with jitter, the service's own word, and an end by time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.retry import HORIZON, LONGEST_WAIT, last_try_at, retry_at

NOW = 1_800_000_000.0
DAY = 24 * 3600.0
FOREVER = NOW + 10 * DAY
jitters = st.floats(min_value=0, max_value=1, exclude_max=True)


def wait_of(
    *, attempts: int = 1, retry_after: float | None = None, jitter: float = 0.5, until: float = FOREVER
) -> float | None:
    at = retry_at(now=NOW, attempts=attempts, until=until, retry_after=retry_after, jitter=jitter)
    return None if at is None else at - NOW


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [
        (1, 2.0),  # After the first try.
        (2, 4.0),  # Doubled.
        (3, 8.0),  # Doubled again.
        (9, 512.0),  # Still below the longest wait.
        (10, 900.0),  # Fifteen minutes.
        (11, 900.0),  # No longer than that.
        (10_000, 900.0),  # However many tries a long outage takes.
    ],
)
def test_waits_double_up_to_a_quarter_of_an_hour(attempts: int, seconds: float) -> None:
    assert wait_of(attempts=attempts) == pytest.approx(seconds)


@given(st.integers(min_value=1, max_value=100), jitters)
def test_jitter_varies_a_wait_by_a_fifth(attempts: int, jitter: float) -> None:
    middle = min(LONGEST_WAIT.total_seconds(), 2.0 * 2 ** (attempts - 1))

    wait = wait_of(attempts=attempts, jitter=jitter)

    assert wait is not None
    assert 0.8 * middle - 1e-3 <= wait <= 1.2 * middle + 1e-3


@given(st.floats(min_value=0, max_value=3600), st.integers(min_value=1, max_value=100), jitters)
def test_the_services_word_is_only_ever_lengthened(retry_after: float, attempts: int, jitter: float) -> None:
    wait = wait_of(attempts=attempts, retry_after=retry_after, jitter=jitter)

    assert wait is not None
    assert max(retry_after, 0.5) - 1e-3 <= wait <= 1.3 * max(retry_after, 0.5) + 1e-3


@pytest.mark.parametrize(
    ("until", "seconds"),
    [
        (NOW + 2.0, 2.0),  # The last instant is still good.
        (NOW + 1.9, None),  # The try would come too late.
        (NOW - 1.0, None),  # It was over before.
    ],
)
def test_a_try_after_the_end_is_none(until: float, seconds: float | None) -> None:
    assert wait_of(until=until) == seconds


@pytest.mark.parametrize(
    ("expires_at", "last"),
    [
        (None, NOW + DAY),  # A day after the first try.
        (NOW + 2 * DAY, NOW + DAY),  # The day ends first.
        (NOW + 3600, NOW + 3595),  # Five seconds before the expiry no more intents.
        (NOW + 1, NOW - 4),  # So soon that there is no second try.
    ],
)
def test_tries_end_by_time(expires_at: float | None, last: float) -> None:
    assert last_try_at(first_tried_at=NOW, expires_at=expires_at) == last


@given(jitters)
def test_an_outage_of_two_minutes_ends_nobody(jitter: float) -> None:
    now, attempts = NOW, 0
    while now < NOW + 120:
        attempts += 1
        at = retry_at(now=now, attempts=attempts, until=NOW + HORIZON.total_seconds(), retry_after=None, jitter=jitter)
        assert at is not None
        now = at

    assert now < NOW + 400
