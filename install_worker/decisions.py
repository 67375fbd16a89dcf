"""What the state of an installation means for the delivery that waits for it: pure, one table."""

from dataclasses import replace
from urllib.parse import quote

from shared.domain.batches import Note
from shared.domain.broadcasts import Broadcast
from shared.domain.decisions import Decision
from shared.domain.modes import SILENT, Mode
from shared.domain.outcomes import Outcome
from shared.domain.retry import HORIZON, last_try_at, retry_at
from shared.domain.scopes import Scope
from shared.graph.installs import InstallState

FINAL = {
    InstallState.BLOCKED_BY_POLICY: Outcome.BLOCKED_BY_ADMIN,
    InstallState.NO_TEAMS_LICENSE: Outcome.NO_TEAMS_LICENSE,
    InstallState.USER_NOT_FOUND: Outcome.USER_NOT_FOUND,
    InstallState.GAVE_UP: Outcome.ATTEMPTS_EXHAUSTED,
}
"""States that another try would not change."""
BLOCKING = frozenset({InstallState.CONSENT_MISSING, InstallState.APP_NOT_IN_CATALOG})
"""States that concern everybody of the tenant in a scope: nobody is nearer to giving up because of them."""
BLOCKED_WAIT = 10.0
"""Seconds in which a batch whose other people have the app is the sender's."""
BUSY_WAIT = 5.0
"""Seconds after which somebody whom another broadcast is giving the app is looked at again."""


def decide_installed(conversation: str, *, mode: Mode) -> Decision:
    """The app is there: the message can be sent in this conversation, as its first try, or nothing is left to do."""
    if mode in SILENT:
        return Decision(outcome=Outcome.INSTALLED)
    return Decision(outcome=Outcome.PENDING, note=Note(conversation=quote(conversation, safe="")))


def decide_removed() -> Decision:
    """The app is not there any more."""
    return Decision(outcome=Outcome.REMOVED)


def decide_out_of_reach() -> Decision:
    """Graph cannot be asked: nobody knows the group of this team."""
    return Decision(outcome=Outcome.NOT_INSTALLED)


def decide_busy(note: Note, *, now: float) -> Decision:
    """Another broadcast is at this installation: that will be through soon, and this was no try."""
    return Decision(outcome=Outcome.AWAITING_INSTALL, note=replace(note, due_at=now + BUSY_WAIT))


def decide_blocked(note: Note, *, now: float) -> Decision:
    """Nobody can be given the app for now; some seconds later this batch may find out whether that still holds."""
    return Decision(outcome=Outcome.AWAITING_INSTALL, note=replace(note, due_at=now + BLOCKED_WAIT))


def decide_failed(
    state: InstallState,
    *,
    scope: Scope,
    broadcast: Broadcast,
    note: Note,
    now: float,
    jitter: float,
    retry_after: float | None = None,
) -> Decision:
    """Decide on a place where the app could not be seen to. `jitter` is random in [0, 1)."""
    if state in BLOCKING:
        return Decision(outcome=Outcome.AWAITING_INSTALL, note=note)
    tried = replace(note, attempts=note.attempts + 1, first_tried_at=note.first_tried_at or now, due_at=0.0)
    if state is InstallState.USER_NOT_FOUND and scope is not Scope.PERSONAL:
        return Decision(outcome=Outcome.CONVERSATION_GONE, note=tried)
    if state in FINAL:
        return Decision(outcome=FINAL[state], note=tried)
    until = last_try_at(first_tried_at=tried.first_tried_at, expires_at=broadcast.expires_at)
    due_at = retry_at(now=now, attempts=tried.attempts, until=until, retry_after=retry_after, jitter=jitter)
    if due_at is None:
        expires_first = until < tried.first_tried_at + HORIZON.total_seconds()
        return Decision(outcome=Outcome.EXPIRED if expires_first else Outcome.ATTEMPTS_EXHAUSTED, note=tried)
    return Decision(outcome=Outcome.AWAITING_INSTALL, note=replace(tried, due_at=due_at))
