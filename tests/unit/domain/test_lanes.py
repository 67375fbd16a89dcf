"""Lanes and groups: a table of paces, and what holds for every pace."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.lanes import (
    BATCH_SIZE,
    FEWEST_LANES,
    FIRST_INSTALL,
    GROUP_SECONDS,
    INSTALL_LANES,
    MOST_LANES,
    SMALLEST_GROUP,
    LanePlan,
    group_size,
    install_size,
    lanes_for,
)

paces = st.floats(min_value=0.01, max_value=10_000)


@pytest.mark.parametrize(
    ("pace", "recipients", "lanes"),
    [
        (49.75, None, 4),  # Teams' limit.
        (50.0, None, 4),  # The limit itself.
        (None, None, 16),  # Without a limit.
        (0.5, None, 4),  # Slower than four lanes need, which costs nothing.
        (100.0, None, 8),  # Eight seconds of a doubled pace.
        (10_000.0, None, 16),  # More lanes would only defer and end unevenly.
        (49.75, 1, 1),  # One person is one batch.
        (49.75, 0, 1),  # Nobody still has a lane to end in.
        (49.75, 101, 2),  # Two batches.
        (49.75, 100_000, 4),  # The pace bounds it again.
        (None, 450, 5),  # Five batches, no limit.
    ],
)
def test_lanes_follow_the_pace_and_the_batches(pace: float | None, recipients: int | None, lanes: int) -> None:
    assert lanes_for(pace, recipients=recipients) == lanes


@given(paces | st.none(), st.integers(min_value=0, max_value=10**6) | st.none())
def test_lanes_stay_in_bounds(pace: float | None, recipients: int | None) -> None:
    lanes = lanes_for(pace, recipients=recipients)

    assert 1 <= lanes <= MOST_LANES
    assert recipients is None or lanes <= max(1, math.ceil(recipients / BATCH_SIZE))
    assert recipients is not None or lanes >= FEWEST_LANES


@given(st.integers(min_value=1, max_value=MOST_LANES), st.integers(min_value=0, max_value=INSTALL_LANES))
def test_every_batch_is_in_one_lane_and_reached_from_its_start(sends: int, installs: int) -> None:
    lanes = LanePlan(sends=sends, installs=installs)
    reached = set[int]()
    for lane, start in lanes.starts.items():
        batch = start
        for _ in range(5):
            assert lanes.lane_of(batch) == lane
            reached.add(batch)
            batch = lanes.after(batch)

    assert reached == {*range(5 * sends), *range(FIRST_INSTALL, FIRST_INSTALL + 5 * installs)}


@pytest.mark.parametrize(
    ("rate", "size", "group"),
    [
        (49.75, 100, 25),  # A quarter of a batch.
        (None, 100, 100),  # Without a limit a batch is one group.
        (30.0, 100, 15),  # Fifteen fit into half a second.
        (49.75, 30, 15),  # Two equal parts rather than 25 and 5.
        (49.75, 26, 13),  # One more than a group.
        (1.0, 100, 5),  # Smaller groups would be a write for each message.
        (10_000.0, 100, 100),  # Never more than a batch.
        (49.75, 1, 1),  # One delivery.
        (49.75, 0, 25),  # Nothing to divide.
    ],
)
def test_groups_are_half_a_second_of_the_rate(rate: float | None, size: int, group: int) -> None:
    assert group_size(rate, size) == group


@given(paces, st.integers(min_value=1, max_value=BATCH_SIZE))
def test_groups_are_equal_parts(rate: float, size: int) -> None:
    group = group_size(rate, size)
    most = max(SMALLEST_GROUP, min(BATCH_SIZE, int(rate * GROUP_SECONDS)))
    groups = math.ceil(size / group)

    assert 1 <= group <= most
    assert groups == math.ceil(size / most)
    assert size - (groups - 1) * group > group - groups


@pytest.mark.parametrize(
    ("place", "size"),
    [
        (0, 5),  # The first batch of the first lane.
        (3, 5),  # The first one of the last lane.
        (4, 10),  # Each lane's second.
        (8, 20),  # As many as a JSON batch of Graph takes.
        (10**6, 20),  # However long a plan is.
    ],
)
def test_the_first_install_batches_are_small(place: int, size: int) -> None:
    assert install_size(place) == size
