"""What each answer makes of a delivery: the whole table, by delivery mode and by what is left of the time."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from send_worker.decisions import decide
from shared.domain.batches import Note
from shared.domain.broadcasts import Broadcast, DeliveryMode
from shared.domain.decisions import Decision
from shared.domain.lanes import LanePlan
from shared.domain.outcomes import Outcome
from shared.teams.answers import Answer, Verdict

NOW = 1_800_000_000.0
ONCE, LEAST = DeliveryMode.AT_MOST_ONCE, DeliveryMode.AT_LEAST_ONCE


def decided(
    verdict: Verdict,
    *,
    mode: DeliveryMode = LEAST,
    note: Note | None = None,
    expires_at: float | None = None,
    delivering: bool = True,
    retry_after: float | None = None,
    activity_id: str = "",
    code: str = "",
    renewable: bool = False,
) -> Decision:
    broadcast = Broadcast(
        id="b",
        tenant="t",
        key="k",
        body_hash="h",
        lanes=LanePlan(sends=4),
        accepted_at=NOW,
        delivery=mode,
        expires_at=expires_at,
    )
    answer = Answer(kind=verdict, code=code, retry_after=retry_after, activity_id=activity_id)
    return decide(
        answer,
        broadcast=broadcast,
        note=note or Note(),
        delivering=delivering,
        renewable=renewable,
        now=NOW,
        jitter=0.5,
    )


@pytest.mark.parametrize(
    ("verdict", "at_least_once", "at_most_once"),
    [
        (Verdict.ACCEPTED, Outcome.SENT, Outcome.SENT),  # The Connector has it.
        (Verdict.NOT_INSTALLED, Outcome.NOT_INSTALLED, Outcome.NOT_INSTALLED),  # The app must come first.
        (Verdict.BLOCKED_BY_USER, Outcome.BLOCKED_BY_USER, Outcome.BLOCKED_BY_USER),  # The person said no.
        (Verdict.BLOCKED_BY_ADMIN, Outcome.BLOCKED_BY_ADMIN, Outcome.BLOCKED_BY_ADMIN),  # An admin said no.
        (Verdict.CONVERSATION_GONE, Outcome.CONVERSATION_GONE, Outcome.CONVERSATION_GONE),  # Nobody is there.
        (Verdict.REJECTED, Outcome.MESSAGE_REJECTED, Outcome.MESSAGE_REJECTED),  # The message is wrong.
        (Verdict.TOO_LARGE, Outcome.MESSAGE_TOO_LARGE, Outcome.MESSAGE_TOO_LARGE),  # The message is too long.
        (Verdict.WRONG_HOST, Outcome.SERVICE_ERROR, Outcome.SERVICE_ERROR),  # Nothing was taken on there.
        # Documented as one not to retry, and it leaves open what happened.
        (Verdict.SERVICE_ERROR, Outcome.SERVICE_ERROR, Outcome.UNCERTAIN),
        (Verdict.THROTTLED, Outcome.DEFERRED, Outcome.DEFERRED),  # Proven not delivered.
        (Verdict.BUSY, Outcome.DEFERRED, Outcome.DEFERRED),  # Proven not delivered.
        (Verdict.UNAUTHORIZED, Outcome.PENDING, Outcome.PENDING),  # The broadcast waits until an operator mends it.
        (Verdict.UNREACHABLE, Outcome.DEFERRED, Outcome.DEFERRED),  # No connection came about.
        (Verdict.FAILED_MAYBE, Outcome.DEFERRED, Outcome.UNCERTAIN),  # It may have failed after the delivery.
        (Verdict.ANSWER_LOST, Outcome.DEFERRED, Outcome.UNCERTAIN),  # It may have been delivered.
    ],
)
@pytest.mark.parametrize("delivering", [True, False])
def test_each_verdict_has_an_outcome_in_each_mode(
    verdict: Verdict, at_least_once: Outcome, at_most_once: Outcome, delivering: bool
) -> None:
    certain = decided(verdict, mode=LEAST, delivering=delivering).outcome
    at_most = decided(verdict, mode=ONCE, delivering=delivering).outcome

    assert certain is at_least_once
    # A call that cannot have delivered, such as creating a chat, leaves nothing uncertain.
    assert at_most is (at_most_once if delivering else at_least_once)


def test_the_table_names_every_verdict() -> None:
    for verdict in Verdict:
        for mode in DeliveryMode:
            assert decided(verdict, mode=mode).outcome in Outcome


@pytest.mark.parametrize(
    ("first_tried_at", "expires_at", "outcome"),
    [
        (0.0, None, Outcome.DEFERRED),  # The first try.
        (NOW - 23 * 3600, None, Outcome.DEFERRED),  # Nearly a day of tries.
        (NOW - 24 * 3600, None, Outcome.ATTEMPTS_EXHAUSTED),  # A day of tries.
        (0.0, NOW + 3600, Outcome.DEFERRED),  # There is time left.
        (0.0, NOW + 6, Outcome.EXPIRED),  # The next try would come too late.
        (NOW - 24 * 3600, NOW + 3600, Outcome.ATTEMPTS_EXHAUSTED),  # The day ended before the expiry.
        (NOW - 24 * 3600 + 60, NOW + 1, Outcome.EXPIRED),  # The expiry ends it before the day does.
    ],
)
@pytest.mark.parametrize("verdict", [Verdict.BUSY, Verdict.THROTTLED, Verdict.UNREACHABLE])
def test_retries_end_by_time(
    verdict: Verdict, first_tried_at: float, expires_at: float | None, outcome: Outcome
) -> None:
    decision = decided(verdict, note=Note(attempts=3, first_tried_at=first_tried_at), expires_at=expires_at)

    assert decision.outcome is outcome
    assert decision.note is not None
    assert (decision.note.due_at > NOW) == (outcome is Outcome.DEFERRED)


@pytest.mark.parametrize("mode", DeliveryMode)
@pytest.mark.parametrize(
    "note",
    [
        Note(),  # The first try.
        Note(attempts=3, first_tried_at=NOW - 24 * 3600),  # Any other answer would give up here.
    ],
)
def test_credentials_that_are_refused_bring_nobody_nearer_to_the_end(note: Note, mode: DeliveryMode) -> None:
    decision = decided(Verdict.UNAUTHORIZED, note=note, mode=mode, expires_at=NOW + 1, renewable=True)

    assert decision == Decision(outcome=Outcome.PENDING)


@pytest.mark.parametrize("mode", DeliveryMode)
@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict.CONVERSATION_GONE, "ConversationNotFound"),  # Teams does not know it.
        (Verdict.NOT_INSTALLED, "BotNotInConversationRoster"),  # The bot is not in it any more.
    ],
)
def test_a_stored_conversation_that_is_gone_is_created_anew_at_once(
    verdict: Verdict, code: str, mode: DeliveryMode
) -> None:
    note = Note(attempts=1, first_tried_at=NOW - 60, due_at=NOW)

    decision = decided(verdict, code=code, note=note, renewable=True, mode=mode)

    renewed = Note(attempts=2, first_tried_at=NOW - 60, due_at=NOW, is_renewed=True)
    assert decision == Decision(outcome=Outcome.DEFERRED, note=renewed, is_gone=True)


@pytest.mark.parametrize(
    ("verdict", "code", "renewable", "note", "outcome"),
    [
        # The one that was created for it is gone as well.
        (Verdict.CONVERSATION_GONE, "", True, Note(attempts=1, is_renewed=True), Outcome.CONVERSATION_GONE),
        (
            *(Verdict.NOT_INSTALLED, "BotNotInConversationRoster", True),
            *(Note(attempts=1, is_renewed=True), Outcome.NOT_INSTALLED),
        ),
        # A channel or a group chat cannot be created, and neither is there anything to forget.
        (Verdict.CONVERSATION_GONE, "", False, Note(), Outcome.CONVERSATION_GONE),
        (Verdict.NOT_INSTALLED, "BotNotInConversationRoster", False, Note(), Outcome.NOT_INSTALLED),
        # The person has no installation at all: a new conversation would be refused likewise.
        (Verdict.NOT_INSTALLED, "ForbiddenOperationException", True, Note(), Outcome.NOT_INSTALLED),
    ],
)
def test_a_conversation_is_renewed_once_and_only_where_it_helps(
    verdict: Verdict, code: str, renewable: bool, note: Note, outcome: Outcome
) -> None:
    decision = decided(verdict, code=code, renewable=renewable, note=note)

    assert decision.outcome is outcome
    assert not decision.is_gone


def test_a_retry_of_a_renewed_delivery_stays_renewed() -> None:
    note = Note(attempts=2, first_tried_at=NOW - 60, conversation="a:2", is_renewed=True)

    decision = decided(Verdict.BUSY, note=note, renewable=True)

    assert decision.note == replace(note, attempts=3, due_at=NOW + 8.0)


def test_a_final_answer_counts_even_at_the_last_moment() -> None:
    assert decided(Verdict.ACCEPTED, expires_at=NOW - 1).outcome is Outcome.SENT


def test_a_retry_remembers_its_tries_and_its_conversation() -> None:
    note = Note(attempts=2, first_tried_at=NOW - 60, conversation="a:1")

    decision = decided(Verdict.BUSY, note=note)

    assert decision.note == Note(attempts=3, first_tried_at=NOW - 60, due_at=NOW + 8.0, conversation="a:1")


def test_a_first_try_is_remembered_with_its_time() -> None:
    decision = decided(Verdict.BUSY)

    assert decision.note == Note(attempts=1, first_tried_at=NOW, due_at=NOW + 2.0)


@pytest.mark.parametrize("verdict", [Verdict.ACCEPTED, Verdict.NOT_INSTALLED, Verdict.SERVICE_ERROR])
@pytest.mark.parametrize(
    ("note", "remembered"),
    [
        (Note(), None),  # One try is nothing to remember.
        # More than one are kept for the report.
        (
            Note(attempts=2, first_tried_at=NOW - 60, due_at=NOW, conversation="a:1"),
            Note(attempts=3, first_tried_at=NOW - 60, conversation="a:1"),
        ),
    ],
)
@pytest.mark.parametrize("mode", DeliveryMode)
def test_an_end_remembers_its_tries_where_it_took_more_than_one(
    verdict: Verdict, note: Note, remembered: Note | None, mode: DeliveryMode
) -> None:
    assert decided(verdict, note=note, mode=mode).note == remembered


@given(st.integers(min_value=0, max_value=10**9))
def test_no_number_of_throttled_tries_gives_up(attempts: int) -> None:
    decision = decided(Verdict.THROTTLED, note=Note(attempts=attempts, first_tried_at=NOW - 60))

    assert decision.outcome is Outcome.DEFERRED


def test_the_services_own_word_is_kept() -> None:
    decision = decided(Verdict.THROTTLED, retry_after=30.0)

    assert decision.note is not None
    assert decision.note.due_at == pytest.approx(NOW + 30 * 1.15)


def test_the_id_of_a_sent_message_is_kept() -> None:
    assert decided(Verdict.ACCEPTED, activity_id="17").activity_id == "17"
