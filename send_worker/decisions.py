"""What an answer means for the delivery that it answers: pure, one table, a decision as a value.

`sent` means that the Connector accepted the message; nobody knows that it was read.
"""

from dataclasses import replace

from shared.domain.batches import Note
from shared.domain.broadcasts import Broadcast, DeliveryMode
from shared.domain.decisions import Decision
from shared.domain.outcomes import Outcome
from shared.domain.retry import HORIZON, last_try_at, retry_at
from shared.domain.revisions import Revised, RevisionDecision
from shared.teams.answers import Answer, Verdict

FINAL = {
    Verdict.ACCEPTED: Outcome.SENT,
    Verdict.NOT_INSTALLED: Outcome.NOT_INSTALLED,
    Verdict.BLOCKED_BY_USER: Outcome.BLOCKED_BY_USER,
    Verdict.BLOCKED_BY_ADMIN: Outcome.BLOCKED_BY_ADMIN,
    Verdict.CONVERSATION_GONE: Outcome.CONVERSATION_GONE,
    Verdict.REJECTED: Outcome.MESSAGE_REJECTED,
    Verdict.TOO_LARGE: Outcome.MESSAGE_TOO_LARGE,
    Verdict.WRONG_HOST: Outcome.SERVICE_ERROR,
    Verdict.SERVICE_ERROR: Outcome.SERVICE_ERROR,
}
"""Answers after which nothing is tried again."""

NOT_IN_ROSTER = "botnotinconversationroster"
MESSAGE_GONE = frozenset({"activitynotfoundinconversation", "conversationnotfound", NOT_IN_ROSTER})
DELIVERED_PERHAPS = frozenset({Verdict.FAILED_MAYBE, Verdict.ANSWER_LOST, Verdict.SERVICE_ERROR})
"""Answers that leave it open whether the message arrived: with `at_most_once` the outcome is `uncertain`."""


def decide(
    answer: Answer,
    *,
    broadcast: Broadcast,
    note: Note,
    delivering: bool,
    renewable: bool = False,
    now: float,
    jitter: float,
) -> Decision:
    """Decide on one delivery.

    `delivering` is false for a call that cannot have delivered, such as creating a chat; `renewable` is true for a
    person's stored conversation, which can be created again.
    """
    if answer.kind is Verdict.UNAUTHORIZED:
        # The broadcast pauses; nobody is nearer to giving up because a secret has expired.
        return Decision(outcome=Outcome.PENDING)
    tried = replace(note, attempts=note.attempts + 1, first_tried_at=note.first_tried_at or now, due_at=0.0)
    # Most deliveries take one try: only those that took more remember it, or whose chat only the note knows.
    remembered = tried if note.attempts or note.conversation else None
    uncertain = delivering and answer.kind in DELIVERED_PERHAPS
    if uncertain and broadcast.delivery is DeliveryMode.AT_MOST_ONCE:
        return Decision(outcome=Outcome.UNCERTAIN, note=remembered)
    is_gone = answer.kind is Verdict.CONVERSATION_GONE or answer.code.lower() == NOT_IN_ROSTER
    if is_gone and renewable and not note.is_renewed:
        renewed = replace(tried, is_renewed=True, conversation="", due_at=now)
        return Decision(outcome=Outcome.DEFERRED, note=renewed, is_gone=True)
    if answer.kind in FINAL:
        return Decision(outcome=FINAL[answer.kind], note=remembered, activity_id=answer.activity_id)
    until = last_try_at(first_tried_at=tried.first_tried_at, expires_at=broadcast.expires_at)
    due_at = retry_at(now=now, attempts=tried.attempts, until=until, retry_after=answer.retry_after, jitter=jitter)
    if due_at is None:
        expires_first = until < tried.first_tried_at + HORIZON.total_seconds()
        return Decision(outcome=Outcome.EXPIRED if expires_first else Outcome.ATTEMPTS_EXHAUSTED, note=tried)
    return Decision(outcome=Outcome.DEFERRED, note=replace(tried, due_at=due_at))


def decide_revision(answer: Answer, *, recall: bool, note: Note, now: float, jitter: float) -> RevisionDecision:
    """Decide on one edit or recall. An answer that was lost is no trouble: doing it twice changes nothing."""
    if answer.kind is Verdict.UNAUTHORIZED:
        return RevisionDecision(revised=Revised.PENDING)
    if answer.kind is Verdict.ACCEPTED:
        return RevisionDecision(revised=Revised.RECALLED if recall else Revised.EDITED)
    if answer.code.lower() in MESSAGE_GONE:
        return RevisionDecision(revised=Revised.ACTIVITY_GONE)
    if answer.kind in FINAL and answer.kind is not Verdict.SERVICE_ERROR:
        return RevisionDecision(revised=Revised.FAILED)
    tried = replace(note, attempts=note.attempts + 1, first_tried_at=note.first_tried_at or now)
    until = last_try_at(first_tried_at=tried.first_tried_at, expires_at=None)
    due_at = retry_at(now=now, attempts=tried.attempts, until=until, retry_after=answer.retry_after, jitter=jitter)
    if due_at is None:
        return RevisionDecision(revised=Revised.FAILED)
    return RevisionDecision(revised=Revised.DEFERRED, note=replace(tried, due_at=due_at))
