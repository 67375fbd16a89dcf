"""Batches: what their progress says, and whether a lease on them is live."""

import pytest

from shared.domain.batches import Batch, Progress, Recipient, new_progress, planned_progress
from shared.domain.outcomes import Outcome


def a_batch(*, lease: str = "", age: float = 0.0) -> Batch:
    return Batch(number=0, recipients=(), progress=new_progress(0), lease=lease, age=age)


@pytest.mark.parametrize(
    ("lease", "age", "is_held"),
    [
        ("", 0.0, False),  # Given back.
        ("a", 0.0, True),  # Just written.
        ("a", -0.9, True),  # Dates have whole seconds, so an age may be below zero.
        ("a", 45.0, True),  # The last instant.
        ("a", 45.1, False),  # Nobody renewed it.
    ],
)
def test_a_lease_is_live_until_it_is_old(lease: str, age: float, is_held: bool) -> None:
    assert a_batch(lease=lease, age=age).is_held(45.0) is is_held


def test_a_fresh_batch_is_pending_and_has_its_place() -> None:
    progress = new_progress(3)

    assert progress.outcomes == "ppp"
    assert progress.placed
    assert progress.of(Outcome.PENDING) == [0, 1, 2]
    assert not progress.is_final


@pytest.mark.parametrize(
    ("outcomes", "is_final"),
    [
        ("", True),  # Nothing to do.
        ("SSS", True),  # All sent.
        ("SU019CEO", True),  # Every kind of end.
        ("SSp", False),  # One is untouched.
        ("SdS", False),  # One is tried again.
        ("sSS", False),  # One awaits its answer.
        ("wSS", False),  # One awaits the app.
    ],
)
def test_a_batch_is_final_without_open_deliveries(outcomes: str, is_final: bool) -> None:
    assert Progress(outcomes=outcomes).is_final is is_final


def test_what_was_named_and_is_not_there_is_planned_with_its_outcome() -> None:
    keys = {
        "user!a": Outcome.AWAITING_INSTALL,
        "channel!19:a": Outcome.AWAITING_INSTALL,
        "chat!19:a": Outcome.AWAITING_INSTALL,
        "name!a@b.c": Outcome.USER_NOT_FOUND,
        "team!a": Outcome.CONVERSATION_GONE,
        "channel_name!19:a%2Fsales": Outcome.CONVERSATION_GONE,
    }

    progress = planned_progress(
        [Recipient(key=key, service_url="https://smba.test/") for key in keys], Outcome.AWAITING_INSTALL
    )

    assert progress.outcomes == "".join(outcome.value for outcome in keys.values())
