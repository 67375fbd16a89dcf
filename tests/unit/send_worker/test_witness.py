"""The witness: what each outcome writes to a conversation reference, and what it must never write."""

import logging

import pytest

from send_worker.witness import Witness
from shared.domain.batches import Note, Recipient
from shared.domain.decisions import Decision
from shared.domain.outcomes import Outcome
from shared.domain.references import Reference, ReferenceState, values_of
from shared.errors import StorageUnavailable
from shared.storage.conversations import Conversations
from shared.storage.rows import upsert
from tests.twins.storage import MemoryAccount, Moment, fail_once

TENANT, KEY = "t", "user!00000000-0000-0000-0000-000000000001"
NOW = 1_800_000_000.0
AT_NOW = "2027-01-15T08:00:00.000000+00:00"
BEFORE, LATER = "2027-01-15T07:59:59.000000+00:00", "2027-01-15T08:00:01.000000+00:00"
GONE = Decision(outcome=Outcome.DEFERRED, note=Note(is_renewed=True), is_gone=True)


class Desk:
    """One stored reference, its recipient, and a witness."""

    def __init__(self) -> None:
        self.account = MemoryAccount(lambda: NOW)
        self.table = self.account.table("Conversations")
        self.conversations = Conversations(self.table)
        self.witness = Witness(self.conversations, self.account.clock)
        self.writes = 0

    async def store(self, *, key: str = KEY, **values: str) -> None:
        reference = Reference(**{"conversation": "a:1", "service_url": "u", "changed_at": BEFORE, **values})  # type: ignore[arg-type]
        await self.table.write(TENANT, [upsert(key, values_of(reference))])

    async def note(self, decision: Decision, *, key: str = KEY, is_blocked: bool = False) -> Reference | None:
        recipient = Recipient(key=key, conversation="a%3A1", member="m", service_url="u", is_blocked=is_blocked)
        await self.witness.note(TENANT, recipient, decision, conversation="a%3A1")
        return await self.conversations.get(TENANT, key)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("outcome", "is_blocked", "state"),
    [
        (Outcome.BLOCKED_BY_USER, False, ReferenceState.BLOCKED),  # The person said no.
        (Outcome.BLOCKED_BY_ADMIN, False, ReferenceState.BLOCKED),  # An admin said no.
        (Outcome.NOT_INSTALLED, False, ReferenceState.UNINSTALLED),  # The app is gone.
        (Outcome.NOT_INSTALLED, True, ReferenceState.UNINSTALLED),  # So it is after a block.
        (Outcome.SENT, True, ReferenceState.ACTIVE),  # The block has ended.
    ],
)
async def test_an_outcome_brings_the_reference_up_to_date(
    desk: Desk, outcome: Outcome, is_blocked: bool, state: ReferenceState
) -> None:
    await desk.store(state=ReferenceState.BLOCKED if is_blocked else ReferenceState.ACTIVE)

    found = await desk.note(Decision(outcome=outcome), is_blocked=is_blocked)

    assert found == Reference(conversation="a:1", service_url="u", state=state, changed_at=AT_NOW)


TEACHING = {Outcome.BLOCKED_BY_USER, Outcome.BLOCKED_BY_ADMIN, Outcome.NOT_INSTALLED}


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - TEACHING))
async def test_all_other_outcomes_cost_nothing(desk: Desk, outcome: Outcome) -> None:
    await desk.store()
    desk.table.hook = fail_once(AssertionError("a call"), moment=Moment.BEFORE, verb="get")

    recipient = Recipient(key=KEY, conversation="a%3A1", member="m", service_url="u")
    await desk.witness.note(TENANT, recipient, Decision(outcome=outcome), conversation="a%3A1")


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - TEACHING - {Outcome.SENT}))
async def test_who_was_blocked_stays_so_until_a_message_is_sent(desk: Desk, outcome: Outcome) -> None:
    await desk.store(state=ReferenceState.BLOCKED)

    found = await desk.note(Decision(outcome=outcome), is_blocked=True)

    assert found is not None
    assert found.state is ReferenceState.BLOCKED


async def test_a_conversation_that_is_gone_is_forgotten(desk: Desk) -> None:
    await desk.store()

    assert await desk.note(GONE) == Reference(service_url="u", changed_at=BEFORE)


async def test_a_conversation_that_came_meanwhile_is_kept(desk: Desk) -> None:
    await desk.store(conversation="a:2")

    found = await desk.note(GONE)

    assert found is not None
    assert found.conversation == "a:2"


async def test_what_an_activity_told_later_stays(desk: Desk) -> None:
    await desk.store(changed_at=LATER)

    found = await desk.note(Decision(outcome=Outcome.NOT_INSTALLED))

    assert found is not None
    assert (found.state, found.changed_at) == (ReferenceState.ACTIVE, LATER)


async def test_who_speaks_after_a_block_has_the_bot_again(desk: Desk) -> None:
    await desk.store(seen_at=LATER)

    found = await desk.note(Decision(outcome=Outcome.BLOCKED_BY_USER))

    assert found is not None
    assert found.state is ReferenceState.ACTIVE


@pytest.mark.parametrize("decision", [Decision(outcome=Outcome.NOT_INSTALLED), GONE])
async def test_nothing_is_noted_of_a_person_who_is_not_known(desk: Desk, decision: Decision) -> None:
    assert await desk.note(decision) is None


@pytest.mark.parametrize("key", ["chat!19:a@thread.v2", "channel!19:a@thread.tacv2"])
@pytest.mark.parametrize("outcome", [Outcome.NOT_INSTALLED, Outcome.BLOCKED_BY_USER])
async def test_channels_and_chats_are_left_as_activities_told(desk: Desk, key: str, outcome: Outcome) -> None:
    await desk.store(key=key)

    found = await desk.note(Decision(outcome=outcome), key=key)

    assert found is not None
    assert found.state is ReferenceState.ACTIVE


async def test_storage_that_fails_is_told_and_harms_nobody(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    await desk.store()
    desk.table.hook = fail_once(StorageUnavailable("busy"), moment=Moment.BEFORE, verb="write")

    with caplog.at_level(logging.WARNING):
        found = await desk.note(Decision(outcome=Outcome.NOT_INSTALLED))

    assert found is not None
    assert found.state is ReferenceState.ACTIVE
    assert caplog.messages == [f'reference_not_noted {{"recipient":"{KEY}"}}']
