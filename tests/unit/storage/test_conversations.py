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
