"""The request contract: what is accepted as what, and every fault with its pointer."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from shared.contract import json_schema
from shared.domain.audience import Audience
from shared.domain.broadcasts import DeliveryMode, Priority
from shared.domain.modes import Mode
from shared.domain.own_clocks import OwnClock
from shared.domain.rehearsals import Ramp
from shared.domain.requests import BroadcastRequest, Content
from shared.domain.saved_audiences import SavedNames
from shared.errors import InvalidRequest
from shared.requests import read_request, tenant_of
from tests.twins.accepting import ALICE, CHANNEL, CHAT, TENANT, a_document, a_request, user

SCHEMA = Draft202012Validator(json_schema())
OTHER_TENANT = "3e8f2a64-8a0a-4a39-9b8f-6a1f1c0b5d77"
CARD = {"type": "AdaptiveCard", "version": "1.5", "body": []}
KNOWN_TO_SCHEMA, BEYOND_SCHEMA = True, False


def faults_of(document: dict[str, Any], *, tenants: tuple[str, ...] = (TENANT,)) -> dict[str, str]:
    """The faults of a document by their pointers."""
    with pytest.raises(InvalidRequest) as caught:
        read_request(document, tenants=tenants, key="stand-in")
    return {fault.pointer: fault.detail for fault in caught.value.faults}


FAULTS = [
    # A moment that is none.
    ({"send": {"at": "tomorrow"}}, "/send/at", "such as 2026-11-23T09:00", not KNOWN_TO_SCHEMA),
    # A day that no calendar has.
    ({"send": {"at": "2026-02-30T09:00", "zone": "Europe/Paris"}}, "/send/at", "a date", not KNOWN_TO_SCHEMA),
    # Moments that not every zone has, or no key has room for.
    ({"send": {"at": "0001-01-01T00:00", "zone": "Asia/Tokyo"}}, "/send/at", "2000 and 2200", not KNOWN_TO_SCHEMA),
    ({"send": {"at": "9999-12-31T23:59", "zone": "America/Lima"}}, "/send/at", "2000 and 2200", not KNOWN_TO_SCHEMA),
    ({"send": {"at": "2200-01-01T00:00Z"}}, "/send/at", "2000 and 2200", not KNOWN_TO_SCHEMA),
    # A local time, and nobody knows where.
    ({"send": {"at": "2026-11-23T09:00"}}, "/send/at", "in which zone is this?", not KNOWN_TO_SCHEMA),
    # Two offsets, which may contradict each other.
    ({"send": {"at": "2026-11-23T09:00Z", "zone": "Europe/Paris"}}, "/send/zone", "leave the", not KNOWN_TO_SCHEMA),
    # A zone that is misspelt.
    ({"send": {"at": "2026-11-23T09:00", "zone": "Europe/Pari"}}, "/send/zone", "Europe/Paris", not KNOWN_TO_SCHEMA),
    # A moment without its time.
    ({"send": {"zone": "Europe/Paris"}}, "/send/at", "missing", KNOWN_TO_SCHEMA),
    # A time with an offset is the same moment on every clock.
    ({"send": {"at": "2026-11-23T09:00Z", "zone": "recipient"}}, "/send/zone", "leave the", not KNOWN_TO_SCHEMA),
    # A word that is near to the one for each recipient's own clock.
    ({"send": {"at": "2026-11-23T09:00", "zone": "recipients"}}, "/send/zone", "no time zone", not KNOWN_TO_SCHEMA),
    # A default that is no zone.
    (
        {"send": {"at": "2026-11-23T09:00", "zone": "recipient", "default_zone": "recipient"}},
        "/send/default_zone",
        "no time zone",
        not KNOWN_TO_SCHEMA,
    ),
    # A default where all have one zone.
    (
        {"send": {"at": "2026-11-23T09:00", "zone": "Europe/Paris", "default_zone": "Europe/Paris"}},
        "/send/default_zone",
        '"zone": "recipient" alone',
        not KNOWN_TO_SCHEMA,
    ),
    # One wait for all, and a moment for each.
    (
        {
            "send": {"at": "2026-11-23T09:00", "zone": "recipient"},
            "options": {"ramp": {"people": 5, "wait": "PT1H"}},
        },
        "/options/ramp",
        "does not fit",
        not KNOWN_TO_SCHEMA,
    ),
    # A dry run has no moment.
    (
        {"send": {"at": "2026-11-23T09:00Z"}, "options": {"mode": "dry_run"}},
        "/send",
        "sends nothing",
        not KNOWN_TO_SCHEMA,
    ),
    # The version is missing.
    ({"version": None}, "/version", "missing", KNOWN_TO_SCHEMA),
    # A version of the future.
    ({"version": 2}, "/version", "must be 1", KNOWN_TO_SCHEMA),
    # A version as text.
    ({"version": "1"}, "/version", "must be 1", KNOWN_TO_SCHEMA),
    # A misspelt field is named together with those that there are.
    ({"audiance": {}}, "/audiance", "the fields here are version, key, tenant, audience", KNOWN_TO_SCHEMA),
    # A field whose name needs escaping in a pointer.
    ({"a/b~c": 1}, "/a~1b~0c", "no such field", KNOWN_TO_SCHEMA),
    # An empty key.
    ({"key": ""}, "/key", "not be empty", KNOWN_TO_SCHEMA),
    # A key that is too long.
    ({"key": "k" * 201}, "/key", "at most 200 characters", KNOWN_TO_SCHEMA),
    # Keys of schedules' occurrences and of children.
    ({"key": "schedule!0!2026-06-01T07:00:00.000Z"}, "/key", "begin with schedule! are Herald's own", KNOWN_TO_SCHEMA),
    ({"key": "clock!0!2026-06-01T07:00:00Z"}, "/key", "begin with clock! are Herald's own", KNOWN_TO_SCHEMA),
    # A key that is a number.
    ({"key": 7}, "/key", "must be a string", KNOWN_TO_SCHEMA),
    # A tenant by its domain.
    ({"tenant": "contoso.com"}, "/tenant", "a GUID", KNOWN_TO_SCHEMA),
    # A tenant that the app does not serve.
    ({"tenant": OTHER_TENANT}, "/tenant", "does not serve", BEYOND_SCHEMA),
    # No audience at all.
    ({"audience": None}, "/audience", "missing", KNOWN_TO_SCHEMA),
    # An audience that is not an object.
    ({"audience": "all"}, "/audience", "must be an object", KNOWN_TO_SCHEMA),
    # An audience of nobody.
    ({"audience": {"users": []}}, "/audience", "empty", KNOWN_TO_SCHEMA),
    # Everyone of a kind that there is not.
    ({"audience": {"everyone": "all"}}, "/audience/everyone", 'must be "installed" or "tenant"', KNOWN_TO_SCHEMA),
    # Users that are not a list.
    ({"audience": {"users": ALICE}}, "/audience/users", "must be an array", KNOWN_TO_SCHEMA),
    # A sign-in name.
    ({"audience": {"users": [ALICE, "ann@contoso.com"]}}, "/audience/users/1", "sign-in name", BEYOND_SCHEMA),
    # A sign-in name that cannot be one.
    ({"audience": {"users": ["ann@contoso"]}}, "/audience/users/0", "sign-in name", KNOWN_TO_SCHEMA),
    # An id of Teams' own for a person.
    ({"audience": {"users": ["29:1xyz"]}}, "/audience/users/0", "aadObjectId", KNOWN_TO_SCHEMA),
    # A conversation among the people.
    ({"audience": {"users": [CHANNEL]}}, "/audience/users/0", "under channels", KNOWN_TO_SCHEMA),
    # A name.
    ({"audience": {"users": ["Ann"]}}, "/audience/users/0", "Entra object id", KNOWN_TO_SCHEMA),
    # A number among the people.
    ({"audience": {"users": [3]}}, "/audience/users/0", "must be a string", KNOWN_TO_SCHEMA),
    # A channel by the GUID of its team.
    ({"audience": {"channels": [ALICE]}}, "/audience/channels/0", "begins with 19:", KNOWN_TO_SCHEMA),
    # A personal chat, which is its person.
    ({"audience": {"chats": ["a:1xyz"]}}, "/audience/chats/0", "under users", KNOWN_TO_SCHEMA),
    # A team by the GUID of its group, where nobody looks that up.
    ({"audience": {"teams": [ALICE]}}, "/audience/teams/0", "internalId", BEYOND_SCHEMA),
    # A roster by the GUID of its group, likewise.
    ({"audience": {"rosters": [CHAT, ALICE]}}, "/audience/rosters/1", "internalId", BEYOND_SCHEMA),
    # A roster that is left out, likewise.
    (
        {"audience": {"users": [ALICE], "except": {"rosters": [ALICE]}}},
        "/audience/except/rosters/0",
        "internalId",
        BEYOND_SCHEMA,
    ),
    # A channel of such a team.
    (
        {"audience": {"channels": [CHANNEL, {"team": ALICE, "channel": "Sales"}]}},
        "/audience/channels/1/team",
        "internalId",
        BEYOND_SCHEMA,
    ),
    # A roster by its name.
    ({"audience": {"rosters": ["Sales"]}}, "/audience/rosters/0", "a team or a group chat", KNOWN_TO_SCHEMA),
    # A personal chat has no roster.
    ({"audience": {"rosters": ["a:1xyz"]}}, "/audience/rosters/0", "under users", KNOWN_TO_SCHEMA),
    # A channel that is neither an id nor an object.
    ({"audience": {"channels": [7]}}, "/audience/channels/0", "with team and channel", KNOWN_TO_SCHEMA),
    # A named channel without its team.
    ({"audience": {"channels": [{"channel": "Sales"}]}}, "/audience/channels/0/team", "missing", KNOWN_TO_SCHEMA),
    # A named channel of a team by its name.
    (
        {"audience": {"channels": [{"team": "Sales", "channel": "Sales"}]}},
        "/audience/channels/0/team",
        "beginning with 19:",
        KNOWN_TO_SCHEMA,
    ),
    # A named channel without a name.
    (
        {"audience": {"channels": [{"team": CHANNEL, "channel": " "}]}},
        "/audience/channels/0/channel",
        "the name is empty",
        KNOWN_TO_SCHEMA,
    ),
    # A named channel with a name that none has.
    (
        {"audience": {"channels": [{"team": CHANNEL, "channel": "x" * 201}]}},
        "/audience/channels/0/channel",
        "at most 200",
        KNOWN_TO_SCHEMA,
    ),
    # A misspelt field of a named channel.
    (
        {"audience": {"channels": [CHANNEL, {"team": CHANNEL, "channel": "Sales", "name": "Sales"}]}},
        "/audience/channels/1/name",
        "the fields here are team, channel",
        KNOWN_TO_SCHEMA,
    ),
    # Nobody but those who are left out.
    ({"audience": {"except": {"users": [ALICE]}}}, "/audience", "empty", KNOWN_TO_SCHEMA),
    # Somebody left out by a name that cannot be looked up.
    (
        {"audience": {"users": [ALICE], "except": {"users": ["a@b.cd"]}}},
        "/audience/except/users/0",
        "sign-in name",
        BEYOND_SCHEMA,
    ),
    # A conversation cannot be left out.
    (
        {"audience": {"users": [ALICE], "except": {"chats": [CHAT]}}},
        "/audience/except/chats",
        "the fields here are users, groups, saved, rosters",
        KNOWN_TO_SCHEMA,
    ),
    # Those who are left out count as well.
    (
        {"audience": {"users": [user(n) for n in range(600)], "except": {"users": [user(n) for n in range(401)]}}},
        "/audience",
        "1,001 ids are named",
        BEYOND_SCHEMA,
    ),
    # A saved audience by a name that none can have.
    ({"audience": {"saved": ["Sales"]}}, "/audience/saved/0", "small letters, digits and hyphens", KNOWN_TO_SCHEMA),
    # The same, among those who are left out.
    (
        {"audience": {"users": [ALICE], "except": {"saved": ["a b"]}}},
        "/audience/except/saved/0",
        "small letters, digits and hyphens",
        KNOWN_TO_SCHEMA,
    ),
    # More saved audiences than a request may name.
    (
        {"audience": {"saved": [f"team-{n}" for n in range(21)]}},
        "/audience/saved",
        "at most 20 entries",
        KNOWN_TO_SCHEMA,
    ),
    # Nobody but saved audiences that are left out.
    ({"audience": {"except": {"saved": ["sales"]}}}, "/audience", "or saved audiences", KNOWN_TO_SCHEMA),
    # Rosters and named channels count as well.
    (
        {
            "audience": {
                "users": [user(n) for n in range(998)],
                "rosters": [CHAT],
                "channels": [{"team": CHANNEL, "channel": "Sales"}, {"team": CHANNEL, "channel": "News"}],
            }
        },
        "/audience",
        "1,001 ids are named",
        BEYOND_SCHEMA,
    ),
    # A group by its name.
    ({"audience": {"groups": ["Sales"]}}, "/audience/groups/0", "object id of an Entra group", KNOWN_TO_SCHEMA),
    # A team among the groups.
    ({"audience": {"groups": [CHANNEL]}}, "/audience/groups/0", "the team's group", KNOWN_TO_SCHEMA),
    # A conversation id with a character that Teams never uses.
    ({"audience": {"chats": ["19:a/b"]}}, "/audience/chats/0", "beginning with 19:", KNOWN_TO_SCHEMA),
    # One conversation as a channel and as a chat would get the message twice.
    ({"audience": {"channels": [CHAT], "chats": [CHAT]}}, "/audience/chats/0", "keep one", BEYOND_SCHEMA),
    # More ids than a request may name.
    (
        {"audience": {"users": [user(n) for n in range(1_000)], "chats": [CHAT]}},
        "/audience",
        "1,001 ids are named",
        BEYOND_SCHEMA,
    ),
    # No content.
    ({"content": None}, "/content", "missing", KNOWN_TO_SCHEMA),
    # Content without a message.
    ({"content": {"summary": "News"}}, "/content", "give a text or a card", KNOWN_TO_SCHEMA),
    # Text and card at once.
    ({"content": {"text": "Hello", "card": CARD}}, "/content", "into summary", KNOWN_TO_SCHEMA),
    # A text of nothing but space.
    ({"content": {"text": " \n"}}, "/content/text", "empty", KNOWN_TO_SCHEMA),
    # A text that is not text.
    ({"content": {"text": ["Hello"]}}, "/content/text", "must be a string", KNOWN_TO_SCHEMA),
    # A card that is text: a serialised card, perhaps.
    ({"content": {"card": "{}"}}, "/content/card", "must be an object", KNOWN_TO_SCHEMA),
    # A card of another kind.
    ({"content": {"card": {**CARD, "type": "HeroCard"}}}, "/content/card/type", "AdaptiveCard", KNOWN_TO_SCHEMA),
    # A card without a version.
    ({"content": {"card": {"type": "AdaptiveCard"}}}, "/content/card/version", "1.5", KNOWN_TO_SCHEMA),
    # A text of 40,960 characters is one quote too long, since each end of it counts, too.
    ({"content": {"text": "x" * 40_960}}, "/content/text", "81,924 bytes of UTF-16", BEYOND_SCHEMA),
    # Characters beyond the basic plane count twice.
    ({"content": {"text": "🎉" * 20_480}}, "/content/text", "81,924 bytes of UTF-16", BEYOND_SCHEMA),
    # A summary that is too long.
    ({"content": {"text": "Hello", "summary": "s" * 501}}, "/content/summary", "at most 500", KNOWN_TO_SCHEMA),
    # An alert in words.
    ({"content": {"text": "Hello", "alert": "yes"}}, "/content/alert", "true or false", KNOWN_TO_SCHEMA),
    # A way of delivery that there is not.
    ({"options": {"delivery": "exactly_once"}}, "/options/delivery", '"at_least_once" or', KNOWN_TO_SCHEMA),
    # A priority that there is not.
    ({"options": {"priority": "high"}}, "/options/priority", '"normal" or "urgent"', KNOWN_TO_SCHEMA),
    # A duration in words.
    ({"options": {"expires_after": "4 hours"}}, "/options/expires_after", "such as PT4H", KNOWN_TO_SCHEMA),
    # A month has no length of its own.
    ({"options": {"expires_after": "P1M"}}, "/options/expires_after", "such as PT4H", KNOWN_TO_SCHEMA),
    # A duration without any part.
    ({"options": {"expires_after": "PT"}}, "/options/expires_after", "such as PT4H", KNOWN_TO_SCHEMA),
    # No time at all.
    ({"options": {"expires_after": "PT0S"}}, "/options/expires_after", "longer than nothing", BEYOND_SCHEMA),
    # More than a week.
    ({"options": {"expires_after": "P7DT1S"}}, "/options/expires_after", "at most P7D", BEYOND_SCHEMA),
    # A mode that there is not.
    ({"options": {"mode": "draft"}}, "/options/mode", '"send", "dry_run", "test" or "sandbox"', KNOWN_TO_SCHEMA),
    # A test for nobody.
    ({"options": {"mode": "test"}}, "/options/test_user", "who gets the message", KNOWN_TO_SCHEMA),
    # A person for a test that is none.
    ({"options": {"test_user": ALICE}}, "/options/test_user", '"mode": "test" alone', KNOWN_TO_SCHEMA),
    # A test for somebody by sign-in name.
    ({"options": {"mode": "test", "test_user": "ann@contoso.com"}}, "/options/test_user", "a GUID", KNOWN_TO_SCHEMA),
    # A slow start for nobody.
    ({"options": {"ramp": {"people": 0, "wait": "PT1M"}}}, "/options/ramp/people", "at least 1", KNOWN_TO_SCHEMA),
    # A slow start for more than all.
    ({"options": {"ramp": {"people": 10**6, "wait": "PT1M"}}}, "/options/ramp/people", "100,000", KNOWN_TO_SCHEMA),
    # A slow start for a number as text.
    ({"options": {"ramp": {"people": "9", "wait": "PT1M"}}}, "/options/ramp/people", "whole number", KNOWN_TO_SCHEMA),
    # A slow start without its wait.
    ({"options": {"ramp": {"people": 10}}}, "/options/ramp/wait", "missing", KNOWN_TO_SCHEMA),
    # A slow start that outlasts the broadcast.
    (
        {"options": {"ramp": {"people": 10, "wait": "PT1H"}, "expires_after": "PT60M"}},
        "/options/ramp/wait",
        "not shorter than expires_after",
        BEYOND_SCHEMA,
    ),
    # An option that there is not.
    (
        {"options": {"retries": 3}},
        "/options/retries",
        "delivery, priority, expires_after, mode, test_user, ramp",
        KNOWN_TO_SCHEMA,
    ),
]


def test_a_test_is_for_its_person_alone() -> None:
    options = {"mode": "test", "test_user": ALICE.upper(), "ramp": {"people": 5, "wait": "PT1M30S"}}
    document = a_document(audience={"everyone": "installed", "channels": [CHANNEL]}, options=options)

    request = read_request(document, tenants=[TENANT], key="k")

    assert SCHEMA.is_valid(document)
    assert request.audience == Audience(users=(f"user!{ALICE}",))
    assert (request.mode, request.ramp) == (Mode.TEST, Ramp(people=5, wait=90.0))


@pytest.mark.parametrize(
    ("send", "moment"),
    [
        ({"at": "2026-11-23T09:00", "zone": "Europe/Paris"}, "2026-11-23T08:00:00+00:00"),  # Local to a zone.
        ({"at": "2026-07-23T09:00", "zone": "Europe/Paris"}, "2026-07-23T07:00:00+00:00"),  # In summer.
        ({"at": "2026-10-25T02:30", "zone": "Europe/Paris"}, "2026-10-25T00:30:00+00:00"),  # Twice: the first one.
        ({"at": "2026-03-29T02:30", "zone": "Europe/Paris"}, "2026-03-29T01:30:00+00:00"),  # Never: after the gap.
        ({"at": "2026-11-23T09:00:30+05:30"}, "2026-11-23T03:30:30+00:00"),  # With an offset.
        ({"at": "2026-11-23T09:00Z", "zone": None}, "2026-11-23T09:00:00+00:00"),  # In UTC.
    ],
)
def test_a_moment_is_read_by_its_zone_or_its_offset(send: dict[str, Any], moment: str) -> None:
    request = read_request(a_document(send=send), tenants=[TENANT], key="k")

    assert request.starts_at == datetime.fromisoformat(moment).timestamp()


@pytest.mark.parametrize("default", ["Europe/Paris", None])
def test_a_moment_on_each_recipients_own_clock_is_read_as_it_stands(default: str | None) -> None:
    document = a_document(send={"at": "2026-11-23T09:00", "zone": "recipient", "default_zone": default})

    request = read_request(document, tenants=[TENANT], key="k")

    assert SCHEMA.is_valid(document)
    assert request.own_clock == OwnClock(at=datetime.fromisoformat("2026-11-23T09:00"), default_zone=default or "")
    assert request.starts_at == 0.0
    assert request.body_hash != read_request(a_document(), tenants=[TENANT], key="k").body_hash


@pytest.mark.parametrize(("changes", "pointer", "words", "known_to_schema"), FAULTS)
def test_fault_is_named_by_its_pointer_with_what_would_be_right(
    changes: dict[str, Any], pointer: str, words: str, known_to_schema: bool
) -> None:
    document = a_document(**changes)

    faults = faults_of(document)

    assert list(faults) == [pointer]
    assert words in faults[pointer]
    assert "pydantic" not in str(faults).lower()
    assert SCHEMA.is_valid(document) is not known_to_schema


def test_all_faults_are_named_in_one_go() -> None:
    document = a_document(
        version=3,
        audience={"users": ["ann@contoso.com", "bob@contoso.com"], "chats": ["19:x"], "teams": [ALICE]},
        content={"text": "", "card": {}, "colour": "red"},
        options={"priority": "high", "expires_after": "P1Y"},
    )

    assert list(faults_of(document)) == [
        "/version",
        "/content/text",
        "/content/colour",
        "/options/priority",
        "/options/expires_after",
        "/audience/users/0",
        "/audience/users/1",
        "/audience/teams/0",
        "/content",
    ]


def test_tenant_is_needed_where_the_app_serves_several() -> None:
    faults = faults_of(a_document(tenant=None), tenants=(TENANT, OTHER_TENANT))

    assert faults == {"/tenant": "this field is missing: the app serves several tenants"}


def test_very_many_faults_are_cut_with_a_word_on_the_rest() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request(a_document() | {f"x{n}": 1 for n in range(5_000)}, tenants=[TENANT], key="k")

    assert len(caught.value.faults) == 1_000
    assert caught.value.faults[-1].detail == "4,001 further faults are not listed"


def test_card_that_is_nested_too_deep_is_refused() -> None:
    card: dict[str, Any] = {**CARD}
    for _ in range(300):
        card = {**CARD, "body": [card]}

    assert list(faults_of(a_document(content={"card": card}))) == ["/content/card"]


def test_smallest_request_gets_its_defaults() -> None:
    document = {"version": 1, "audience": {"users": [ALICE]}, "content": {"text": "Hello"}}

    assert SCHEMA.is_valid(document)
    assert read_request(document, tenants=[TENANT], key="from the queue") == BroadcastRequest(
        tenant=TENANT,
        key="from the queue",
        audience=Audience(users=(f"user!{ALICE}",)),
        content=Content(text="Hello"),
        delivery=DeliveryMode.AT_LEAST_ONCE,
        priority=Priority.NORMAL,
        expires_after=None,
    )


def test_full_request_is_read_whole() -> None:
    document = a_document(
        audience={"users": [ALICE], "channels": [CHANNEL], "chats": [CHAT], "teams": [], "everyone": "installed"},
        content={"card": CARD, "summary": "News", "alert": True},
        options={"delivery": "at_most_once", "priority": "urgent", "expires_after": "P1DT4H"},
    )

    assert SCHEMA.is_valid(document)
    assert read_request(document, tenants=[TENANT], key="unused") == BroadcastRequest(
        tenant=TENANT,
        key="news-2026-05",
        audience=Audience(
            users=(f"user!{ALICE}",),
            conversations=(f"channel!{CHANNEL}", f"chat!{CHAT}"),
            everyone_installed=True,
        ),
        content=Content(card=CARD, summary="News", alert=True),
        delivery=DeliveryMode.AT_MOST_ONCE,
        priority=Priority.URGENT,
        expires_after=timedelta(days=1, hours=4),
    )


def test_null_is_the_same_as_left_out() -> None:
    document = a_document() | {
        "audience": {"users": [ALICE], "channels": None, "everyone": None},
        "content": {"text": "Hello", "card": None, "summary": None, "alert": None},
        "options": {"delivery": None, "expires_after": None},
    }

    assert SCHEMA.is_valid(document)
    assert read_request(document, tenants=[TENANT], key="unused") == a_request()


def test_duplicates_collapse_whatever_their_letter_case() -> None:
    request = a_request(audience={"users": [ALICE, ALICE.upper(), ALICE], "channels": [CHANNEL], "teams": [CHANNEL]})

    assert request.audience == Audience(users=(f"user!{ALICE}",), conversations=(f"channel!{CHANNEL}",))


@given(st.randoms(use_true_random=False))
def test_hash_does_not_depend_on_order_case_or_duplicates(random: Any) -> None:
    people = [user(n) for n in range(5)] + [ALICE]
    shuffled = [random.choice([one, one.upper()]) for one in people + random.choices(people, k=3)]
    random.shuffle(shuffled)
    members = list(a_document(audience={"users": shuffled}).items())
    random.shuffle(members)

    again = read_request(dict(members), tenants=[TENANT], key="another key")

    assert again.body_hash == a_request(audience={"users": people}).body_hash


@pytest.mark.parametrize(
    "changes",
    [
        {"audience": {"users": [user(1)]}},
        {"content": {"text": "Hello!"}},
        {"content": {"text": "Hello", "alert": True}},
        {"options": {"priority": "urgent"}},
        {"options": {"delivery": "at_most_once"}},
        {"options": {"expires_after": "PT1H"}},
    ],
)
def test_hash_tells_other_bodies_apart(changes: dict[str, Any]) -> None:
    assert a_request(**changes).body_hash != a_request().body_hash


def test_hash_leaves_the_key_out() -> None:
    assert a_request(key="one").body_hash == a_request(key="two").body_hash


@pytest.mark.parametrize(
    ("document", "tenants", "tenant"),
    [
        # The one tenant may be left out.
        ({}, [TENANT], TENANT),
        # Among several it may not.
        ({}, [TENANT, OTHER_TENANT], None),
        # A known tenant in upper case.
        ({"tenant": OTHER_TENANT.upper()}, [TENANT, OTHER_TENANT], OTHER_TENANT),
        # A stranger's.
        ({"tenant": OTHER_TENANT}, [TENANT], None),
        # Nonsense.
        ({"tenant": 7}, [TENANT], None),
    ],
)
def test_tenant_for_filing_a_rejection(document: dict[str, Any], tenants: list[str], tenant: str | None) -> None:
    assert tenant_of(document, tenants) == tenant


def test_people_by_name_are_taken_where_that_is_set_up() -> None:
    document = a_document(audience={"users": [ALICE, " Ann@Contoso.com", "ann@contoso.com", "o'neil#EXT#@c.example"]})

    request = read_request(document, tenants=[TENANT], key="k", takes_names=True)

    SCHEMA.validate(document | {"audience": {"users": [ALICE, "Ann@Contoso.com"]}})
    assert request.audience == Audience(
        users=(f"user!{ALICE}",), names=("name!ann@contoso.com", "name!o'neil%23ext%23@c.example")
    )
    assert not request.audience.is_explicit


def test_channels_by_name_and_rosters_are_read_sorted_and_unique() -> None:
    channels = [
        CHANNEL,
        {"team": CHANNEL, "channel": " Sales "},
        {"team": CHANNEL, "channel": "SALES"},
        # General is the team's own conversation, by whatever id.
        {"team": CHANNEL, "channel": "general"},
        {"team": ALICE.upper(), "channel": " GENERAL "},
        {"team": ALICE, "channel": "News"},
    ]
    audience = {
        "channels": channels,
        "teams": [ALICE],
        "rosters": [ALICE.upper(), CHAT, ALICE],
        "except": {"rosters": [CHANNEL, ALICE]},
    }
    document = a_document(audience=audience)

    request = read_request(document, tenants=[TENANT], key="k", takes_names=True)

    SCHEMA.validate(document)
    assert request.audience == Audience(
        conversations=(f"channel!{CHANNEL}",),
        named_conversations=(f"channel_name!{CHANNEL}%2Fsales", f"channel_name!{ALICE}%2Fnews", f"team!{ALICE}"),
        rosters=(CHAT, ALICE),
        except_rosters=(CHANNEL, ALICE),
    )


def test_what_an_audience_has_of_late_changes_the_hash_only_where_it_is_used() -> None:
    hashes = {
        read_request(a_document(audience=audience), tenants=[TENANT], key="k", takes_names=True).body_hash
        for audience in (
            {"users": [ALICE]},
            {"users": [ALICE, "ann@contoso.com"]},
            {"users": [ALICE], "groups": [ALICE]},
            {"users": [ALICE], "everyone": "tenant"},
            {"users": [ALICE], "everyone": "installed"},
            {"users": [ALICE], "except": {"users": [user(1)]}},
            {"users": [ALICE], "except": {"groups": [user(1)]}},
            {"users": [ALICE], "except": {"rosters": [user(1)]}},
            {"users": [ALICE], "except": {"rosters": [user(1)], "groups": [user(1)]}},
            {"users": [ALICE], "rosters": [ALICE]},
            {"users": [ALICE], "teams": [ALICE]},
            {"users": [ALICE], "channels": [{"team": CHANNEL, "channel": "Sales"}]},
            {"users": [ALICE], "saved": ["sales"]},
            {"users": [ALICE], "saved": ["sales", "managers"]},
            {"users": [ALICE], "except": {"saved": ["sales"]}},
        )
    }

    assert len(hashes) == 15


def test_saved_audiences_are_names_until_the_request_is_accepted() -> None:
    audience = {"users": [ALICE], "saved": ["sales", "managers", "sales"], "except": {"saved": ["night-shift"]}}

    request = a_request(audience=audience)
    again = a_request(audience=audience | {"saved": ["managers", "sales"]})

    SCHEMA.validate(a_document(audience=audience))
    assert request.audience == Audience(users=(f"user!{ALICE}",))
    assert request.saved == SavedNames(members=("sales", "managers", "sales"), exceptions=("night-shift",))
    assert request.body_hash == again.body_hash


def test_a_test_is_for_nobody_of_a_saved_audience() -> None:
    request = a_request(audience={"saved": ["sales"]}, options={"mode": "test", "test_user": ALICE})

    assert not request.saved


def test_the_hash_of_an_older_request_stays_what_it_was() -> None:
    everything = a_document(
        audience={
            "users": [ALICE, "ann@contoso.com"],
            "channels": [CHANNEL],
            "groups": [ALICE],
            "everyone": "tenant",
            "except": {"users": [user(1)], "groups": [user(2)]},
        }
    )

    request = read_request(everything, tenants=[TENANT], key="k", takes_names=True)

    assert request.body_hash == "adc4de06ec84d125977736f82e540dda5321811e7b5451a82129361e8853029a"
