"""Plans: runs that grow, keys that are left out, and batches within the limits of their rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.batches import Recipient
from shared.domain.lanes import BATCH_BYTES, BATCH_SIZE
from shared.domain.plans import (
    BYTES_PER_STEP,
    ROWS_PER_STEP,
    Cursor,
    Phase,
    by_transaction,
    cut,
    leave_out,
    run_capacity,
)

recipients = st.builds(
    Recipient,
    key=st.text(min_size=1, max_size=5),
    conversation=st.integers(min_value=0, max_value=40_000).map(lambda length: "c" * length),
    service_url=st.just("https://smba.test/"),
)


def some(number: int, *, length: int = 40) -> list[Recipient]:
    return [
        Recipient(key=f"user!{n}", conversation="c" * length, service_url="https://smba.test/") for n in range(number)
    ]


def size_of(batch: tuple[Recipient, ...]) -> int:
    return sum(len(one.key.encode()) + len(one.conversation) + len(one.service_url) for one in batch)


@pytest.mark.parametrize(
    ("run", "capacity"),
    [
        (0, 1_000),  # One page, so that sending starts early.
        (1, 2_000),  # Doubled.
        (6, 64_000),  # The last doubling.
        (7, 65_536),  # A mebibyte of object ids.
        (10_000, 65_536),  # However long a plan is.
    ],
)
def test_runs_double_up_to_a_mebibyte(run: int, capacity: int) -> None:
    assert run_capacity(run) == capacity


@given(st.lists(st.integers(0, 50), unique=True), st.lists(st.lists(st.integers(0, 50)), max_size=4))
def test_what_an_earlier_run_holds_is_left_out_in_order(numbers: list[int], earlier: list[list[int]]) -> None:
    keys = [f"{number:03}" for number in sorted(numbers)]
    planned = [[f"{number:03}" for number in run] for run in earlier]

    left = leave_out(keys, planned)

    assert left == [key for key in keys if not any(key in run for run in planned)]


@pytest.mark.parametrize(
    ("number", "sizes"),
    [
        (0, []),  # Nobody.
        (1, [1]),  # One.
        (100, [100]),  # A full batch.
        (101, [100, 1]),  # One more.
        (250, [100, 100, 50]),  # Two and a half.
    ],
)
def test_batches_have_a_hundred_deliveries(number: int, sizes: list[int]) -> None:
    assert [len(batch) for batch in cut(some(number))] == sizes


def test_long_ids_make_smaller_batches() -> None:
    batches = list(cut(some(30, length=20_000)))

    assert [len(batch) for batch in batches] == [13, 13, 4]


def test_a_recipient_above_every_limit_has_a_batch_of_its_own() -> None:
    batches = list(cut(some(3, length=BATCH_BYTES + 1)))

    assert [len(batch) for batch in batches] == [1, 1, 1]


@given(st.lists(recipients, max_size=300))
def test_cutting_keeps_everyone_in_order_and_below_the_limits(people: list[Recipient]) -> None:
    batches = list(cut(people))

    assert [one for batch in batches for one in batch] == people
    assert all(1 <= len(batch) <= BATCH_SIZE for batch in batches)
    assert all(size_of(batch) <= BATCH_BYTES for batch in batches)


@given(st.lists(recipients, max_size=300))
def test_transactions_keep_every_batch_in_order_and_below_the_limits(people: list[Recipient]) -> None:
    batches = list(cut(people))

    steps = list(by_transaction(batches))

    assert [batch for step in steps for batch in step] == batches
    assert all(1 <= len(step) <= ROWS_PER_STEP for step in steps)
    assert all(sum(map(size_of, step)) <= BYTES_PER_STEP for step in steps)


def test_a_transaction_takes_twenty_batches() -> None:
    assert [len(step) for step in by_transaction(cut(some(4_100)))] == [20, 20, 1]


def test_a_transaction_of_large_batches_ends_at_two_mebibytes() -> None:
    steps = list(by_transaction(cut(some(300, length=20_000))))

    assert max(map(len, steps)) == 8


@pytest.mark.parametrize("phase", Phase)
def test_only_the_last_phase_is_the_end(phase: Phase) -> None:
    assert Cursor(phase=phase).is_finished is (phase is Phase.FINISHED)
