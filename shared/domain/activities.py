"""An incoming activity as Teams posts it, read from its raw JSON: where things stand in it, and nothing more. Pure.

Whatever is absent or of another kind than it should be reads as empty, because new activities come at any time.
Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/subscribe-to-conversation-events
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Activity = Mapping[str, Any]


def tenant_of(activity: Activity) -> str:
    """The activity's tenant in lower case, empty where it names none."""
    named = text_at(object_at(activity, "conversation"), "tenantId")
    return (named or text_at(object_at(activity, "channelData", "tenant"), "id")).lower()


def scope_of(activity: Activity) -> str:
    """`personal`, `groupchat` or `channel`."""
    return text_at(object_at(activity, "conversation"), "conversationType").lower()


def conversation_of(activity: Activity) -> str:
    """The conversation's id; that of a thread without its message, which leaves the channel's."""
    return text_at(object_at(activity, "conversation"), "id").partition(";messageid=")[0]


def event_of(activity: Activity) -> str:
    """What happened to a team or channel, in lower case: the page itself prints one of them so."""
    return text_at(object_at(activity, "channelData"), "eventType").lower()


def member_of(activity: Activity) -> tuple[str, str]:
    """The person's 29: id and object id: the sender's, else those of a member who was added or removed."""
    bot = text_at(object_at(activity, "recipient"), "id")
    accounts = [
        object_at(activity, "from"),
        *objects_at(activity, "membersAdded"),
        *objects_at(activity, "membersRemoved"),
    ]
    for account in accounts:
        if text_at(account, "aadObjectId") and text_at(account, "id") != bot:
            return text_at(account, "id"), text_at(account, "aadObjectId").lower()
    return "", ""


def timestamp(at: float) -> str:
    """An instant (seconds since the epoch) in the form of `timestamp_of`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


def timestamp_of(activity: Activity) -> str:
    """Teams' timestamp in UTC with microseconds; empty, and so older than any other, where there is none."""
    try:
        at = datetime.fromisoformat(text_at(activity, "timestamp"))
        return at.astimezone(UTC).isoformat(timespec="microseconds") if at.tzinfo else ""
    except (ValueError, OverflowError):
        return ""


def object_at(activity: Activity, *names: str) -> Activity:
    """The object at a path of names."""
    for name in names:
        found = activity.get(name)
        if not isinstance(found, dict):
            return {}
        activity = found
    return activity


def objects_at(activity: Activity, name: str) -> list[Activity]:
    """The objects of a list."""
    found = activity.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def ids_in(activity: Activity, name: str) -> set[str]:
    """The ids of a list of accounts."""
    return {text_at(account, "id") for account in objects_at(activity, name)} - {""}


def text_at(found: Activity, name: str) -> str:
    """The text of this name."""
    value = found.get(name)
    return value if isinstance(value, str) else ""
