"""Conversation references: where Herald may speak, as one incoming activity tells it. Pure, over the raw JSON.

Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/subscribe-to-conversation-events

Which row an activity writes:
- in a personal chat `user!<object id>`, in a group chat `chat!<id>`;
- in a channel `channel!<id>` of that channel; a thread belongs to its channel;
- about a team as a whole (installed, removed, renamed, deleted, members) `channel!<team id>`: a team means its General
  channel, whose id is the team's, so this one row says both that the team has the app and where to speak. The
  channel that was selected at the installation gets its row from its own first activity.

How it writes: an event that tells whether the bot may speak is a *state change*; it carries Teams' timestamp and never
overwrites a newer one. Everything else is merged blindly, without `state`. What a person does in a place proves that
the bot is there, though: such an activity sets `seen_at`, and a reference whose `seen_at` lies behind its removal is
active again (`reference_of`). So no order of arrival loses a removal, and no message needs a read; who reads a row
otherwise than by `reference_of` must apply that rule as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

from shared.domain.activities import (
    Activity,
    conversation_of,
    event_of,
    ids_in,
    member_of,
    object_at,
    objects_at,
    scope_of,
    tenant_of,
    text_at,
    timestamp_of,
)
from shared.domain.recipients import OBJECT_ID, RecipientKind, recipient_key

Values = Mapping[str, Any]


class ReferenceState(StrEnum):
    """Whether Herald may speak there."""

    ACTIVE = "active"
    UNINSTALLED = "uninstalled"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A conversation reference as Herald keeps it; what is not known is empty. Never names, never texts."""

    conversation: str = ""
    service_url: str = ""
    member: str = ""
    """The person's 29: id, in personal chats alone, like `locale` and `time_zone` (IANA)."""
    bot: str = ""
    state: ReferenceState = ReferenceState.ACTIVE
    locale: str = ""
    time_zone: str = ""
    team: str = ""
    group: str = ""
    """The Entra group of the team."""
    channel: str = ""
    changed_at: str = ""
    """When the state last changed, by Teams' clock: ISO 8601 in UTC with microseconds, so that texts compare."""
    seen_at: str = ""
    """When a person last did something there, installing included, in the same form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceChange:
    """What one activity changes: the named properties of one row, and whether that is a state change."""

    tenant: str
    key: str
    values: Values
    is_state_change: bool


PROPERTIES = tuple(field.name for field in fields(Reference))
REMOVED, ADDED = ReferenceState.UNINSTALLED, ReferenceState.ACTIVE
BY_A_PERSON = frozenset({"message", "messagereaction", "messageupdate", "invoke"})
ABOUT_A_CHANNEL = frozenset({"channelcreated", "channelrenamed", "channeldeleted", "channelrestored"})
# Other upgrades of the app send nothing; these two say that the bot itself came or went with one.
BY_ACTION = {"add": ADDED, "add-upgrade": ADDED, "remove": REMOVED, "remove-upgrade": REMOVED}
# An archived team keeps its app, and its refusals are an answer to a send: archiving changes no state here.
BY_EVENT = {
    "channelcreated": ADDED,
    "channelrestored": ADDED,
    "channeldeleted": REMOVED,
    "teamrestored": ADDED,
    "teamdeleted": REMOVED,
    "teamharddeleted": REMOVED,
}


def reference_of(values: Values) -> Reference:
    """Read a stored row. A place in which a person acted after a removal or a block has the bot again."""
    known = {name: values[name] for name in PROPERTIES if name in values}
    reference = Reference(**{**known, "state": ReferenceState(values.get("state", ReferenceState.ACTIVE))})
    if reference.state is not ADDED and reference.seen_at > reference.changed_at:
        return replace(reference, state=ADDED)
    return reference


def values_of(reference: Reference) -> dict[str, str]:
    """The properties of a row, without those that are not known."""
    return {name: str(value) for name in PROPERTIES if (value := getattr(reference, name))}


def decide_change(stored: Values | None, change: ReferenceChange) -> Values | None:
    """What a state change writes over the stored row; None where a newer state stands there already."""
    if stored is not None and stored.get("changed_at", "") > change.values.get("changed_at", ""):
        return None
    seen_at = max((stored or {}).get("seen_at", ""), change.values.get("seen_at", ""))
    return {**change.values, **({"seen_at": seen_at} if seen_at else {})}


def reference_from_activity(activity: Activity) -> ReferenceChange | None:
    """Tell which row of Conversations an activity changes and how; None where there is nothing to keep."""
    kind = text_at(activity, "type").lower()
    if kind not in BY_A_PERSON and kind not in ("installationupdate", "conversationupdate"):
        return None
    place = _PLACES.get(scope_of(activity))
    found = place(activity) if place is not None else None
    if found is None:
        return None
    key, reference = found
    state, at = _state_told_by(activity), timestamp_of(activity)
    values = values_of(reference)
    del values["state"]
    if state is not None:
        values |= {"state": state.value, **({"changed_at": at} if at else {})}
    if at and (kind in BY_A_PERSON or state is ADDED):
        values["seen_at"] = at
    return ReferenceChange(tenant=tenant_of(activity), key=key, values=values, is_state_change=state is not None)


def _state_told_by(activity: Activity) -> ReferenceState | None:
    """The state that an event announces; None for everything else."""
    kind = text_at(activity, "type").lower()
    if kind == "installationupdate":
        return BY_ACTION.get(text_at(activity, "action").lower())
    if kind != "conversationupdate":
        return None
    # In a personal chat the person's own removal ends it too: so Teams reports a user deleted from the tenant.
    personal = scope_of(activity) == "personal"
    own = {text_at(object_at(activity, "recipient"), "id")} | ({member_of(activity)[0]} if personal else set())
    if not own.isdisjoint(ids_in(activity, "membersRemoved")):
        return REMOVED
    if text_at(object_at(activity, "recipient"), "id") in ids_in(activity, "membersAdded"):
        return ADDED
    return BY_EVENT.get(event_of(activity))


def _in_person(activity: Activity) -> tuple[str, Reference] | None:
    member, object_id = member_of(activity)
    if not OBJECT_ID.fullmatch(object_id):
        return None
    info = next((each for each in objects_at(activity, "entities") if text_at(each, "type") == "clientInfo"), {})
    reference = replace(
        _anywhere(activity),
        conversation=conversation_of(activity),
        member=member,
        locale=text_at(activity, "locale") or text_at(info, "locale"),
        time_zone=text_at(info, "timezone") or text_at(activity, "localTimezone"),
    )
    return recipient_key(RecipientKind.USER, object_id), reference


def _in_chat(activity: Activity) -> tuple[str, Reference] | None:
    conversation = conversation_of(activity)
    reference = replace(_anywhere(activity), conversation=conversation)
    return (recipient_key(RecipientKind.CHAT, conversation), reference) if conversation else None


def _in_team(activity: Activity) -> tuple[str, Reference] | None:
    team = object_at(activity, "channelData", "team")
    channel = text_at(object_at(activity, "channelData", "channel"), "id")
    of_a_channel = text_at(activity, "type").lower() in BY_A_PERSON or event_of(activity) in ABOUT_A_CHANNEL
    place = (channel if of_a_channel else text_at(team, "id")) or conversation_of(activity)
    reference = replace(
        _anywhere(activity),
        conversation=place,
        channel=place,
        team=text_at(team, "id"),
        group=text_at(team, "aadGroupId"),
    )
    return (recipient_key(RecipientKind.CHANNEL, place), reference) if place else None


_PLACES = {"personal": _in_person, "groupchat": _in_chat, "channel": _in_team}


def _anywhere(activity: Activity) -> Reference:
    return Reference(service_url=text_at(activity, "serviceUrl"), bot=text_at(object_at(activity, "recipient"), "id"))
