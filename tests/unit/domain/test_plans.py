"""Plans: runs that grow, keys that are left out, and batches within the limits of their rows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.batches import Recipient
from shared.domain.cursors import MOST_PARTS, Cursor, Phase
from shared.domain.lanes import BATCH_BYTES, BATCH_SIZE, FIRST_INSTALL, is_install
from shared.domain.plans import BYTES_PER_STEP, ROWS_PER_STEP, cut, leave_out, portions, run_capacity
from shared.storage.rows import MAX_STRING_CHARACTERS

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


def is_stranger(recipient: Recipient) -> bool:
    return not recipient.conversation


def nobody(_: Recipient) -> bool:
    return False


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


@given(st.lists(recipients, max_size=300), st.booleans())
def test_transactions_plan_everybody_once_in_order_and_below_the_limits(
    people: list[Recipient], installing: bool
) -> None:
    unique = {one.key: replace(one, key=f"user!{one.key}") for one in people}
    people = sorted(unique.values(), key=lambda one: one.key)
    cursor, planned = Cursor(), list[Recipient]()
    for portion in portions(people, is_stranger=lambda one: installing and is_stranger(one)):
        before, (cursor, rows) = cursor, portion.step(cursor)
        batches = [batch for new in rows for batch in new.batches]
        recipients = sorted((one for batch in batches for one in batch), key=lambda one: one.key)
        # Whoever stands before the cursor's last key is planned, and nobody behind it.
        assert recipients == people[len(planned) : len(planned) + len(recipients)]
        assert cursor.after == recipients[-1].key
        assert cursor.rows - before.rows == len(batches)
        assert 1 <= len(batches) <= ROWS_PER_STEP + 2
        assert len(batches) == 1 or sum(map(size_of, batches)) <= BYTES_PER_STEP
        for new in rows:
            assert new.first == (FIRST_INSTALL + before.installs if is_install(new.first) else before.batches)
            strangers = [one for batch in new.batches for one in batch if installing and is_stranger(one)]
            assert bool(strangers) is is_install(new.first)
        planned += recipients

    assert planned == people


def test_a_transaction_takes_twenty_batches() -> None:
    steps = [portion.step(Cursor())[0] for portion in portions(some(4_100), is_stranger=nobody)]

    assert [step.batches for step in steps] == [20, 20, 1]


def test_people_who_need_the_app_are_in_batches_of_their_own() -> None:
    people = [
        Recipient(key=f"user!{n:04}", conversation="" if n % 3 else f"a:{n}", service_url="https://smba.test/")
        for n in range(300)
    ]

    (portion,) = portions(people, is_stranger=is_stranger)
    step, (known, strangers) = portion.step(Cursor())

    assert [len(batch) for batch in known.batches] == [100]
    assert [len(batch) for batch in strangers.batches] == [5] * 4 + [10] * 4 + [20] * 7
    assert (step.batches, step.installs, step.recipients, step.after) == (1, 15, 300, "user!0299")
    assert (step.holds(0), step.holds(1), step.holds(FIRST_INSTALL + 14)) == (True, False, True)
    assert not step.holds(FIRST_INSTALL + 15)


def test_no_install_batch_has_two_kinds_of_recipients() -> None:
    people = [
        Recipient(key=f"{kind}!{n:04}", service_url="https://smba.test/")
        for kind in ("channel", "chat", "user")
        for n in range(30)
    ]

    (portion,) = portions(people, is_stranger=is_stranger)
    _, (strangers,) = portion.step(Cursor(installs=4))

    kinds = [{one.key.partition("!")[0] for one in batch} for batch in strangers.batches]
    assert [len(batch) for batch in strangers.batches] == [10, 10, 10, 10, 20, 20, 10]
    assert [len(found) for found in kinds] == [1] * 7


def test_a_transaction_of_large_batches_ends_at_two_mebibytes() -> None:
    steps = [portion.step(Cursor())[0] for portion in portions(some(300, length=20_000), is_stranger=nobody)]

    assert max(step.batches for step in steps) == 8


@pytest.mark.parametrize("phase", Phase)
def test_only_the_last_phase_is_the_end(phase: Phase) -> None:
    assert Cursor(phase=phase).is_finished is (phase is Phase.FINISHED)


def test_audiences_of_a_digest_with_too_many_runs_are_set_aside() -> None:
    """The names of all runs are one string of the cursor, which a table bounds."""
    names = " ".join(f"{number:08x}" for number in range(50))
    cursor = Cursor()
    for _ in range(200):
        cursor = replace(cursor, runs=names, except_runs=names).behind_part()

    kept = [one for one in cursor.part_runs if one is not None]
    assert len(cursor.part_runs) == 200
    assert 30 < len(kept) < 40
    assert all(len(one.runs) == len(one.except_runs) == 50 for one in kept)
    assert cursor.part_runs[-1] is None
    assert len(cursor.parts) <= MOST_PARTS + 2 * 200 <= MAX_STRING_CHARACTERS
