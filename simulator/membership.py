"""The activities of coming and going: the app is installed or removed, members and teams change. Pure.

Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/subscribe-to-conversation-events.
"""

from datetime import datetime

from simulator.activities import Activity, Bot, account, base, team_data
from simulator.places import Channel, GroupChat, Person, Team


def personal_installation(bot: Bot, person: Person, action: str, *, id_: str, at: datetime) -> Activity:
    """`installationUpdate` of a personal app; `action` is add, remove, add-upgrade or remove-upgrade."""
    activity = base("installationUpdate", bot, person, person.conversation, person.tenant_id, id_=id_, at=at)
    return activity | {"action": action}


def personal_members_added(bot: Bot, person: Person, *, id_: str, at: datetime) -> Activity:
    """`conversationUpdate` of a personal install; its conversation names no tenant, as in the documented sample."""
    conversation = {"conversationType": "personal", "id": person.chat_id}
    activity = base("conversationUpdate", bot, person, conversation, person.tenant_id, id_=id_, at=at)
    return activity | {"membersAdded": [account(person), {"id": bot.id}]}


def team_installation(
    bot: Bot, person: Person, team: Team, channel: Channel, action: str, *, id_: str, at: datetime
) -> Activity:
    """`installationUpdate` of a team; on add the conversation is the selected channel."""
    activity = base("installationUpdate", bot, person, team.conversation(channel), team.tenant_id, id_=id_, at=at)
    activity["channelData"] |= team_data(team)
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
    activity = base("conversationUpdate", bot, person, team.conversation(general), team.tenant_id, id_=id_, at=at)
    activity["channelData"] |= team_data(team) | {"eventType": event_type}
    if channel is not None:
        activity["channelData"]["channel"] = {"id": channel.id, "name": channel.name}
    return activity | _members(team.members, added, removed)


def chat_installation(bot: Bot, person: Person, chat: GroupChat, action: str, *, id_: str, at: datetime) -> Activity:
    """`installationUpdate` of a group chat."""
    activity = base("installationUpdate", bot, person, chat.conversation, chat.tenant_id, id_=id_, at=at)
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
    activity = base("conversationUpdate", bot, person, chat.conversation, chat.tenant_id, id_=id_, at=at)
    return activity | _members(chat.members, added, removed)


def _members(roster: dict[str, Person], added: list[str] | None, removed: list[str] | None) -> Activity:
    accounts = {person.user_id: account(person) for person in roster.values()}
    changes: Activity = {}
    if added:
        changes["membersAdded"] = [accounts.get(each, {"id": each}) for each in added]
    if removed:
        changes["membersRemoved"] = [accounts.get(each, {"id": each}) for each in removed]
    return changes
