"""The lookup: the merge finds what point reads would find, and costs next to nothing for a dense audience."""

from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.batches import Recipient
from shared.domain.recipients import RecipientKind, recipient_key
from shared.domain.references import Reference, ReferenceState, values_of
from shared.domain.scopes import Scope
from shared.lookup import POINT_READS, Lookup
from shared.storage.conversations import Conversations
from shared.storage.rows import upsert
from tests.twins.loop import run_virtually
from tests.twins.storage import Call, MemoryTable, Moment

TENANT = "t"
CLOUD_URL, TENANT_URL = "https://cloud.test/", "https://tenant.test/"


def person(number: int) -> str:
    return recipient_key(RecipientKind.USER, f"00000000-0000-0000-0000-{number:012x}")


def a_reference(number: int, *, state: ReferenceState = ReferenceState.ACTIVE) -> Reference:
    return Reference(conversation=f"a:{number}", service_url=TENANT_URL, state=state, changed_at="2026", seen_at="")


class Desk:
    """A table of references, the lookup over it, and the number of calls that it took."""

    def __init__(self) -> None:
        self.calls = 0
        self.table = MemoryTable(lambda: 0.0, hook=self._count)
        self.lookup = Lookup(Conversations(self.table), service_url=CLOUD_URL)

    async def keep(self, references: dict[str, Reference]) -> None:
        for key, reference in references.items():
            await self.table.write(TENANT, [upsert(key, values_of(reference))])
        self.calls = 0

    async def _count(self, call: Call) -> None:
        self.calls += call.moment is Moment.BEFORE


async def look_up(stored: Sequence[int], wanted: Sequence[int]) -> tuple[list[Recipient], int]:
    """Everyone who is wanted, and the calls; every seventh of those who are known has left."""
    desk = Desk()
    states = {n: ReferenceState.UNINSTALLED if n % 7 == 0 else ReferenceState.ACTIVE for n in stored}
    await desk.keep({person(n): a_reference(n, state=states[n]) for n in stored})
    found = await desk.lookup.recipients(TENANT, [person(n) for n in wanted])
    return found, desk.calls


def expected(stored: Sequence[int], wanted: Sequence[int]) -> list[Recipient]:
    """What one read for each key would tell."""
    known, reached = set(stored), set(stored) & set(wanted)
    fallback = TENANT_URL if reached or stored else CLOUD_URL
    return [
        Recipient(
            key=person(n),
            conversation=f"a%3A{n}" if n in known and n % 7 else "",
            member=person(n).removeprefix("user!"),
            service_url=TENANT_URL if n in known else fallback,
            lacks_app=n not in known or n % 7 == 0,
        )
        for n in wanted
    ]


def run(work: Coroutine[Any, Any, tuple[list[Recipient], int]]) -> tuple[list[Recipient], int]:
    return run_virtually(work)


async def test_a_persons_zone_comes_along_whether_the_app_is_there_or_not() -> None:
    desk = Desk()
    told = {1: ReferenceState.ACTIVE, 2: ReferenceState.UNINSTALLED}
    await desk.keep({person(n): replace(a_reference(n, state=told[n]), time_zone="Asia/Tokyo") for n in told})

    found = await desk.lookup.recipients(TENANT, [person(1), person(2), person(3)])

    assert [one.time_zone for one in found] == ["Asia/Tokyo", "Asia/Tokyo", ""]


@settings(max_examples=25)
@given(st.data())
def test_the_merge_finds_what_point_reads_would_find(data: st.DataObject) -> None:
    # From a dense audience, in which all rows are wanted, to one whose people lie a hundred rows apart.
    people = data.draw(st.integers(min_value=1, max_value=3_000))
    every_stored = data.draw(st.sampled_from([1, 1, 2, 5]))
    every_wanted = data.draw(st.sampled_from([1, 2, 3, 10, 40, 100]))
    gap = data.draw(st.integers(min_value=0, max_value=people))
    stored = [n for n in range(0, people, every_stored) if not gap <= n < gap + 500]
    wanted = list(range(data.draw(st.integers(0, 50)), people + 200, every_wanted))

    found, calls = run(look_up(stored, wanted))

    assert found == expected(stored, wanted)
    assert calls <= len(wanted) + len(wanted) / POINT_READS + 3


@pytest.mark.parametrize(
    ("stored", "wanted", "most_calls"),
    [
        (range(5_000), range(5_000), 6),  # Everyone: one call for each thousand.
        (range(5_000), range(0, 5_000, 3), 6),  # Every third.
        (range(0, 5_000, 2), range(5_000), 4),  # Half of them are unknown, and cost nothing.
        (range(0), range(5_000), 2),  # Nobody is known.
        (range(6_000), [*range(400), *range(5_600, 6_000)], 3),  # The gap between two groups is skipped.
        (range(5_000), range(0, 5_000, 40), 6),  # One in forty is still worth a range.
        (range(20_000), range(0, 20_000, 100), 202),  # One in a hundred is read one by one.
        (range(5_000), range(100), 100),  # A hundred are read one by one.
        (range(5_000), range(101), 1),  # One more is a range.
    ],
)
def test_a_lookup_costs_few_calls(stored: Sequence[int], wanted: Sequence[int], most_calls: int) -> None:
    found, calls = run(look_up(stored, wanted))

    assert found == expected(stored, wanted)
    assert calls <= most_calls


async def test_nobody_is_found_without_keys() -> None:
    desk = Desk()

    assert await desk.lookup.recipients(TENANT, []) == []


async def test_channels_and_chats_are_their_own_conversation() -> None:
    desk = Desk()
    chat, channel = "chat!19:a@thread.v2", "channel!19:b@thread.tacv2"
    await desk.keep({chat: Reference(conversation="19:a@thread.v2", service_url=TENANT_URL)})

    found = await desk.lookup.recipients(TENANT, [channel, chat])

    assert found == [
        Recipient(key=channel, conversation="19%3Ab%40thread.tacv2", service_url=TENANT_URL),
        Recipient(key=chat, conversation="19%3Aa%40thread.v2", service_url=TENANT_URL),
    ]


async def test_a_person_who_is_not_known_is_named_by_the_object_id() -> None:
    desk = Desk()

    (found,) = await desk.lookup.recipients(TENANT, [person(1)])

    assert found == Recipient(
        key=person(1), member=person(1).removeprefix("user!"), service_url=CLOUD_URL, lacks_app=True
    )


@pytest.mark.parametrize(
    ("state", "conversation", "is_blocked"),
    [
        (ReferenceState.ACTIVE, "a%3A1", False),  # The chat that is known.
        (ReferenceState.BLOCKED, "a%3A1", True),  # Nobody tells when a block ends: the chat is tried once more.
        (ReferenceState.UNINSTALLED, "", False),  # The chat is over: Teams is asked by the object id.
    ],
)
async def test_a_person_is_reached_as_the_references_state_says(
    state: ReferenceState, conversation: str, is_blocked: bool
) -> None:
    desk = Desk()
    await desk.keep({person(1): a_reference(1, state=state)})

    (found,) = await desk.lookup.recipients(TENANT, [person(1)])

    assert found == Recipient(
        key=person(1),
        conversation=conversation,
        member=person(1).removeprefix("user!"),
        service_url=TENANT_URL,
        is_blocked=is_blocked,
        lacks_app=not conversation,
    )


async def test_a_person_whose_conversation_was_forgotten_is_named_by_the_object_id() -> None:
    desk = Desk()
    await desk.keep({person(1): Reference(service_url=TENANT_URL)})

    (found,) = await desk.lookup.recipients(TENANT, [person(1)])

    assert found == Recipient(
        key=person(1), member=person(1).removeprefix("user!"), service_url=TENANT_URL, lacks_app=True
    )


async def test_who_was_seen_last_tells_the_tenants_service_url() -> None:
    desk = Desk()
    await desk.keep(
        {
            person(1): Reference(conversation="a:1", service_url="https://old.test/", seen_at="2025"),
            person(2): Reference(conversation="a:2", service_url="https://new.test/", seen_at="2026"),
        }
    )

    *_, stranger = await desk.lookup.recipients(TENANT, [person(1), person(2), person(3)])

    assert stranger.service_url == "https://new.test/"


async def test_another_tenants_references_tell_nothing() -> None:
    desk = Desk()
    await desk.table.write("other", [upsert(person(1), values_of(a_reference(1)))])

    (found,) = await desk.lookup.recipients(TENANT, [person(1)])

    assert found.conversation == ""
    assert found.service_url == CLOUD_URL


GROUP = "00000000-0000-0000-0000-00000000beef"
THERE, GONE = ReferenceState.ACTIVE, ReferenceState.UNINSTALLED


def team_reference(channel: str, state: ReferenceState, group: str = GROUP) -> Reference:
    return Reference(conversation=channel, service_url=TENANT_URL, state=state, team="19:team", group=group)


@pytest.mark.parametrize(
    ("key", "reference", "lacks_app"),
    [
        ("channel!19:team", None, False),  # Its group is not known: the message tells whether the app is there.
        ("channel!19:team", team_reference("19:team", THERE), False),  # The app is there.
        ("channel!19:team", team_reference("19:team", GONE), True),  # It was removed, and can be given again.
        ("channel!19:team", team_reference("19:team", GONE, group=""), False),  # By Graph nobody knows this team.
        ("channel!19:sales", team_reference("19:sales", GONE), False),  # A channel is gone, which no install mends.
        ("chat!19:chat", None, True),  # Nobody has seen the bot there.
        ("chat!19:chat", Reference(service_url=TENANT_URL, state=GONE), True),  # It was removed.
        ("chat!19:chat", Reference(service_url=TENANT_URL), False),  # It is there.
    ],
)
async def test_teams_and_chats_lack_the_app_only_where_it_can_be_installed(
    key: str, reference: Reference | None, lacks_app: bool
) -> None:
    desk = Desk()
    await desk.keep({} if reference is None else {key: reference})
    anywhere = Lookup(Conversations(desk.table), service_url=CLOUD_URL, scopes=frozenset(Scope))

    (found,), (personal,) = await anywhere.recipients(TENANT, [key]), await desk.lookup.recipients(TENANT, [key])

    assert (found.lacks_app, personal.lacks_app) == (lacks_app, False)
    assert found.group == (reference.group if reference and key == "channel!19:team" else "")
    assert found.conversation


@pytest.mark.parametrize(
    ("stored", "url"),
    [
        # Its own.
        ({"chat!19:a": "https://own.test/", "user!a": "https://other.test/"}, "https://own.test/"),
        # That of any other one of the tenant.
        ({"user!a": "https://other.test/"}, "https://other.test/"),
        # The cloud's.
        ({}, CLOUD_URL),
    ],
)
async def test_a_conversations_service_url_is_its_own_or_the_tenants(stored: dict[str, str], url: str) -> None:
    desk = Desk()
    await desk.keep({key: Reference(conversation="c", service_url=one) for key, one in stored.items()})

    assert await desk.lookup.service_url(TENANT, ["channel!19:a", "chat!19:a"]) == url


async def test_names_that_lead_nowhere_are_not_looked_up() -> None:
    desk = Desk()
    names = ["channel_name!19:a%2Fsales", "name!a@b.c", "team!a"]

    found = await desk.lookup.recipients(TENANT, names)

    assert found == [Recipient(key=key, service_url=CLOUD_URL) for key in names]
    # One look for any reference of the tenant.
    assert desk.calls == 1
