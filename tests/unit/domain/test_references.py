"""Which row of Conversations an activity writes, how, and what stands there after several of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.activities import tenant_of, timestamp_of
from shared.domain.references import (
    Reference,
    ReferenceState,
    decide_change,
    reference_from_activity,
    reference_of,
    values_of,
)

TENANT = "0b7e6c52-94d1-4c7f-8f3a-61f0de2a9b84"
PERSON = "7f3c1c52-0a4d-4b58-9d8e-3d1f0a2b4c6d"
BOT = "28:5c1a9d3e-7b42-4f0e-9a61-2d8e0c4b7f15"
TEAM = "19:team@thread.tacv2"
NEWS = "19:news@thread.tacv2"
AT = "2026-11-21T10:00:00.1234567Z"
KEPT_AT = "2026-11-21T10:00:00.123456+00:00"
Json = dict[str, Any]


def an_activity(kind: str, scope: str, conversation: str, **more: Any) -> Json:
    """An activity by a person, with what all of them have."""
    return {
        "type": kind,
        "id": "f:1",
        "timestamp": AT,
        "serviceUrl": "https://smba.trafficmanager.net/emea/",
        "channelId": "msteams",
        "from": {"id": "29:ada", "name": "Ada Lovelace", "aadObjectId": PERSON.upper()},
        "conversation": {"conversationType": scope, "id": conversation, "tenantId": TENANT},
        "recipient": {"id": BOT, "name": "Herald"},
        "channelData": {"tenant": {"id": TENANT}},
        "locale": "de-DE",
        **more,
    }


def personal(kind: str, **more: Any) -> Json:
    return an_activity(kind, "personal", "a:chat", **more)


def in_team(kind: str, *, conversation: str = TEAM, event: str = "", channel: str = "", **more: Any) -> Json:
    """An activity of a team, with the data that Teams sends along."""
    data: Json = {"tenant": {"id": TENANT}, "team": {"id": TEAM, "name": "Lunch", "aadGroupId": "group-1"}}
    data |= {"eventType": event} if event else {}
    data |= {"channel": {"id": channel, "name": "News"}} if channel else {}
    return an_activity(kind, "channel", conversation, channelData=data, **more)


def group_chat(kind: str, **more: Any) -> Json:
    return an_activity(kind, "groupChat", "19:chat@thread.v2", **more)


USER, GENERAL, CHANNEL, CHAT = (
    f"user!{PERSON}",
    f"channel!{TEAM}",
    f"channel!{NEWS}",
    "chat!19:chat@thread.v2",
)
ADDED_BOT: Json = {"membersAdded": [{"id": BOT}]}
REMOVED_BOT: Json = {"membersRemoved": [{"id": BOT}]}
OTHER = {"id": "29:bob", "aadObjectId": "11111111-2222-3333-4444-555555555555"}

ROWS = [
    # The app is installed for a person, by hand or by Graph.
    (personal("installationUpdate", action="add"), USER, "active"),
    # An upgrade of the app brings the bot for the first time.
    (personal("installationUpdate", action="add-upgrade"), USER, "active"),
    # The person removes the app.
    (personal("installationUpdate", action="remove"), USER, "uninstalled"),
    # An upgrade of the app takes the bot away.
    (personal("installationUpdate", action="remove-upgrade"), USER, "uninstalled"),
    # Actions come in any letter case, and unknown ones change no state.
    (personal("installationUpdate", action="Remove"), USER, "uninstalled"),
    (personal("installationUpdate", action="refresh"), USER, None),
    # The other event of a personal installation names person and bot.
    (personal("conversationUpdate", membersAdded=[{"id": "29:ada"}, {"id": BOT}]), USER, "active"),
    # Teams took the bot out of the chat.
    (personal("conversationUpdate", **REMOVED_BOT), USER, "uninstalled"),
    # The person was deleted from the tenant.
    (personal("conversationUpdate", membersRemoved=[{"id": "29:ada"}]), USER, "uninstalled"),
    # What a person does is kept without a state.
    (personal("message", text="hello"), USER, None),
    (personal("messageReaction", reactionsAdded=[{"type": "like"}]), USER, None),
    (personal("messageUpdate", text="hello!"), USER, None),
    (personal("invoke", name="adaptiveCard/action"), USER, None),
    # A team is installed: its General channel can be addressed, whichever channel was selected.
    (in_team("installationUpdate", action="add"), GENERAL, "active"),
    (in_team("installationUpdate", action="add", conversation=NEWS), GENERAL, "active"),
    (in_team("conversationUpdate", event="teamMemberAdded", **ADDED_BOT), GENERAL, "active"),
    # The team removes the app.
    (in_team("installationUpdate", action="remove"), GENERAL, "uninstalled"),
    (in_team("conversationUpdate", event="teamMemberRemoved", **REMOVED_BOT), GENERAL, "uninstalled"),
    # Other members come and go.
    (in_team("conversationUpdate", event="teamMemberAdded", membersAdded=[OTHER]), GENERAL, None),
    (in_team("conversationUpdate", event="teamMemberRemoved", membersRemoved=[OTHER]), GENERAL, None),
    # Even the person who causes the event may leave a team; the bot stays.
    (in_team("conversationUpdate", event="teamMemberRemoved", membersRemoved=[{"id": "29:ada"}]), GENERAL, None),
    # The team's own fate.
    (in_team("conversationUpdate", event="teamRenamed"), GENERAL, None),
    (in_team("conversationUpdate", event="teamArchived"), GENERAL, None),
    (in_team("conversationUpdate", event="teamUnarchived"), GENERAL, None),
    (in_team("conversationUpdate", event="teamDeleted"), GENERAL, "uninstalled"),
    (in_team("conversationUpdate", event="teamHardDeleted"), GENERAL, "uninstalled"),
    # The page prints this one in lower case.
    (in_team("conversationUpdate", event="teamrestored"), GENERAL, "active"),
    # A channel's fate concerns its own row, though the conversation is the team's.
    (in_team("conversationUpdate", event="channelCreated", channel=NEWS), CHANNEL, "active"),
    (in_team("conversationUpdate", event="channelRenamed", channel=NEWS), CHANNEL, None),
    (in_team("conversationUpdate", event="channelDeleted", channel=NEWS), CHANNEL, "uninstalled"),
    (in_team("conversationUpdate", event="channelRestored", channel=NEWS), CHANNEL, "active"),
    # An event that did not exist when this was written.
    (in_team("conversationUpdate", event="teamTeleported"), GENERAL, None),
    # A message in a thread belongs to its channel.
    (in_team("message", conversation=f"{NEWS};messageid=17", channel=NEWS), CHANNEL, None),
    (in_team("message", conversation=f"{NEWS};messageid=17"), CHANNEL, None),
    # The General channel's id is its team's.
    (in_team("message", conversation=f"{TEAM};messageid=17", channel=TEAM), GENERAL, None),
    # Group chats know a subset of it all.
    (group_chat("installationUpdate", action="add"), CHAT, "active"),
    (group_chat("conversationUpdate", **ADDED_BOT), CHAT, "active"),
    (group_chat("conversationUpdate", **REMOVED_BOT), CHAT, "uninstalled"),
    (group_chat("conversationUpdate", membersRemoved=[OTHER]), CHAT, None),
    (group_chat("message", text="hello"), CHAT, None),
]


@pytest.mark.parametrize(("activity", "key", "state"), ROWS)
def test_activity_writes_one_row_and_only_state_changes_write_the_state(
    activity: Json, key: str, state: str | None
) -> None:
    change = reference_from_activity(activity)

    assert change is not None
    assert (change.tenant, change.key) == (TENANT, key)
    assert change.values.get("state") == state
    assert change.values.get("changed_at") == (KEPT_AT if state else None)
    assert change.is_state_change is (state is not None)


NOTHING = [
    # A person without an Entra object id cannot be found again.
    personal("message", **{"from": {"id": "29:ada"}}),
    # An object id that is none.
    personal("message", **{"from": {"id": "29:ada", "aadObjectId": "ada"}}),
    # Kinds of activities that tell nothing about the place, or that are not known.
    personal("typing"),
    personal("event", name="application/vnd.microsoft.readReceipt"),
    personal("somethingNew"),
    # A kind of conversation that is not known.
    an_activity("message", "hologram", "a:chat"),
    # Fields of another kind than they should be.
    {"type": "message", "conversation": [], "from": "ada", "channelData": None},
    {"type": 5},
    {},
]


@pytest.mark.parametrize("activity", NOTHING)
def test_activity_without_a_place_to_speak_keeps_nothing(activity: Json) -> None:
    assert reference_from_activity(activity) is None


def test_personal_row_holds_what_a_sender_and_a_schedule_need() -> None:
    change = reference_from_activity(
        personal("message", entities=[{"type": "clientInfo", "timezone": "Europe/Berlin"}], localTimezone="UTC")
    )

    assert change is not None
    assert change.values == {
        "conversation": "a:chat",
        "service_url": "https://smba.trafficmanager.net/emea/",
        "member": "29:ada",
        "bot": BOT,
        "locale": "de-DE",
        "time_zone": "Europe/Berlin",
        "seen_at": KEPT_AT,
    }


def test_channel_row_names_its_team_and_nobody() -> None:
    change = reference_from_activity(in_team("message", conversation=f"{NEWS};messageid=17", channel=NEWS))

    assert change is not None
    assert change.values == {
        "conversation": NEWS,
        "channel": NEWS,
        "team": TEAM,
        "group": "group-1",
        "service_url": "https://smba.trafficmanager.net/emea/",
        "bot": BOT,
        "seen_at": KEPT_AT,
    }


def test_installed_team_is_addressed_by_its_general_channel() -> None:
    change = reference_from_activity(in_team("installationUpdate", action="add", conversation=NEWS))

    assert change is not None
    assert (change.key, change.values["conversation"], change.values["group"]) == (GENERAL, TEAM, "group-1")


def test_locale_and_zone_fall_back_to_the_other_place_they_stand_in() -> None:
    activity = personal("message", entities=[{"type": "clientInfo", "locale": "fr-FR"}], localTimezone="Europe/Paris")
    del activity["locale"]

    change = reference_from_activity(activity)

    assert change is not None
    assert (change.values["locale"], change.values["time_zone"]) == ("fr-FR", "Europe/Paris")


def test_installation_without_a_zone_leaves_a_known_zone_alone() -> None:
    change = reference_from_activity(personal("installationUpdate", action="add"))

    assert change is not None
    assert "time_zone" not in change.values


def test_person_is_found_among_the_members_when_the_sender_has_no_object_id() -> None:
    members = [{"id": BOT}, {"id": "29:ada", "aadObjectId": PERSON}]

    change = reference_from_activity(personal("conversationUpdate", membersAdded=members, **{"from": {"id": "29:x"}}))

    assert change is not None
    assert (change.key, change.values["member"]) == (USER, "29:ada")


def test_bot_is_never_taken_for_the_person() -> None:
    sender = {"id": BOT, "aadObjectId": "99999999-9999-9999-9999-999999999999"}

    assert reference_from_activity(personal("conversationUpdate", **{"from": sender})) is None


def test_tenant_is_read_from_either_place() -> None:
    activity = personal("message")
    del activity["conversation"]["tenantId"]

    assert tenant_of(activity) == TENANT
    assert tenant_of({"conversation": {"tenantId": TENANT.upper()}}) == TENANT
    assert tenant_of({}) == ""


TIMESTAMPS = [
    # Teams writes three to seven digits; texts of one length compare like the moments.
    ("2026-11-21T10:00:00.1234567Z", KEPT_AT),
    ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00.000000+00:00"),
    # Another offset is the same clock.
    ("2026-11-21T12:00:00.123456+02:00", KEPT_AT),
    # Without an offset it tells no moment.
    ("2026-11-21T10:00:00", ""),
    ("yesterday", ""),
    ("0001-01-01T00:00:00+14:00", ""),
]


@pytest.mark.parametrize(("given_at", "kept_at"), TIMESTAMPS)
def test_timestamps_are_kept_in_one_form(given_at: str, kept_at: str) -> None:
    assert timestamp_of({"timestamp": given_at}) == kept_at


def at(second: int, activity: Json) -> Json:
    return {**activity, "timestamp": f"2026-11-21T10:00:{second:02}.000Z"}


def after(*activities: Json) -> Reference:
    """The row that stands after these activities, in the order of their arrival."""
    row: Json | None = None
    for activity in activities:
        change = reference_from_activity(activity)
        assert change is not None
        written = decide_change(row, change) if change.is_state_change else change.values
        row = {**(row or {}), **written} if written is not None else row
    return reference_of(row or {})


INSTALL, UNINSTALL = personal("installationUpdate", action="add"), personal("installationUpdate", action="remove")
MESSAGE = personal("message", text="hello")


@given(st.permutations([at(1, INSTALL), at(2, UNINSTALL), at(3, INSTALL), at(4, UNINSTALL)]))
def test_newest_state_stands_whatever_the_order_of_arrival(order: list[Json]) -> None:
    assert after(*order).state is ReferenceState.UNINSTALLED


@given(st.permutations([at(1, INSTALL), at(2, UNINSTALL), at(3, MESSAGE)]))
def test_message_after_a_removal_proves_that_the_bot_is_back(order: list[Json]) -> None:
    assert after(*order).state is ReferenceState.ACTIVE


@given(st.permutations([at(1, INSTALL), at(2, MESSAGE), at(3, UNINSTALL)]))
def test_message_revives_nothing_that_was_removed_later(order: list[Json]) -> None:
    assert after(*order).state is ReferenceState.UNINSTALLED


@given(st.lists(st.sampled_from([at(1, INSTALL), at(2, UNINSTALL), at(3, INSTALL), at(4, MESSAGE)]), min_size=1))
def test_same_activity_twice_leaves_the_same_row(activities: list[Json]) -> None:
    assert after(*activities, activities[-1]) == after(*activities)


def test_news_about_a_removed_team_does_not_revive_it() -> None:
    removed = in_team("installationUpdate", action="remove")
    trailing = in_team("conversationUpdate", event="teamMemberRemoved", membersRemoved=[OTHER])

    assert after(at(1, removed), at(2, trailing)).state is ReferenceState.UNINSTALLED


def test_writing_to_a_blocked_bot_unblocks_it() -> None:
    blocked = values_of(Reference(state=ReferenceState.BLOCKED, changed_at=timestamp_of(at(1, MESSAGE))))

    assert reference_of(blocked).state is ReferenceState.BLOCKED
    assert reference_of({**blocked, "seen_at": timestamp_of(at(2, MESSAGE))}).state is ReferenceState.ACTIVE


def test_reference_survives_its_row() -> None:
    reference = Reference(conversation="a:chat", member="29:ada", state=ReferenceState.UNINSTALLED, changed_at=KEPT_AT)

    assert reference_of(values_of(reference)) == reference
