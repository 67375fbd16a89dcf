"""Reports: sums add up at any moment, and the one word for a broadcast's state is right."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.broadcasts import BatchSummary, Broadcast, BroadcastState, count_as, pack_counts, state_of
from shared.domain.lanes import LanePlan
from shared.domain.outcomes import Outcome, State
from shared.domain.reports import Report, Tally, final_report

ACCEPTED = 10_000.0


def a_broadcast(
    *,
    expires_at: float | None = None,
    cancelled_at: float | None = None,
    finished_at: float | None = None,
    final_outcomes: str = "",
) -> Broadcast:
    return Broadcast(
        id="b",
        tenant="t",
        key="k",
        body_hash="h",
        lanes=LanePlan(sends=4),
        accepted_at=ACCEPTED,
        expires_at=expires_at,
        cancelled_at=cancelled_at,
        finished_at=finished_at,
        final_outcomes=final_outcomes,
    )


def a_report(broadcast: Broadcast, rows: list[BatchSummary], *, now: float) -> Report:
    tally = Tally(broadcast, now=now)
    for row in rows:
        tally.add(row)
    return tally.report()


def a_row(outcomes: str, *, held: bool = False, written_at: float = ACCEPTED) -> BatchSummary:
    return BatchSummary(outcomes=outcomes, held=held, written_at=written_at)


outcomes_of_a_row = st.text(alphabet=[outcome.value for outcome in Outcome], max_size=100)
rows_of_a_broadcast = st.lists(
    st.builds(
        BatchSummary,
        outcomes=outcomes_of_a_row,
        held=st.booleans(),
        written_at=st.floats(ACCEPTED - 10, ACCEPTED + 1000),
    ),
    max_size=20,
)
instants = st.floats(ACCEPTED, ACCEPTED + 1000)


@given(rows=rows_of_a_broadcast, cancelled_at=st.none() | instants, expires_at=st.none() | instants, now=instants)
def test_states_and_reasons_always_add_up_to_the_total(
    rows: list[BatchSummary], cancelled_at: float | None, expires_at: float | None, now: float
) -> None:
    report = a_report(a_broadcast(cancelled_at=cancelled_at, expires_at=expires_at), rows, now=now)

    assert report.total == sum(len(row.outcomes) for row in rows)
    assert sum(report.states.values()) == report.total
    assert set(report.states) == set(State)
    assert sum(report.reasons.values()) == report.states[State.UNDELIVERABLE]
    assert report.rate >= 0


@given(rows=rows_of_a_broadcast, now=instants)
def test_stored_sums_are_the_sums_of_the_rows(rows: list[BatchSummary], now: float) -> None:
    live = a_report(a_broadcast(), rows, now=now)

    stored = final_report(a_broadcast(finished_at=now, final_outcomes=pack_counts(live.outcomes)))

    assert stored.states == live.states
    assert stored.reasons == live.reasons


@given(
    outcomes=outcomes_of_a_row, held=st.booleans(), ends_as=st.sampled_from([None, Outcome.CANCELLED, Outcome.EXPIRED])
)
def test_counting_keeps_every_delivery_at_its_place(outcomes: str, held: bool, ends_as: Outcome | None) -> None:
    counted = count_as(outcomes, held=held, ends_as=ends_as)

    assert len(counted) == len(outcomes)
    for before, after in zip(outcomes, counted, strict=True):
        assert after == before or Outcome(before).is_open


def test_open_deliveries_count_as_cancelled_ten_seconds_after_the_cancel() -> None:
    broadcast = a_broadcast(cancelled_at=ACCEPTED + 100)
    rows = [a_row("SSpd"), a_row("sss", held=True), a_row("ss")]

    before = a_report(broadcast, rows, now=ACCEPTED + 109)
    after = a_report(broadcast, rows, now=ACCEPTED + 110)

    assert before.outcomes == Counter({Outcome.SENT: 2, Outcome.PENDING: 1, Outcome.DEFERRED: 1, Outcome.SENDING: 5})
    assert after.outcomes == Counter({Outcome.SENT: 2, Outcome.CANCELLED: 2, Outcome.SENDING: 3, Outcome.UNCERTAIN: 2})


def test_rate_is_that_of_the_last_minute() -> None:
    now = ACCEPTED + 600
    rows = [a_row("S" * 100, written_at=now - 500), a_row("S" * 60 + "p" * 40, written_at=now - 5)]

    assert a_report(a_broadcast(), rows, now=now).rate == 1.0


@pytest.mark.parametrize(
    ("outcomes", "pace", "expires_at", "seconds"),
    [
        # 120 were sent in a minute, 60 are open.
        ("S" * 120 + "p" * 60, None, None, 30.0),
        # A pace below what was measured bounds the estimate.
        ("S" * 120 + "p" * 60, 1.0, None, 60.0),
        # A pace above it changes nothing.
        ("S" * 120 + "p" * 60, 50.0, None, 30.0),
        # Nothing is sent after the expiry.
        ("S" * 120 + "p" * 60, None, 10.0, 10.0),
        # Nothing is open any more.
        ("S" * 120, None, None, None),
        # Nothing was sent of late, so nothing tells.
        ("p" * 60, None, None, None),
    ],
)
def test_estimate_of_the_end(
    outcomes: str, pace: float | None, expires_at: float | None, seconds: float | None
) -> None:
    now = ACCEPTED + 600
    broadcast = a_broadcast(expires_at=None if expires_at is None else now + expires_at)
    report = a_report(broadcast, [a_row(outcomes, written_at=now)], now=now)

    assert report.ends_at(broadcast, now=now, pace=pace) == (None if seconds is None else now + seconds)


def test_rate_of_a_closed_broadcast_is_over_all_of_its_time() -> None:
    broadcast = a_broadcast(finished_at=ACCEPTED + 50, final_outcomes="C100 S900 0100")

    assert final_report(broadcast).rate == 20.0


NOW = ACCEPTED + 1000


@pytest.mark.parametrize(
    ("broadcast", "planned", "has_batches", "started", "state"),
    [
        # Nobody has begun to plan it.
        (a_broadcast(), False, False, False, BroadcastState.ACCEPTED),
        # The first run is being collected.
        (a_broadcast(), False, False, True, BroadcastState.PLANNING),
        # Sending starts before the plan is finished.
        (a_broadcast(), False, True, True, BroadcastState.SENDING),
        # The plan is finished, with nobody in it.
        (a_broadcast(), True, False, True, BroadcastState.SENDING),
        # Closed.
        (a_broadcast(finished_at=NOW - 1), True, True, True, BroadcastState.FINISHED),
        # Cancelled, not closed yet.
        (a_broadcast(cancelled_at=NOW - 1), True, True, True, BroadcastState.CANCELLED),
        # Cancelled, then closed.
        (a_broadcast(cancelled_at=NOW - 90, finished_at=NOW - 1), True, True, True, BroadcastState.CANCELLED),
        # Cancelled at the moment when it was being closed: the cancel came too late.
        (a_broadcast(cancelled_at=NOW - 1, finished_at=NOW - 2), True, True, True, BroadcastState.FINISHED),
        # Its time is over.
        (a_broadcast(expires_at=NOW - 1), False, True, True, BroadcastState.EXPIRED),
        # Its time was over, then it was closed with some left.
        (
            a_broadcast(expires_at=NOW - 90, finished_at=NOW - 1, final_outcomes="E1 S9"),
            True,
            True,
            True,
            BroadcastState.EXPIRED,
        ),
        # Everything was sent before its time was over, and only the closing came later.
        (
            a_broadcast(expires_at=NOW - 90, finished_at=NOW - 1, final_outcomes="S10"),
            True,
            True,
            True,
            BroadcastState.FINISHED,
        ),
        # Cancelled first, then its time was over: it stays cancelled.
        (a_broadcast(cancelled_at=NOW - 90, expires_at=NOW - 1), True, True, True, BroadcastState.CANCELLED),
        # Finished, and its time is over by now.
        (a_broadcast(expires_at=NOW - 1, finished_at=NOW - 90), True, True, True, BroadcastState.FINISHED),
    ],
)
def test_state_of_a_broadcast(
    broadcast: Broadcast, planned: bool, has_batches: bool, started: bool, state: BroadcastState
) -> None:
    assert state_of(broadcast, planned=planned, has_batches=has_batches, started=started, now=NOW) is state
