"""Whom a request is about: the user, team, chat or group that its path names, in the caller's own tenant."""

from simulator.graph.call import GraphCall, Holder
from simulator.graph.errors import no_such_object, not_found
from simulator.groups import Group
from simulator.places import GroupChat, Person, Team
from simulator.world import World


def person_of(world: World, call: GraphCall) -> Person:
    """The user, by object id or UPN."""
    key = call.params["user"]
    person = None if key.startswith("29:") else world.directory.person(key)
    if person is None or person.tenant_id != call.tenant_id:
        raise no_such_object(key)
    return person


def team_of(world: World, call: GraphCall) -> Team:
    """The team, by its group's id."""
    key = call.params["team"]
    team = world.directory.team_of(key)
    if team is None or team.tenant_id != call.tenant_id:
        raise not_found(f"No team found with Group Id {key}")
    return team


def chat_of(world: World, call: GraphCall) -> GroupChat:
    key = call.params["chat"]
    chat = world.directory.chats.get(key)
    if chat is None or chat.tenant_id != call.tenant_id:
        raise not_found(f"Chat '{key}' was not found.")
    return chat


def group_of(world: World, call: GraphCall) -> Group:
    key = call.params["group"]
    group = world.directory.group(key)
    if group is None or group.tenant_id != call.tenant_id:
        raise no_such_object(key)
    return group


def holder_of(world: World, call: GraphCall) -> Holder:
    """Who has, gets or loses the app."""
    if "user" in call.params:
        return person_of(world, call)
    return team_of(world, call) if "team" in call.params else chat_of(world, call)
