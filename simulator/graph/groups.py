"""Groups and all their members, by way of groups inside groups.

Sources: https://learn.microsoft.com/graph/api/group-get and .../group-list-transitivemembers.
"""

from typing import Any

from simulator.calls import Answer
from simulator.graph.call import GraphCall
from simulator.graph.errors import GraphError
from simulator.graph.holders import group_of
from simulator.graph.lists import counted, listed
from simulator.graph.query import select
from simulator.graph.roles import USERS
from simulator.graph.users import KIND as USER_KIND
from simulator.graph.users import OPTIONS, resource_of
from simulator.graph.users import USUAL as USER_USUAL
from simulator.groups import Group, everybody_in, groups_below
from simulator.places import Person
from simulator.world import World

KIND = "microsoft.graph.group"
USUAL = ("id", "description", "displayName", "groupTypes", "mailEnabled", "securityEnabled", "visibility")
MEMBER_OPTIONS = OPTIONS - {"$filter"}


def group_resource(group: Group) -> dict[str, Any]:
    """Every property of a group that can be selected."""
    return {
        "id": group.id,
        "description": None,
        "displayName": group.name,
        "groupTypes": ["Unified"] if group.unified else [],
        "mailEnabled": group.unified,
        "securityEnabled": not group.unified,
        "visibility": "Private",
    }


def group(world: World, call: GraphCall) -> Answer:
    """`GET /groups/{id}`, with `$select`; a team's group is one too."""
    resource = select(group_resource(group_of(world, call)), call.query.get("$select"), USUAL, KIND)
    return Answer(200, {"@odata.context": f"{world.login_url}/v1.0/$metadata#groups/$entity", **resource})


def members(world: World, call: GraphCall) -> Answer:
    """`GET /groups/{id}/transitiveMembers`: people and groups, told apart by `@odata.type`."""
    return _members(world, call, lambda: _all(world, call), context="directoryObjects")


def users(world: World, call: GraphCall) -> Answer:
    """The same with a cast to users, which is an advanced query."""
    if not call.advanced or call.query.get("$count") != "true":
        text = "This query needs the header 'ConsistencyLevel: eventual' and '$count=true'."
        raise GraphError(400, "Request_UnsupportedQuery", text)
    return _members(world, call, lambda: _people(world, call), context="users")


def count(world: World, call: GraphCall) -> Answer:
    """`GET /groups/{id}/transitiveMembers/$count`."""
    return counted(call, lambda: _all(world, call))


def users_count(world: World, call: GraphCall) -> Answer:
    """`GET /groups/{id}/transitiveMembers/microsoft.graph.user/$count`."""
    return counted(call, lambda: _people(world, call))


def _members(world: World, call: GraphCall, find: Any, *, context: str) -> Answer:
    return listed(world, call, find, lambda each: _member(call, each), context=context, options=MEMBER_OPTIONS)


def _member(call: GraphCall, each: Person | Group) -> dict[str, Any]:
    """A member, with nothing but its id where the caller may not read users."""
    wanted = call.query.get("$select")
    if isinstance(each, Group):
        # What is selected is a user's: a group shows what it has of it.
        resource = group_resource(each)
        chosen = {name: resource[name] for name in (wanted or ",".join(USUAL)).split(",") if name in resource}
        return {"@odata.type": f"#{KIND}", "id": each.id, **chosen}
    resource = select(resource_of(each), wanted, USER_USUAL, USER_KIND)
    if not call.roles.intersection(USERS):
        resource = {name: value if name == "id" else None for name, value in resource.items()}
    return {"@odata.type": f"#{USER_KIND}", **resource}


def _people(world: World, call: GraphCall) -> list[Person]:
    directory = world.directory
    return [directory.people[each] for each in everybody_in(group_of(world, call), directory.groups)]


def _all(world: World, call: GraphCall) -> list[Person | Group]:
    return [*_people(world, call), *groups_below(group_of(world, call), world.directory.groups)]
