"""Conversations of the Connector: create, send, reply, update and delete."""

import time
from dataclasses import dataclass
from typing import Any

from simulator.access import accessible_place, require_access
from simulator.calls import Answer, Call
from simulator.payload import check_activity, check_size, content_of, is_split
from simulator.places import Person, Place
from simulator.refusals import Refusal
from simulator.world import World


@dataclass(frozen=True, slots=True)
class Spot:
    """One message's place; its id is None where Teams gave none."""

    place: Place
    conversation_id: str
    activity_id: str | None


def create(world: World, call: Call) -> Answer:
    """`POST /v3/conversations`: the 1:1 chat with a person, or a new thread in a channel."""
    check_size(call.raw)
    body = call.body()
    bot = body.get("bot")
    if bot is not None and (not isinstance(bot, dict) or bot.get("id") not in (world.config.bot_id, None)):
        raise Refusal("Bad Argument", "'bot.id' is not the caller's.")
    if call.tenant_id not in world.config.tenants:
        raise Refusal("ForbiddenOperationException", "The tenant is not known.")
    if body.get("isGroup"):
        return _create_thread(world, call, body)
    members = body.get("members")
    if not isinstance(members, list) or len(members) != 1 or not isinstance(members[0], dict):
        raise Refusal("Bad Argument", "A 1:1 conversation needs exactly one member.")
    if not _names_tenant(body):
        raise Refusal("Bad Argument", "'channelData.tenant.id' is missing.")
    person = _admissible(world, call, str(members[0].get("id")))
    person.open_chat()
    return Answer(201, {"id": person.chat_id})


def _names_tenant(body: dict[str, Any]) -> bool:
    channel_data = body.get("channelData")
    tenant = channel_data.get("tenant") if isinstance(channel_data, dict) else None
    return bool(tenant.get("id") if isinstance(tenant, dict) else body.get("tenantId"))


def _admissible(world: World, call: Call, member_id: str) -> Person:
    """The person, if the bot may open a chat: a 29: id also works by way of a team, an object id only by install."""
    if "@" in member_id:
        raise Refusal("Bad Argument", "A UPN or an e-mail address is not accepted as a member's id.")
    person = call.person
    if person is None and member_id.startswith("29:"):
        raise Refusal("Bad Argument", "The member's id is not valid.")
    if person is None or person.tenant_id != call.tenant_id:
        raise Refusal("ForbiddenOperationException")
    if person.installed:
        return person
    if not member_id.startswith("29:"):
        raise Refusal("ForbiddenOperationException")
    if not world.directory.shares_team(person):
        raise Refusal("BotNotInConversationRoster")
    return person


def _create_thread(world: World, call: Call, body: dict[str, Any]) -> Answer:
    channel_data = body.get("channelData")
    if not isinstance(channel_data, dict) or not isinstance(channel_data.get("channel"), dict):
        raise Refusal(
            "Bad Argument", "A group conversation needs 'channelData.channel.id'; group chats cannot be made."
        )
    if call.place is None or call.place.channel is None:
        raise Refusal("ConversationNotFound")
    activity = body.get("activity")
    check_activity(activity)
    require_access(world, call.place)
    activity_id = world.ids.next()
    conversation_id = f"{call.place.key};messageid={activity_id}"
    _deliver(world, Spot(call.place, conversation_id, activity_id), body["activity"])
    return Answer(201, {"id": conversation_id, "activityId": activity_id})


def send(world: World, call: Call) -> Answer:
    """`POST .../activities` and the reply to an activity: 201 and the id, or no id where Teams splits the message."""
    check_size(call.raw)
    activity = call.body()
    place = accessible_place(world, call)
    check_activity(activity)
    if activity["type"] == "typing":
        return Answer(202, {})
    if is_split(activity):
        world.ledger.count("split")
        _deliver(world, Spot(place, call.conversation, None), activity)
        return Answer(201, {})
    activity_id = world.ids.next()
    _deliver(world, Spot(place, call.conversation, activity_id), activity)
    return Answer(201, {"id": activity_id})


def update(world: World, call: Call) -> Answer:
    """`PUT .../activities/{id}`."""
    check_size(call.raw)
    activity = call.body()
    place = accessible_place(world, call)
    activity_id = _require_posted(world, call, place)
    check_activity(activity)
    _record(world, "updated", Spot(place, call.conversation, activity_id), activity)
    return Answer(200, {"id": activity_id})


def delete(world: World, call: Call) -> Answer:
    """`DELETE .../activities/{id}`."""
    place = accessible_place(world, call)
    activity_id = _require_posted(world, call, place)
    world.posted.discard((place.key, activity_id))
    _record(world, "deleted", Spot(place, call.conversation, activity_id), {})
    return Answer(200)


def _require_posted(world: World, call: Call, place: Place) -> str:
    activity_id = call.path["activity"]
    if (place.key, activity_id) not in world.posted:
        raise Refusal("ActivityNotFoundInConversation")
    return activity_id


def _deliver(world: World, spot: Spot, activity: dict[str, Any]) -> None:
    if spot.activity_id is not None:
        world.posted.add((spot.place.key, spot.activity_id))
    _record(world, "sent", spot, activity)


def _record(world: World, event: str, spot: Spot, activity: dict[str, Any]) -> None:
    content, text = content_of(activity)
    person = spot.place.person
    world.ledger.record(
        event,
        at=time.time(),
        monotonic=time.monotonic(),
        tenant=spot.place.tenant_id,
        person=person.object_id if person is not None else None,
        conversation=spot.conversation_id,
        activity_id=spot.activity_id,
        content=content,
        text=text,
        attachments=activity.get("attachments") or (),
    )
