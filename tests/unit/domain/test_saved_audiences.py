"""Saved audiences in a request: what all of it together is."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.audience import Audience, Derived
from shared.domain.saved_audiences import SavedNames, can_be_left_out, join, named_in_two_ways, number_of_ids

KEYS = st.sets(st.sampled_from("abcdef")).map(lambda found: tuple(sorted(found)))
AUDIENCES = st.builds(
    Audience,
    users=KEYS,
    conversations=KEYS,
    everyone_installed=st.booleans(),
    names=KEYS,
    groups=KEYS,
    everyone_in_tenant=st.booleans(),
    except_people=KEYS,
    except_groups=KEYS,
    named_conversations=KEYS,
    rosters=KEYS,
    except_rosters=KEYS,
)


def whole(audience: Audience, members: list[Audience], exceptions: list[Audience]) -> Audience:
    return join(audience, members=members, exceptions=exceptions)


def test_all_kinds_of_saved_audiences_are_added() -> None:
    own = Audience(users=("user!b",), derived=Derived(broadcast="x", outcomes="S"))
    sales = Audience(users=("user!a", "user!b"), names=("name!n",), groups=("g",), except_groups=("h",))
    all_staff = Audience(everyone_in_tenant=True, conversations=("channel!c",), except_people=("user!z",))

    assert whole(own, [sales, all_staff], []) == Audience(
        users=("user!a", "user!b"),
        conversations=("channel!c",),
        derived=Derived(broadcast="x", outcomes="S"),
        names=("name!n",),
        groups=("g",),
        everyone_in_tenant=True,
        except_people=("user!z",),
        except_groups=("h",),
    )


def test_people_and_groups_of_an_exception_are_left_out_whomever_it_leaves_out_itself() -> None:
    night_shift = Audience(users=("user!a",), names=("name!n",), groups=("g",), except_people=("user!b",))

    found = whole(Audience(everyone_installed=True), [], [night_shift])

    assert found == Audience(everyone_installed=True, except_people=("name!n", "user!a"), except_groups=("g",))


@given(AUDIENCES, st.lists(AUDIENCES, max_size=3), st.lists(AUDIENCES, max_size=3))
def test_nothing_is_lost_of_what_is_put_together(
    own: Audience, members: list[Audience], exceptions: list[Audience]
) -> None:
    found = whole(own, members, exceptions)

    for part in (own, *members):
        for field in fields(Audience):
            value = getattr(part, field.name)
            assert not value or value is True or set(value) <= set(getattr(found, field.name))
    for part in exceptions:
        assert {*part.users, *part.names} <= set(found.except_people)
        assert set(part.groups) <= set(found.except_groups)
        assert set(part.rosters) <= set(found.except_rosters)


@given(AUDIENCES, st.lists(AUDIENCES, max_size=3))
def test_order_and_repetition_change_nothing(own: Audience, members: list[Audience]) -> None:
    assert whole(own, members, members) == whole(own, [*reversed(members), *members], members[::-1])


@pytest.mark.parametrize(
    ("audience", "can"),
    [
        # People and groups, and whom it leaves out itself.
        (Audience(users=("u",), names=("n",), groups=("g",), except_people=("e",), except_groups=("f",)), True),
        # Nobody can be kept from reading a channel.
        (Audience(users=("u",), conversations=("channel!c",)), False),
        (Audience(users=("u",), named_conversations=("team!t",)), False),
        # The members of a team are people.
        (Audience(rosters=("19:t",), except_rosters=("19:u",)), True),
        # Without everybody nobody is left.
        (Audience(everyone_installed=True), False),
        (Audience(everyone_in_tenant=True), False),
    ],
)
def test_people_and_groups_alone_can_be_left_out(audience: Audience, can: bool) -> None:
    assert can_be_left_out(audience) is can


def test_every_id_counts_also_of_those_who_are_left_out() -> None:
    audience = Audience(users=("a", "b"), conversations=("c",), groups=("g",), except_groups=("f",), names=("n",))

    assert number_of_ids(audience) == 6


def test_a_conversation_that_is_named_in_two_ways_is_found() -> None:
    audience = Audience(conversations=("channel!19:a", "channel!19:b", "chat!19:b", "chat!19:c"))

    assert named_in_two_ways(audience) == ["19:b"]


def test_names_are_there_or_not() -> None:
    assert not SavedNames()
    assert SavedNames(members=("sales",))
    assert SavedNames(exceptions=("sales",))
