"""Audiences: their sources, and what the cursor row keeps of them."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.audience import Audience, Derived, Source, pack_audience, unpack_audience

audiences = st.builds(
    Audience,
    users=st.lists(st.text()).map(tuple),
    conversations=st.lists(st.text()).map(tuple),
    everyone_installed=st.booleans(),
    derived=st.none() | st.builds(Derived, broadcast=st.text(), outcomes=st.text()),
    names=st.lists(st.text()).map(tuple),
    except_people=st.lists(st.text()).map(tuple),
    except_groups=st.lists(st.text()).map(tuple),
    groups=st.lists(st.text()).map(tuple),
    everyone_in_tenant=st.booleans(),
    named_conversations=st.lists(st.text()).map(tuple),
    rosters=st.lists(st.text()).map(tuple),
    except_rosters=st.lists(st.text()).map(tuple),
)


@given(audiences)
def test_an_audience_comes_back_as_it_was_stored(audience: Audience) -> None:
    assert unpack_audience(pack_audience(audience)) == audience


@given(audiences)
def test_an_audience_of_before_there_were_rosters_is_still_read(audience: Audience) -> None:
    without = replace(audience, named_conversations=(), rosters=(), except_rosters=())
    packed = orjson.loads(pack_audience(without))
    for name in ("named_conversations", "rosters", "except_rosters"):
        del packed[name]

    assert unpack_audience(orjson.dumps(packed)) == without


@pytest.mark.parametrize(
    ("audience", "sources"),
    [
        (Audience(), ()),  # Nobody.
        (Audience(users=("user!a",)), (Source.USERS,)),  # People by name.
        (Audience(conversations=("chat!a",)), (Source.CONVERSATIONS,)),  # Chats and channels by name.
        (Audience(everyone_installed=True), (Source.INSTALLED,)),  # Everyone who has the app.
        # Those of another broadcast: people and conversations are runs of different keys.
        (
            Audience(derived=Derived(broadcast="b", outcomes="0")),
            (Source.DERIVED_USERS, Source.DERIVED_CONVERSATIONS),
        ),
        # Groups and the tenant come last: who has the app has the message by then.
        (
            Audience(groups=("a",), everyone_in_tenant=True, users=("user!a",)),
            (Source.USERS, Source.GROUPS, Source.TENANT),
        ),
        # What needs calls comes after what does not.
        (
            Audience(groups=("a",), rosters=("19:a",), named_conversations=("team!a",), conversations=("chat!a",)),
            (Source.CONVERSATIONS, Source.NAMED_CONVERSATIONS, Source.ROSTERS, Source.GROUPS),
        ),
        # Who is left out is known before anybody is planned.
        (
            Audience(users=("user!a",), except_people=("user!a",), except_groups=("g",), except_rosters=("19:a",)),
            (Source.EXCEPT_PEOPLE, Source.EXCEPT_GROUPS, Source.EXCEPT_ROSTERS, Source.USERS),
        ),
        # All kinds at once: who is named comes first.
        (
            Audience(users=("user!a",), conversations=("chat!a",), everyone_installed=True),
            (Source.USERS, Source.CONVERSATIONS, Source.INSTALLED),
        ),
    ],
)
def test_sources_are_the_parts_that_are_not_empty(audience: Audience, sources: tuple[Source, ...]) -> None:
    assert audience.sources == sources


def test_conversations_are_texts_and_names_are_mixed_with_people() -> None:
    assert {source: source.kind for source in Source} == {
        Source.USERS: "user",
        Source.CONVERSATIONS: "text",
        Source.INSTALLED: "user",
        Source.DERIVED_USERS: "user",
        Source.DERIVED_CONVERSATIONS: "mixed",
        Source.SHARED_USERS: "user",
        Source.SHARED_CONVERSATIONS: "text",
        Source.NAMES: "mixed",
        Source.EXCEPT_PEOPLE: "mixed",
        Source.EXCEPT_GROUPS: "user",
        Source.EXCEPT_ROSTERS: "user",
        Source.NAMED_CONVERSATIONS: "text",
        Source.ROSTERS: "user",
        Source.GROUPS: "user",
        Source.TENANT: "user",
    }


def test_the_explicit_recipients_are_those_that_were_named() -> None:
    audience = Audience(users=("user!a",), conversations=("chat!a", "chat!b"), everyone_installed=True)

    assert audience.explicit == ("user!a", "chat!a", "chat!b")


@pytest.mark.parametrize(
    ("audience", "is_explicit"),
    [
        (Audience(users=("user!a",)), True),
        (Audience(users=("user!a",), everyone_installed=True), False),
        (Audience(users=("user!a",), names=("name!a@b.c",)), False),
        (Audience(users=("user!a",), groups=("a",)), False),
        (Audience(users=("user!a",), except_people=("user!a",)), False),
        (Audience(users=("user!a",), except_rosters=("19:a",)), False),
        (Audience(users=("user!a",), rosters=("19:a",)), False),
        (Audience(users=("user!a",), named_conversations=("team!a",)), False),
        (Audience(users=("user!a",), everyone_in_tenant=True), False),
        (Audience(users=("user!a",), derived=Derived(broadcast="b", outcomes="0")), False),
    ],
)
def test_an_audience_is_explicit_where_everybody_was_named(audience: Audience, is_explicit: bool) -> None:
    assert audience.is_explicit is is_explicit
