"""The pace: what holds for any number of instances, and what throttling does to a rate."""

import itertools
import random
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.pacing import (
    CATCH_UP,
    CLIMB,
    LOWEST_RATE,
    URGENT_SHARE,
    FarAway,
    Pace,
    Slots,
    is_throttling,
    rate_now,
    reserve,
    reserve_urgent,
    throttle,
)

CEILING = 49.75
NOW = 1_800_000_000.0


def a_pace(*, rate: float = CEILING, next_at: float = 0.0, rate_at: float = NOW, epoch: int = 0) -> Pace:
    return Pace(rate=rate, next_at=next_at, rate_at=rate_at, epoch=epoch)


def reserved(pace: Pace, slots: int, now: float) -> tuple[Pace, Slots]:
    answer = reserve(pace, slots=slots, now=now, ceiling=CEILING, patience=1e9)
    assert not isinstance(answer, FarAway)
    return answer


def reserved_urgently(pace: Pace, slots: int, now: float) -> tuple[Pace, Slots]:
    answer = reserve_urgent(pace, slots=slots, now=now, ceiling=CEILING, patience=1e9)
    assert not isinstance(answer, FarAway)
    return answer


def instants(slots: Slots, number: int) -> list[float]:
    return [slots.first_at + index * slots.interval for index in range(number)]


@dataclass(slots=True)
class SharedRow:
    """A pace row that any number of instances move by compare-and-swap, at their own moments."""

    pace: Pace
    version: int = 0
    read: dict[int, tuple[Pace, int]] = field(default_factory=dict)
    handed_out: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)

    def look(self, instance: int) -> None:
        self.read[instance] = (self.pace, self.version)

    def take(self, instance: int, slots: int, now: float) -> None:
        """Reserve on what was read, however long ago; a row that has moved since is read again."""
        pace, version = self.read.pop(instance, (self.pace, self.version))
        if version != self.version:
            return
        self.pace, taken = reserved(pace, slots, now)
        self.version += 1
        self.handed_out += instants(taken, slots)
        self.used += [max(instant, now) for instant in instants(taken, slots)]


@given(
    st.lists(
        st.tuples(
            st.integers(min_value=0, max_value=5),  # Which instance.
            st.booleans(),  # It reads, or it reserves on what it read.
            st.integers(min_value=1, max_value=200),  # So many slots.
            st.floats(min_value=0, max_value=3),  # So much time later.
        ),
        max_size=60,
    )
)
def test_no_interleaving_of_instances_hands_out_slots_closer_than_the_rate(
    steps: list[tuple[int, bool, int, float]],
) -> None:
    row, now = SharedRow(a_pace()), NOW
    for instance, looks, slots, later in steps:
        now += later
        if looks:
            row.look(instance)
        else:
            row.take(instance, slots, now)

    handed_out, used = sorted(row.handed_out), sorted(row.used)
    assert all(later - earlier >= 1 / CEILING - 1e-6 for earlier, later in itertools.pairwise(handed_out))
    for first, instant in enumerate(used):
        last = min(len(used) - 1, first + 60)
        assert last - first <= CEILING * (used[last] - instant + CATCH_UP) + 1


@dataclass(slots=True)
class Bucket:
    """Teams' limit: 50 a second, at most 50 at once."""

    tokens: float = 50.0
    filled_at: float = 0.0

    def admits(self, at: float) -> bool:
        self.tokens = min(50.0, self.tokens + (at - self.filled_at) * 50.0)
        self.filled_at = at
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@given(
    st.lists(
        st.tuples(st.integers(min_value=1, max_value=100), st.sampled_from([0.0, 0.0, 0.1, 1.0, 10.0])),
        min_size=1,
        max_size=25,
    ),
    st.sampled_from([0.0, 0.05, 0.3]),
    st.integers(),
)
def test_a_bucket_of_fifty_never_refuses_what_comes_at_the_pace(
    turns: list[tuple[int, float]], network_jitter: float, seed: int
) -> None:
    dice, pace, now, arrivals = random.Random(seed), a_pace(), NOW, list[float]()
    for slots, idle in turns:
        now += idle
        pace, taken = reserved(pace, slots, now)
        arrivals += [max(instant, now) + dice.uniform(0, network_jitter) for instant in instants(taken, slots)]
        now = max(now, taken.first_at)

    bucket = Bucket(filled_at=NOW)
    assert all(bucket.admits(at) for at in sorted(arrivals))


@given(
    st.lists(st.tuples(st.booleans(), st.integers(min_value=1, max_value=20), st.floats(0, 2)), min_size=1, max_size=60)
)
def test_a_bucket_of_fifty_never_refuses_urgent_and_bulk_together(turns: list[tuple[bool, int, float]]) -> None:
    pace, now, arrivals = a_pace(), NOW, list[float]()
    for urgent, slots, idle in turns:
        now += idle
        if urgent:
            pace, taken = reserved_urgently(pace, slots, now)
        else:
            pace, taken = reserved(pace, slots * 5, now)
            now = max(now, taken.first_at - 0.7)
        arrivals += [max(instant, now) for instant in instants(taken, slots if urgent else slots * 5)]

    bucket = Bucket(filled_at=NOW)
    assert all(bucket.admits(at) for at in sorted(arrivals))


def test_an_urgent_message_takes_bulk_slots_where_these_are_free_as_soon() -> None:
    _, taken = reserved_urgently(a_pace(), 100, NOW)

    assert taken.interval == pytest.approx(1 / CEILING)


def test_urgent_slots_beyond_patience_are_not_taken() -> None:
    busy = replace(a_pace(next_at=NOW + 90), urgent_next_at=NOW + 60)

    answer = reserve_urgent(busy, slots=1, now=NOW, ceiling=CEILING, patience=20.0)

    assert answer == FarAway(wait=60.0)


def test_idle_time_is_not_saved_up() -> None:
    _, taken = reserved(a_pace(next_at=NOW - 3600), 10, NOW)

    assert taken.first_at == NOW - CATCH_UP


def test_the_first_slots_of_a_tenant_need_no_history() -> None:
    moved, taken = reserved(Pace(rate=CEILING), 100, NOW)

    assert taken == Slots(first_at=NOW - CATCH_UP, interval=1 / CEILING, epoch=0)
    assert moved.next_at == pytest.approx(taken.first_at + 100 / CEILING)


@pytest.mark.parametrize(
    ("ahead", "is_far"),
    [
        (19.9, False),  # A wait that a function can bear.
        (20.1, True),  # Longer than patience.
    ],
)
def test_slots_beyond_patience_are_not_taken(ahead: float, is_far: bool) -> None:
    answer = reserve(a_pace(next_at=NOW + ahead), slots=1, now=NOW, ceiling=CEILING, patience=20.0)

    assert isinstance(answer, FarAway) is is_far
    if isinstance(answer, FarAway):
        assert answer.wait == pytest.approx(ahead)


def test_slots_after_others_start_later() -> None:
    slots = Slots(first_at=NOW, interval=0.02, epoch=3)

    assert slots.after(10) == Slots(first_at=NOW + 10 * 0.02, interval=0.02, epoch=3)


def test_urgent_takes_slots_at_once_and_pushes_bulk_back_by_as_many() -> None:
    busy = a_pace(next_at=NOW + 15)

    moved, urgent = reserved_urgently(busy, 5, NOW)

    assert urgent.first_at <= NOW
    assert urgent.interval == pytest.approx(1 / (CEILING * URGENT_SHARE))
    assert moved.next_at == pytest.approx(busy.next_at + 5 / CEILING)


@given(st.lists(st.integers(min_value=1, max_value=50), min_size=1, max_size=30))
def test_urgent_slots_beside_busy_bulk_are_a_fifth_of_the_pace(takes: list[int]) -> None:
    pace, all_of_them = a_pace(next_at=NOW + 3600), list[float]()
    for slots in takes:
        pace, taken = reserved_urgently(pace, slots, NOW)
        all_of_them += instants(taken, slots)

    gaps = [later - earlier for earlier, later in itertools.pairwise(all_of_them)]
    assert all(gap >= 1 / (CEILING * URGENT_SHARE) - 1e-6 for gap in gaps)


@pytest.mark.parametrize(
    ("throttled", "posted", "tells"),
    [
        (1, 25, False),  # A lone one concerns its recipient.
        (2, 25, False),  # Eight per cent.
        (3, 25, True),  # Twelve per cent.
        (1, 5, False),  # A fifth, and still only one.
        (2, 5, True),  # Two of a small group.
        (11, 100, False),  # Eleven per cent.
        (12, 100, True),  # Twelve.
        (25, 25, True),  # All of them.
    ],
)
def test_a_group_tells_of_throttling_from_twelve_per_cent_and_two(throttled: int, posted: int, tells: bool) -> None:
    assert is_throttling(throttled=throttled, posted=posted) is tells


@pytest.mark.parametrize(
    ("share", "rate"),
    [
        (0.12, 0.88),  # By the share that was refused.
        (0.5, 0.5),  # By half.
        (1.0, 0.5),  # Never by more than half.
    ],
)
def test_throttling_lowers_the_rate_by_the_share_that_was_refused(share: float, rate: float) -> None:
    cut = throttle(a_pace(), epoch=0, share=share, retry_after=3.0, now=NOW, ceiling=CEILING)

    assert cut.rate == pytest.approx(CEILING * rate)
    assert cut.epoch == 1


@pytest.mark.parametrize(
    ("share", "pause"),
    [
        (0.49, 0.0),  # Less than half may go on at once.
        (0.5, 7.0),  # From half on the tenant rests.
        (1.0, 7.0),  # All the more.
    ],
)
def test_from_half_of_a_group_on_the_tenant_rests(share: float, pause: float) -> None:
    cut = throttle(a_pace(next_at=NOW + 5), epoch=0, share=share, retry_after=7.0, now=NOW, ceiling=CEILING)

    assert cut.next_at == NOW + pause


def test_one_episode_cuts_the_rate_once_however_many_tell_of_it() -> None:
    pace = a_pace()
    for _ in range(4):
        pace = throttle(pace, epoch=0, share=0.4, retry_after=0.0, now=NOW, ceiling=CEILING)

    assert pace.epoch == 1
    assert pace.rate == pytest.approx(CEILING * 0.6)


def test_who_tells_late_can_still_lengthen_the_rest() -> None:
    cut = throttle(a_pace(), epoch=0, share=1.0, retry_after=2.0, now=NOW, ceiling=CEILING)

    again = throttle(cut, epoch=0, share=1.0, retry_after=9.0, now=NOW, ceiling=CEILING)

    assert again.next_at == NOW + 9.0
    assert (again.rate, again.epoch) == (cut.rate, cut.epoch)


def test_the_rate_never_falls_below_a_twentieth() -> None:
    pace = a_pace()
    for epoch in range(20):
        pace = throttle(pace, epoch=epoch, share=1.0, retry_after=0.0, now=NOW, ceiling=CEILING)

    assert pace.rate == pytest.approx(CEILING * LOWEST_RATE)


@pytest.mark.parametrize(
    ("seconds", "rate"),
    [
        (0, 20.0),  # Just cut.
        (10, 20.0 + 10 * CLIMB * CEILING),  # Two per cent of the ceiling each second.
        (60, CEILING),  # Back at the ceiling, and no higher.
        (-5, 20.0),  # A clock that lags changes nothing.
    ],
)
def test_the_rate_climbs_back(seconds: float, rate: float) -> None:
    assert rate_now(a_pace(rate=20.0), now=NOW + seconds, ceiling=CEILING) == pytest.approx(rate)


def test_a_rest_is_not_used_to_climb() -> None:
    cut = throttle(a_pace(), epoch=0, share=1.0, retry_after=30.0, now=NOW, ceiling=CEILING)

    assert rate_now(cut, now=NOW + 30.0, ceiling=CEILING) == pytest.approx(CEILING / 2)


def test_a_lower_ceiling_holds_at_once() -> None:
    assert rate_now(a_pace(rate=CEILING), now=NOW, ceiling=10.0) == 10.0
