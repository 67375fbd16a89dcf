"""Users of the directory.

Sources: https://learn.microsoft.com/graph/api/user-get and .../user-list.
"""

from typing import Any

from simulator.calls import Answer
from simulator.graph.call import GraphCall
from simulator.graph.holders import person_of
from simulator.graph.lists import counted, listed
from simulator.graph.query import Fields, condition, select
from simulator.places import Person
from simulator.world import World

KIND = "microsoft.graph.user"
OPTIONS = frozenset({"$select", "$filter", "$top", "$count"})
FILTERED: Fields = {
    "id": lambda person: person.object_id,
    "userPrincipalName": lambda person: person.upn,
    "mail": lambda person: person.mail,
    "userType": lambda person: person.user_type,
    "accountEnabled": lambda person: person.enabled,
}
USUAL = (
    *("id", "businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation"),
    *("preferredLanguage", "surname", "userPrincipalName"),
)
OFFICE, TEAMS = "c7df2760-2c81-4ef7-b578-5b5392b571df", "57ff2da0-773e-42df-b2af-ffb7a2317929"


def resource_of(person: Person) -> dict[str, Any]:
    """Every property of a user that can be selected."""
    return {
        "id": person.object_id,
        "businessPhones": [],
        "displayName": person.name,
        "givenName": person.given_name,
        "jobTitle": None,
        "mail": person.mail,
        "mobilePhone": None,
        "officeLocation": None,
        "preferredLanguage": person.locale,
        "surname": person.surname,
        "userPrincipalName": person.upn,
        "accountEnabled": person.enabled,
        "userType": person.user_type,
        "assignedLicenses": [{"skuId": OFFICE, "disabledPlans": []}] if person.licensed else [],
        "assignedPlans": _plans(person),
    }


def _plans(person: Person) -> list[dict[str, Any]]:
    if not person.licensed:
        return []
    plan = {"capabilityStatus": "Enabled", "service": "TeamspaceAPI", "servicePlanId": TEAMS}
    return [{"assignedDateTime": "2026-01-01T00:00:00Z", **plan}]


def user(world: World, call: GraphCall) -> Answer:
    """`GET /users/{id}` by object id or UPN, with `$select`."""
    person = person_of(world, call)
    context = f"{world.login_url}/v1.0/$metadata#users/$entity"
    return Answer(
        200, {"@odata.context": context, **select(resource_of(person), call.query.get("$select"), USUAL, KIND)}
    )


def users(world: World, call: GraphCall) -> Answer:
    """`GET /users`, in pages, with `$select` and `$filter`."""
    return listed(
        world,
        call,
        lambda: _found(world, call),
        lambda person: select(resource_of(person), call.query.get("$select"), USUAL, KIND),
        context="users",
        options=OPTIONS,
    )


def users_count(world: World, call: GraphCall) -> Answer:
    """`GET /users/$count`, as plain text."""
    return counted(call, lambda: _found(world, call))


def _found(world: World, call: GraphCall) -> list[Person]:
    people = [person for person in world.directory.people.values() if person.tenant_id == call.tenant_id]
    text = call.query.get("$filter")
    if not text:
        return people
    test = condition(text, FILTERED)
    return [person for person in people if test(person)]
