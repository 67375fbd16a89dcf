"""What a state of an installation makes of the delivery that waits for it: a table, and what holds for every state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from install_worker.decisions import decide_failed, decide_installed
from install_worker.places import place_of
from shared.domain.batches import Note, Recipient
from shared.domain.broadcasts import Broadcast
from shared.domain.decisions import Decision
from shared.domain.lanes import LanePlan
from shared.domain.modes import SILENT, Mode
from shared.domain.outcomes import Outcome
from shared.domain.scopes import Scope
from shared.graph.installs import InstallState, Place

NOW = 1_780_000_000.0
DAY = 24 * 3600.0
PERSON, GROUP = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-00000000beef"


def fail(
    state: InstallState,
    *,
    scope: Scope = Scope.PERSONAL,
    note: Note | None = None,
    expires_at: float | None = None,
    retry_after: float | None = None,
) -> Decision:
    broadcast = Broadcast(
        id="b", tenant="t", key="k", body_hash="h", lanes=LanePlan(sends=4), accepted_at=NOW, expires_at=expires_at
    )
    return decide_failed(
        state,
        scope=scope,
        broadcast=broadcast,
        note=note or Note(),
        now=NOW,
        jitter=0.5,
        retry_after=retry_after,
    )


@pytest.mark.parametrize(
    ("state", "scope", "outcome"),
    [
        (InstallState.BLOCKED_BY_POLICY, Scope.PERSONAL, Outcome.BLOCKED_BY_ADMIN),  # An admin's word.
        (InstallState.NO_TEAMS_LICENSE, Scope.PERSONAL, Outcome.NO_TEAMS_LICENSE),  # Until there is a licence.
        (InstallState.USER_NOT_FOUND, Scope.PERSONAL, Outcome.USER_NOT_FOUND),  # Nobody has this id.
        (InstallState.USER_NOT_FOUND, Scope.TEAM, Outcome.CONVERSATION_GONE),  # A team is not a person.
        (InstallState.USER_NOT_FOUND, Scope.GROUP_CHAT, Outcome.CONVERSATION_GONE),  # Nor is a chat.
        (InstallState.GAVE_UP, Scope.PERSONAL, Outcome.ATTEMPTS_EXHAUSTED),  # A request that is wrong stays wrong.
        (InstallState.WAITING, Scope.PERSONAL, Outcome.AWAITING_INSTALL),  # What may pass is tried again.
        (InstallState.CONSENT_MISSING, Scope.TEAM, Outcome.AWAITING_INSTALL),  # It concerns everybody.
        (InstallState.APP_NOT_IN_CATALOG, Scope.PERSONAL, Outcome.AWAITING_INSTALL),  # Likewise.
    ],
)
def test_each_state_has_its_outcome(state: InstallState, scope: Scope, outcome: Outcome) -> None:
    assert fail(state, scope=scope).outcome is outcome


@pytest.mark.parametrize("state", [InstallState.CONSENT_MISSING, InstallState.APP_NOT_IN_CATALOG])
def test_what_concerns_everybody_takes_nobody_nearer_to_the_end(state: InstallState) -> None:
    note = Note(attempts=7, first_tried_at=NOW - 2 * DAY, due_at=NOW)

    assert fail(state, note=note) == Decision(outcome=Outcome.AWAITING_INSTALL, note=note)


@pytest.mark.parametrize(
    ("note", "expires_at", "outcome"),
    [
        (Note(), None, Outcome.AWAITING_INSTALL),  # The first try.
        (Note(attempts=3, first_tried_at=NOW - DAY + 60), None, Outcome.AWAITING_INSTALL),  # Within the day.
        (Note(attempts=99, first_tried_at=NOW - DAY), None, Outcome.ATTEMPTS_EXHAUSTED),  # The day is over.
        (Note(), NOW + 6, Outcome.EXPIRED),  # The next try would come after the expiry.
    ],
)
def test_what_may_pass_is_tried_for_a_day_or_until_the_expiry(
    note: Note, expires_at: float | None, outcome: Outcome
) -> None:
    assert fail(InstallState.WAITING, note=note, expires_at=expires_at).outcome is outcome


@given(st.integers(min_value=0, max_value=20), st.floats(min_value=0.5, max_value=600))
def test_graphs_own_word_is_never_cut_short(attempts: int, retry_after: float) -> None:
    note = Note(attempts=attempts, first_tried_at=NOW if attempts else 0.0)

    decision = fail(InstallState.WAITING, note=note, retry_after=retry_after)

    assert decision.note is not None
    assert decision.note.due_at >= NOW + retry_after
    assert decision.note.attempts == attempts + 1


@pytest.mark.parametrize("mode", Mode)
def test_only_who_gets_a_message_is_handed_to_the_sender(mode: Mode) -> None:
    decision = decide_installed("19:chat@unq.gbl.spaces", mode=mode)

    assert decision.outcome is (Outcome.INSTALLED if mode in SILENT else Outcome.PENDING)
    assert (decision.note is None) is (mode in SILENT)


@pytest.mark.parametrize(
    ("key", "group", "place"),
    [
        (f"user!{PERSON}", "", Place.user(PERSON)),  # A person.
        ("chat!19:chat@thread.v2", "", Place.chat("19:chat@thread.v2")),  # A group chat.
        ("channel!19:team@thread.tacv2", GROUP, Place.team(GROUP)),  # A team by its group.
        ("channel!19:team@thread.tacv2", "", None),  # Whose group nobody knows.
        ("channel!19:team@thread.tacv2", "Sales", None),  # What Teams told was no group's id.
    ],
)
def test_graph_knows_people_chats_and_teams_by_their_groups(key: str, group: str, place: Place | None) -> None:
    assert place_of(Recipient(key=key, group=group, service_url="https://smba.test/")) == place
