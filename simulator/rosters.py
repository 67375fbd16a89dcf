"""What the Connector tells about members, teams and channels.

Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/get-teams-context
"""

from simulator.access import accessible_place
from simulator.calls import Answer, Call
from simulator.places import Person, Team
from simulator.refusals import Refusal
from simulator.world import World

ROSTER_LIMIT = 10_000
PAGE_MIN, PAGE_MAX, PAGE_DEFAULT = 50, 500, 200


def roster(world: World, call: Call) -> Answer:
    """`GET .../members`, deprecated: the first 10,000 members."""
    people = list(accessible_place(world, call).roster.values())
    return Answer(200, [person.as_member() for person in people[:ROSTER_LIMIT]])


def paged_members(world: World, call: Call) -> Answer:
    """`GET .../pagedmembers`: a page size below 50 becomes 50, above 500 it becomes 500. A chat has one page."""
    place = accessible_place(world, call)
    people = list(place.roster.values())
    if place.chat is not None:
        return Answer(200, {"members": [person.as_member() for person in people]})
    try:
        size = min(PAGE_MAX, max(PAGE_MIN, int(call.query.get("pageSize", PAGE_DEFAULT))))
        start = int(call.query.get("continuationToken") or 0)
    except ValueError:
        raise Refusal("Bad Argument", "'pageSize' or 'continuationToken' is not valid.") from None
    page: dict[str, object] = {"members": [person.as_member() for person in people[start : start + size]]}
    if start + size < len(people):
        page["continuationToken"] = str(start + size)
    return Answer(200, page)


def member(world: World, call: Call) -> Answer:
    """`GET .../members/{id}`: by 29: id, UPN or object id."""
    place = accessible_place(world, call)
    person: Person | None = world.directory.person(call.path["member"])
    if person is None or person.object_id not in place.roster:
        raise Refusal("MemberNotFoundInConversation", "The member is not in the conversation.", status=404)
    return Answer(200, person.as_member())


def team_details(world: World, call: Call) -> Answer:
    """`GET /v3/teams/{id}`."""
    team = _require_team(world, call)
    details = {
        "id": team.id,
        "name": team.name,
        "aadGroupId": team.group_id,
        "tenantId": team.tenant_id,
        "type": "standard",
        "channelCount": len(team.channels),
        "memberCount": len(team.members),
    }
    return Answer(200, details)


def channels(world: World, call: Call) -> Answer:
    """`GET /v3/teams/{id}/conversations`: General has no name."""
    return Answer(200, {"conversations": [channel.as_resource() for channel in _require_team(world, call).channels]})


def _require_team(world: World, call: Call) -> Team:
    team = accessible_place(world, call).team
    if team is None or team.id != call.path["team"]:
        raise Refusal("ConversationNotFound")
    return team
