"""Conversation references in a table: how many operations an activity costs, and what stands there in a race."""

from dataclasses import replace

import pytest

from shared.domain.references import Reference, ReferenceChange, ReferenceState
from shared.errors import RowConflict
from shared.storage.conversations import Conversations
from tests.twins.storage import Call, MemoryTable, Moment, fail_once

TENANT, KEY = "0b7e6c52-94d1-4c7f-8f3a-61f0de2a9b84", "user!7f3c1c52-0a4d-4b58-9d8e-3d1f0a2b4c6d"


def a_message(second: int) -> ReferenceChange:
    values = {"conversation": "a:chat", "time_zone": "Europe/Berlin", "seen_at": f"2026-11-21T10:00:{second:02}"}
    return ReferenceChange(tenant=TENANT, key=KEY, values=values, is_state_change=False)


def a_state(state: ReferenceState, second: int) -> ReferenceChange:
    values = {"conversation": "a:chat", "state": state.value, "changed_at": f"2026-11-21T10:00:{second:02}"}
    return ReferenceChange(tenant=TENANT, key=KEY, values=values, is_state_change=True)


class Counting:
    """A hook that counts the calls, and lets another writer in before one of them."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.intruder: ReferenceChange | None = None
        self.conversations: Conversations | None = None

    async def __call__(self, call: Call) -> None:
        if call.moment is Moment.AFTER:
            return
        self.calls.append(call.verb)
        if call.verb == "write" and self.intruder is not None and self.conversations is not None:
            intruder, self.intruder = self.intruder, None
            await self.conversations.keep(intruder)


@pytest.fixture
def hook() -> Counting:
    return Counting()


@pytest.fixture
def table(hook: Counting) -> MemoryTable:
    return MemoryTable(lambda: 0.0, hook=hook)


@pytest.fixture
def conversations(table: MemoryTable, hook: Counting) -> Conversations:
    hook.conversations = Conversations(table)
    return hook.conversations


async def test_message_costs_one_write_and_no_read(conversations: Conversations, hook: Counting) -> None:
    await conversations.keep(a_message(1))

    assert hook.calls == ["write"]


async def test_message_keeps_what_it_does_not_know(conversations: Conversations) -> None:
    await conversations.keep(a_state(ReferenceState.ACTIVE, 1))
    await conversations.keep(a_message(2))

    reference = await conversations.get(TENANT, KEY)

    assert reference == Reference(
        conversation="a:chat",
        state=ReferenceState.ACTIVE,
        time_zone="Europe/Berlin",
        changed_at="2026-11-21T10:00:01",
        seen_at="2026-11-21T10:00:02",
    )


async def test_state_change_costs_one_read_and_one_write(conversations: Conversations, hook: Counting) -> None:
    assert await conversations.keep(a_state(ReferenceState.ACTIVE, 1))

    assert hook.calls == ["get", "write"]


async def test_older_state_change_writes_nothing(conversations: Conversations, table: MemoryTable) -> None:
    await conversations.keep(a_state(ReferenceState.UNINSTALLED, 2))
    before = table.rows(TENANT)

    assert not await conversations.keep(a_state(ReferenceState.ACTIVE, 1))
    assert table.rows(TENANT) == before


@pytest.mark.parametrize("stored_before", [True, False])
async def test_newer_state_wins_a_race_whoever_reads_first(
    conversations: Conversations, hook: Counting, stored_before: bool
) -> None:
    if stored_before:
        await conversations.keep(a_state(ReferenceState.ACTIVE, 1))
    hook.intruder = a_state(ReferenceState.UNINSTALLED, 3)

    assert not await conversations.keep(a_state(ReferenceState.ACTIVE, 2))
    reference = await conversations.get(TENANT, KEY)
    assert reference is not None
    assert reference.state is ReferenceState.UNINSTALLED


async def test_lost_answer_to_ones_own_write_does_no_harm(conversations: Conversations, table: MemoryTable) -> None:
    await conversations.keep(a_state(ReferenceState.ACTIVE, 1))
    table.hook = fail_once(RowConflict("the echo of one's own success"), moment=Moment.AFTER, verb="write")

    assert await conversations.keep(a_state(ReferenceState.UNINSTALLED, 2))
    reference = await conversations.get(TENANT, KEY)
    assert reference is not None
    assert reference.state is ReferenceState.UNINSTALLED


async def test_endless_conflict_is_told(conversations: Conversations, table: MemoryTable) -> None:
    async def always(call: Call) -> None:
        if call.verb == "write":
            raise RowConflict("again")

    table.hook = always

    with pytest.raises(RowConflict):
        await conversations.keep(a_state(ReferenceState.ACTIVE, 1))


async def test_chat_from_graph_never_overwrites_what_an_activity_told(conversations: Conversations) -> None:
    from_graph = Reference(conversation="19:graph@unq.gbl.spaces", service_url="https://smba.example/")
    await conversations.keep(a_message(1))

    assert not await conversations.insert_if_absent(TENANT, KEY, from_graph)
    assert await conversations.insert_if_absent(TENANT, "user!other", from_graph)
    assert await conversations.get(TENANT, "user!other") == from_graph
    assert replace(await _found(conversations), time_zone="", seen_at="") == Reference(conversation="a:chat")


async def _found(conversations: Conversations) -> Reference:
    reference = await conversations.get(TENANT, KEY)
    assert reference is not None
    return reference


async def test_scan_yields_keys_in_order_within_its_bounds(conversations: Conversations) -> None:
    for key in ("user!b", "channel!x", "user!a", "user!c"):
        await conversations.insert_if_absent(TENANT, key, Reference(conversation=key))

    found = [key async for key, _ in conversations.scan(TENANT, start="user!", end="user!c")]
    first = [key async for key, _ in conversations.scan(TENANT, limit=1)]

    assert (found, first) == (["user!a", "user!b"], ["channel!x"])
    assert await conversations.get(TENANT, "user!z") is None


AT = "2026-11-21T10:00:05"


@pytest.mark.parametrize(
    ("stored_second", "state"),
    [
        (4, ReferenceState.BLOCKED),  # What the Connector said is newer.
        (5, ReferenceState.BLOCKED),  # Of the same moment: the Connector has the last word.
        (6, ReferenceState.ACTIVE),  # An activity told something newer.
    ],
)
async def test_an_answer_marks_a_reference_unless_it_is_newer(
    conversations: Conversations, stored_second: int, state: ReferenceState
) -> None:
    await conversations.keep(a_state(ReferenceState.ACTIVE, stored_second))

    await conversations.mark(TENANT, KEY, ReferenceState.BLOCKED, at=AT)

    found = await _found(conversations)
    assert (found.state, found.conversation) == (state, "a:chat")
    assert found.changed_at == max(AT, f"2026-11-21T10:00:{stored_second:02}")


async def test_a_reference_of_which_only_messages_told_is_marked(conversations: Conversations) -> None:
    await conversations.keep(a_message(1))

    await conversations.mark(TENANT, KEY, ReferenceState.UNINSTALLED, at=AT)

    assert (await _found(conversations)).state is ReferenceState.UNINSTALLED


async def test_a_mark_that_loses_a_race_to_an_activity_writes_nothing(
    conversations: Conversations, hook: Counting
) -> None:
    await conversations.keep(a_state(ReferenceState.ACTIVE, 1))
    hook.intruder = a_state(ReferenceState.ACTIVE, 9)

    await conversations.mark(TENANT, KEY, ReferenceState.BLOCKED, at=AT)

    found = await _found(conversations)
    assert (found.state, found.changed_at) == (ReferenceState.ACTIVE, "2026-11-21T10:00:09")


async def test_what_is_not_stored_is_neither_marked_nor_forgotten_nor_moved(
    conversations: Conversations, table: MemoryTable
) -> None:
    await conversations.mark(TENANT, KEY, ReferenceState.BLOCKED, at=AT)
    await conversations.forget_conversation(TENANT, KEY, "a:chat")
    await conversations.move(TENANT, KEY, "https://gcc.example/")

    assert table.rows(TENANT) == {}


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        ("a:chat", ""),  # The one that is gone.
        ("a:old", "a:chat"),  # An activity has brought another one since.
    ],
)
async def test_a_conversation_is_forgotten_where_it_is_the_one_that_is_gone(
    conversations: Conversations, gone: str, left: str
) -> None:
    await conversations.keep(a_message(1))

    await conversations.forget_conversation(TENANT, KEY, gone)

    found = await _found(conversations)
    assert (found.conversation, found.time_zone) == (left, "Europe/Berlin")


async def test_a_conversation_that_comes_during_its_forgetting_is_kept(
    conversations: Conversations, hook: Counting
) -> None:
    await conversations.keep(a_message(1))
    hook.intruder = replace(a_message(2), values={"conversation": "a:new"})

    await conversations.forget_conversation(TENANT, KEY, "a:chat")

    assert (await _found(conversations)).conversation == "a:new"


async def test_a_reference_moves_to_another_service_url_with_all_that_it_has(conversations: Conversations) -> None:
    await conversations.keep(a_message(1))
    before = await _found(conversations)

    await conversations.move(TENANT, KEY, "https://gcc.example/")

    assert await _found(conversations) == replace(before, service_url="https://gcc.example/")


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        (None, "a:new"),  # A person who is not known.
        ("", "a:new"),  # One whose conversation was forgotten.
        ("a:chat", "a:chat"),  # One of whom an activity told meanwhile.
    ],
)
async def test_a_conversation_that_herald_created_is_kept_where_there_is_none(
    conversations: Conversations, stored: str | None, kept: str
) -> None:
    if stored is not None:
        await conversations.keep(replace(a_message(1), values={"conversation": stored}))

    await conversations.keep_created(
        TENANT, KEY, conversation="a:new", service_url="https://smba.example/", at="2026-11-21T10:00:30"
    )

    assert (await _found(conversations)).conversation == kept


@pytest.mark.parametrize(
    ("state", "conversation"),
    [
        (ReferenceState.UNINSTALLED, "a:new"),  # The bot is there, whatever an event said.
        (ReferenceState.ACTIVE, "a:chat"),  # What an activity told is the better knowledge.
    ],
)
async def test_a_conversation_that_herald_created_revives_a_row_taken_for_uninstalled(
    conversations: Conversations, state: ReferenceState, conversation: str
) -> None:
    await conversations.keep(a_state(state, 1))

    at = "2026-11-21T10:00:30"
    await conversations.keep_created(TENANT, KEY, conversation="a:new", service_url="https://smba.example/", at=at)

    found = await _found(conversations)
    assert (found.state, found.conversation) == (ReferenceState.ACTIVE, conversation)
    assert found.changed_at == (at if state is not ReferenceState.ACTIVE else "2026-11-21T10:00:01")
    # An event that is older than the creation comes too late.
    await conversations.keep(a_state(ReferenceState.UNINSTALLED, 2))
    assert (await _found(conversations)).state is (
        ReferenceState.ACTIVE if state is not ReferenceState.ACTIVE else ReferenceState.UNINSTALLED
    )


async def test_a_conversation_that_herald_created_ends_no_block(conversations: Conversations) -> None:
    await conversations.keep(a_state(ReferenceState.BLOCKED, 1))

    await conversations.keep_created(
        TENANT, KEY, conversation="a:new", service_url="https://smba.example/", at="2026-11-21T10:00:30"
    )

    found = await _found(conversations)
    assert (found.state, found.conversation) == (ReferenceState.BLOCKED, "a:chat")
