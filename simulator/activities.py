"""The activities Teams posts to a bot, with every datum where the real ones have it. Pure: ids and time are given.

Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/subscribe-to-conversation-events.
What a person does carries a locale and a time zone; events of installation (`membership`) carry the locale only.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from simulator.places import Person, Place, Team

Activity = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bot:
    """The bot as activities name it."""

    id: str
    name: str
    service_url: str


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def account(person: Person) -> dict[str, Any]:
    """A person as activities name one."""
    return {"id": person.user_id, "aadObjectId": person.object_id}


def base(
    kind: str, bot: Bot, person: Person, conversation: dict[str, Any], tenant_id: str, *, id_: str, at: datetime
) -> Activity:
    """What every activity has."""
    return {
        "type": kind,
        "id": id_,
        "timestamp": _stamp(at),
        "serviceUrl": bot.service_url,
        "channelId": "msteams",
        "from": account(person),
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
    activity = base(kind, bot, person, conversation, place.tenant_id, id_=id_, at=at)
    activity["from"]["name"] = person.name
    activity["localTimezone"] = person.zone
    activity["localTimestamp"] = at.astimezone(ZoneInfo(person.zone)).isoformat(timespec="milliseconds")
    activity["entities"][0]["timezone"] = person.zone
    if place.team is not None and place.channel is not None:
        activity["channelData"] |= team_data(place.team) | {"channel": {"id": place.channel.id}}
    return activity


def _conversation(place: Place) -> dict[str, Any]:
    if place.person is not None:
        return place.person.conversation
    if place.team is not None and place.channel is not None:
        return place.team.conversation(place.channel)
    return place.chat.conversation if place.chat is not None else {}


def team_data(team: Team) -> dict[str, Any]:
    """What `channelData` says about a team."""
    return {"team": {"id": team.id, "name": team.name, "aadGroupId": team.group_id}}


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
