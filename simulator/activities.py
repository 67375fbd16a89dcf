"""The activities Teams posts to a bot, with every datum where the real ones have it. Pure: ids and time are given.

Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/subscribe-to-conversation-events.
Install events carry a locale but no time zone; what a person does carries both.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from simulator.places import Channel, GroupChat, Person, Place, Team

Activity = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """The bot as activities name it."""

    id: str
    name: str
    service_url: str


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _account(person: Person) -> dict[str, Any]:
    return {"id": person.user_id, "aadObjectId": person.object_id}


def _base(
    kind: str, bot: Bot, person: Person, conversation: dict[str, Any], tenant_id: str, *, id_: str, at: datetime
) -> Activity:
    return {
        "type": kind,
        "id": id_,
        "timestamp": _stamp(at),
        "serviceUrl": bot.service_url,
        "channelId": "msteams",
        "from": _account(person),
        "conversation": conversation,
        "recipient": {"id": bot.id, "name": bot.name},
        "channelData": {"tenant": {"id": tenant_id}},
        "locale": person.locale,
        "entities": [_client_info(person)],
    }


def _client_info(person: Person) -> dict[str, Any]:
    return {
        "type": "clientInfo",
        "locale": person.locale,
        "country": person.locale.rpartition("-")[2],
        "platform": "Web",
    }


def _by_a_person(
    kind: str, bot: Bot, person: Person, place: Place, conversation_id: str, *, id_: str, at: datetime
) -> Activity:
    """An activity that a person makes in an app of Teams: it carries the name and the time zone."""
    conversation = {**_conversation(place), "id": conversation_id}
    activity = _base(kind, bot, person, conversation, place.tenant_id, id_=id_, at=at)
    activity["from"]["name"] = person.name
    activity["localTimezone"] = person.zone
    activity["localTimestamp"] = at.astimezone(ZoneInfo(person.zone)).isoformat(timespec="milliseconds")
    activity["entities"][0]["timezone"] = person.zone
    if place.team is not None and place.channel is not None:
        activity["channelData"] |= _team_data(place.team) | {"channel": {"id": place.channel.id}}
    return activity


def _conversation(place: Place) -> dict[str, Any]:
    if place.person is not None:
        return place.person.conversation
    if place.team is not None and place.channel is not None:
        return place.team.conversation(place.channel)
    return place.chat.conversation if place.chat is not None else {}


def _team_data(team: Team) -> dict[str, Any]:
    return {"team": {"id": team.id, "name": team.name, "aadGroupId": team.group_id}}


def personal_installation(bot: Bot, person: Person, action: str, *, id_: str, at: datetime) -> Activity:
    """`installationUpdate` of a personal app; `action` is add, remove, add-upgrade or remove-upgrade."""
    activity = _base("installationUpdate", bot, person, person.conversation, person.tenant_id, id_=id_, at=at)
    return activity | {"action": action}


def personal_members_added(bot: Bot, person: Person, *, id_: str, at: datetime) -> Activity:
    """`conversationUpdate` of a personal install; its conversation names no tenant, as in the documented sample."""
    conversation = {"conversationType": "personal", "id": person.chat_id}
    activity = _base("conversationUpdate", bot, person, conversation, person.tenant_id, id_=id_, at=at)
    return activity | {"membersAdded": [_account(person), {"id": bot.id}]}


def team_installation(
    bot: Bot, person: Person, team: Team, channel: Channel, action: str, *, id_: str, at: datetime
) -> Activity:
    """`installationUpdate` of a team; on add the conversation is the selected channel."""
    activity = _base("installationUpdate", bot, person, team.conversation(channel), team.tenant_id, id_=id_, at=at)
    activity["channelData"] |= _team_data(team)
    if action.startswith("add"):
        activity["channelData"]["settings"] = {"selectedChannel": {"id": channel.id}}
    return activity | {"action": action}


def team_event(
    bot: Bot,
    person: Person,
    team: Team,
    event_type: str,
    *,
    id_: str,
    at: datetime,
    added: list[str] | None = None,
    removed: list[str] | None = None,
    channel: Channel | None = None,
) -> Activity:
    """`conversationUpdate` of a team; `added` and `removed` are 28: or 29: ids."""
    general = team.channels[0]
    activity = _base("conversationUpdate", bot, person, team.conversation(general), team.tenant_id, id_=id_, at=at)
    activity["channelData"] |= _team_data(team) | {"eventType": event_type}
    if channel is not None:
        activity["channelData"]["channel"] = {"id": channel.id, "name": channel.name}
    return activity | _members(team.members, added, removed)


def chat_installation(bot: Bot, person: Person, chat: GroupChat, action: str, *, id_: str, at: datetime) -> Activity:
    """`installationUpdate` of a group chat."""
    activity = _base("installationUpdate", bot, person, chat.conversation, chat.tenant_id, id_=id_, at=at)
    return activity | {"action": action}


def chat_members(
    bot: Bot,
    person: Person,
    chat: GroupChat,
    *,
    id_: str,
    at: datetime,
    added: list[str] | None = None,
    removed: list[str] | None = None,
) -> Activity:
    """`conversationUpdate` of a group chat's members."""
    activity = _base("conversationUpdate", bot, person, chat.conversation, chat.tenant_id, id_=id_, at=at)
    return activity | _members(chat.members, added, removed)


def _members(roster: dict[str, Person], added: list[str] | None, removed: list[str] | None) -> Activity:
    accounts = {person.user_id: _account(person) for person in roster.values()}
    changes: Activity = {}
    if added:
        changes["membersAdded"] = [accounts.get(each, {"id": each}) for each in added]
    if removed:
        changes["membersRemoved"] = [accounts.get(each, {"id": each}) for each in removed]
    return changes


def message(
    bot: Bot,
    person: Person,
    place: Place,
    conversation_id: str,
    *,
    id_: str,
    at: datetime,
    text: str | None = None,
    value: Any = None,
    reply_to: str | None = None,
) -> Activity:
    """`message`: what a person typed, or the `value` of a card's Action.Submit. Groups mention the bot."""
    activity = _by_a_person("message", bot, person, place, conversation_id, id_=id_, at=at)
    if text is not None:
        mention = f"<at>{bot.name}</at>"
        if place.person is None:
            text = f"{mention} {text}"
            mentioned = {"id": bot.id, "name": bot.name}
            activity["entities"].append({"type": "mention", "mentioned": mentioned, "text": mention})
        activity |= {"text": text, "textFormat": "plain"}
    if value is not None:
        activity["value"] = value
    return activity | ({"replyToId": reply_to} if reply_to else {})


def reaction(
    bot: Bot,
    person: Person,
    place: Place,
    conversation_id: str,
    *,
    id_: str,
    at: datetime,
    reply_to: str,
    added: str | None = None,
    removed: str | None = None,
) -> Activity:
    """`messageReaction` to a message of the bot: `like`, `heart`, `laugh`, `surprised`, `sad` or `angry`."""
    activity = _by_a_person("messageReaction", bot, person, place, conversation_id, id_=id_, at=at)
    activity["replyToId"] = reply_to
    if added:
        activity["reactionsAdded"] = [{"type": added}]
    if removed:
        activity["reactionsRemoved"] = [{"type": removed}]
    return activity


def invoke(
    bot: Bot,
    person: Person,
    place: Place,
    conversation_id: str,
    *,
    id_: str,
    at: datetime,
    name: str,
    value: Any,
    reply_to: str | None = None,
) -> Activity:
    """`invoke`, such as `adaptiveCard/action` of a card's Action.Execute."""
    activity = _by_a_person("invoke", bot, person, place, conversation_id, id_=id_, at=at)
    return activity | {"name": name, "value": value} | ({"replyToId": reply_to} if reply_to else {})
