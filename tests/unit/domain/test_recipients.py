"""Recipient keys: one for each place, at home in every table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.recipients import (
    OBJECT_ID,
    THREAD_ID,
    RecipientKind,
    identifier_of,
    is_name,
    is_named_conversation,
    is_unresolved,
    kind_of,
    named_channel_key,
    named_channel_of,
    recipient_key,
)
from shared.storage.rows import FORBIDDEN_IN_KEYS

OBJECT = "5f0c9d1e-7a52-4c3b-9a51-0d6a4f6b8e21"
CHANNEL = "19:b3f1f1c0d2e44f6c8a0d9a7f5e6c1b2a@thread.tacv2"


@pytest.mark.parametrize(
    ("kind", "identifier", "key"),
    [
        (RecipientKind.USER, OBJECT.upper(), f"user!{OBJECT}"),  # Object ids come in any letter case.
        (RecipientKind.CHANNEL, CHANNEL, f"channel!{CHANNEL}"),  # A thread's id stays as it is.
        (RecipientKind.CHAT, "19:Ab@unq.gbl.spaces", "chat!19:Ab@unq.gbl.spaces"),  # Its letter case counts.
        (RecipientKind.CHAT, "a/b\\c#d?e%f", "chat!a%2Fb%5Cc%23d%3Fe%25f"),  # What tables refuse is encoded.
        (RecipientKind.TEAM, "é", "team!%C3%A9"),  # Keys are ASCII.
    ],
)
def test_a_key_names_the_kind_and_the_id(kind: RecipientKind, identifier: str, key: str) -> None:
    assert recipient_key(kind, identifier) == key


@given(st.sampled_from(RecipientKind), st.text(min_size=1))
def test_tables_take_every_key(kind: RecipientKind, identifier: str) -> None:
    key = recipient_key(kind, identifier.encode("utf-8", "replace").decode())

    assert FORBIDDEN_IN_KEYS.isdisjoint(key)
    assert key.isascii()
    assert kind_of(key) is kind


@given(st.from_regex(THREAD_ID, fullmatch=True))
def test_a_threads_id_can_be_read_back_from_its_key(identifier: str) -> None:
    assert identifier_of(recipient_key(RecipientKind.CHANNEL, identifier)) == identifier


@given(st.uuids())
def test_an_object_id_can_be_read_back_from_its_key(identifier: object) -> None:
    key = recipient_key(RecipientKind.USER, str(identifier).upper())

    assert OBJECT_ID.fullmatch(identifier_of(key))
    assert identifier_of(key) == str(identifier)


@pytest.mark.parametrize(
    "identifier",
    [
        "19:x\n",  # A line's end would break a stored run.
        "19:",  # An id without anything.
        "20:abc@thread.v2",  # Not a thread.
        "19:a/b",  # A path of its own.
        "19:" + "a" * 401,  # Longer than any that Teams makes.
    ],
)
def test_what_is_no_thread_is_told(identifier: str) -> None:
    assert not THREAD_ID.fullmatch(identifier)


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Sales", "sales"),  # Letter case does not count.
        ("  Sales ", "sales"),  # Space around it neither.
        ("Straße", "strasse"),  # Letters that have no capital of their own are those that stand for it.
        ("U\u0308bung", "\u00fcbung"),  # A letter with a mark is the same as one character and as two.
        ("R&D / New York", "r&d / new york"),  # What looks like a path is a part of the name.
    ],
)
@pytest.mark.parametrize("team", [CHANNEL, OBJECT])
def test_a_channel_by_name_is_known_by_its_team_and_its_folded_name(team: str, name: str, folded: str) -> None:
    key = named_channel_key(team, name)

    assert key == named_channel_key(team, name.upper())
    assert named_channel_of(key) == (team, folded)
    assert identifier_of(key) == f"{team}/{folded}"


@given(st.from_regex(THREAD_ID, fullmatch=True), st.text(min_size=1))
def test_a_channel_by_any_name_is_one_line_of_a_stored_run(team: str, name: str) -> None:
    key = named_channel_key(team, name.encode("utf-8", "replace").decode())

    assert key.splitlines() == [key]
    assert named_channel_of(key)[0] == team


def test_a_team_by_its_group_is_known_by_that_alone() -> None:
    assert named_channel_of(recipient_key(RecipientKind.TEAM, OBJECT)) == (OBJECT, "")


@pytest.mark.parametrize(
    ("kind", "is_told"),
    [
        (RecipientKind.USER, (False, False, False)),
        (RecipientKind.CHANNEL, (False, False, False)),
        (RecipientKind.CHAT, (False, False, False)),
        (RecipientKind.NAME, (True, True, False)),
        (RecipientKind.TEAM, (True, False, True)),
        (RecipientKind.CHANNEL_NAME, (True, False, True)),
    ],
)
def test_a_key_tells_whether_it_is_a_name_alone(kind: RecipientKind, is_told: tuple[bool, bool, bool]) -> None:
    key = recipient_key(kind, "x")

    assert (is_unresolved(key), is_name(key), is_named_conversation(key)) == is_told
