"""Teams, their channels and their members.

Sources: https://learn.microsoft.com/graph/api/team-get, .../channel-list and .../team-list-members.
"""

import base64
from typing import Any

from simulator.calls import Answer
from simulator.graph.call import GraphCall
from simulator.graph.holders import team_of
from simulator.graph.lists import listed
from simulator.graph.query import select
from simulator.places import Person, Team
from simulator.world import World

KIND = "microsoft.graph.team"
USUAL = ("id", "displayName", "description", "internalId", "isArchived", "tenantId", "visibility")


def team(world: World, call: GraphCall) -> Answer:
    """`GET /teams/{id}`; `internalId` is the id by which the Connector knows the team."""
    found = team_of(world, call)
    resource = {
        "id": found.group_id,
        "displayName": found.name,
        "description": None,
        "internalId": found.id,
        "isArchived": False,
        "tenantId": found.tenant_id,
        "visibility": "private",
    }
    chosen = select(resource, call.query.get("$select"), USUAL, KIND)
    return Answer(200, {"@odata.context": f"{world.login_url}/v1.0/$metadata#teams/$entity", **chosen})


def channels(world: World, call: GraphCall) -> Answer:
    """`GET /teams/{id}/channels`: here General has a name."""
    found = team_of(world, call)
    value = [
        {
            "id": channel.id,
            "displayName": channel.name or "General",
            "description": None,
            "membershipType": "standard",
            "tenantId": found.tenant_id,
        }
        for channel in found.channels
    ]
    context = f"{world.login_url}/v1.0/$metadata#teams('{found.group_id}')/channels"
    return Answer(200, {"@odata.context": context, "@odata.count": len(value), "value": value})


def members(world: World, call: GraphCall) -> Answer:
    """`GET /teams/{id}/members`, in pages."""
    found = team_of(world, call)
    return listed(
        world,
        call,
        lambda: list(found.members.values()),
        lambda person: _member(found, person),
        context=f"teams('{found.group_id}')/members",
        options=frozenset({"$top"}),
    )


def _member(team: Team, person: Person) -> dict[str, Any]:
    raw = f"{team.tenant_id}##{team.group_id}##{person.object_id}".encode()
    return {
        "@odata.type": "#microsoft.graph.aadUserConversationMember",
        "id": base64.b64encode(raw).decode(),
        "roles": ["guest"] if person.guest else [],
        "displayName": person.name,
        "userId": person.object_id,
        "email": person.mail,
        "tenantId": person.tenant_id,
    }
