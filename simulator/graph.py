"""Microsoft Graph, in part: a user, and the apps a user has installed.

Sources: https://learn.microsoft.com/graph/api/user-get and .../userteamwork-list-installedapps.
"""

import base64
import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from simulator.calls import Answer
from simulator.connector import Handler, response_of
from simulator.misbehaving import ConnectionBroken, break_connection, suffer
from simulator.places import Person
from simulator.refusals import Refusal
from simulator.world import World

AUDIENCE = "https://graph.microsoft.com"
FILTER = re.compile(r"^\s*teamsApp/(?P<field>id|externalId)\s+eq\s+'(?P<value>[^']*)'\s*$")

Deed = Callable[[World, web.Request, Person], Answer]


class GraphError(Exception):
    """A request that Graph refuses."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def answer(self) -> Answer:
        inner = {
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
            "request-id": str(uuid.uuid4()),
            "client-request-id": str(uuid.uuid4()),
        }
        return Answer(self.status, {"error": {"code": self.code, "message": self.message, "innerError": inner}})


def catalog_id(app_id: str) -> str:
    """The app's id in the organisation's catalogue."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"catalog/{app_id}"))


def manifest_id(app_id: str) -> str:
    """The app's id in its manifest, which Graph calls `externalId`."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"manifest/{app_id}"))


def installation_id(person: Person, app_id: str) -> str:
    """The id of the app's installation for a person; it is not the app's id."""
    return base64.b64encode(f"{person.object_id}##{catalog_id(app_id)}".encode()).decode()


def user(world: World, request: web.Request, person: Person) -> Answer:
    """`GET /users/{id}` by object id or UPN, with `$select`."""
    resource: dict[str, Any] = {
        "@odata.context": f"{world.login_url}/v1.0/$metadata#users/$entity",
        "id": person.object_id,
        "displayName": person.name,
        "givenName": person.given_name,
        "surname": person.surname,
        "userPrincipalName": person.upn,
        "mail": person.upn,
        "preferredLanguage": person.locale,
    }
    wanted = request.query.get("$select")
    if wanted:
        names = {name.strip() for name in wanted.split(",")} | {"@odata.context"}
        resource = {name: value for name, value in resource.items() if name in names}
    return Answer(200, resource)


def installed_apps(world: World, request: web.Request, person: Person) -> Answer:
    """`GET /users/{id}/teamwork/installedApps`, with `$expand=teamsApp` and a filter on the app's ids."""
    app_id = world.config.app_id
    app = {
        "id": catalog_id(app_id),
        "externalId": manifest_id(app_id),
        "displayName": world.config.app_name,
        "distributionMethod": "organization",
    }
    found: list[dict[str, Any]] = []
    if person.installed and _matches(request.query.get("$filter"), app):
        found = [{"id": installation_id(person, app_id)}]
        if "teamsApp" in request.query.get("$expand", ""):
            found[0]["teamsApp"] = app
    context = f"{world.login_url}/v1.0/$metadata#users('{person.object_id}')/teamwork/installedApps"
    return Answer(200, {"@odata.context": context, "@odata.count": len(found), "value": found})


def _matches(condition: str | None, app: dict[str, str]) -> bool:
    if not condition:
        return True
    match = FILTER.match(condition)
    if match is None:
        raise GraphError(400, "BadRequest", f"Invalid filter clause: {condition}")
    return app[match["field"]] == match["value"]


def _person(world: World, request: web.Request, tenant_id: str) -> Person:
    key = request.match_info["user"]
    person = None if key.startswith("29:") else world.directory.person(key)
    if person is None or person.tenant_id != tenant_id:
        text = f"Resource '{key}' does not exist or one of its queried reference-property objects are not present."
        raise GraphError(404, "Request_ResourceNotFound", text)
    return person


def routes(world: World) -> list[web.RouteDef]:
    """Graph's routes below `/v1.0`."""
    return [
        web.get("/v1.0/users/{user}", _handler(world, user)),
        web.get("/v1.0/users/{user}/teamwork/installedApps", _handler(world, installed_apps)),
    ]


def _handler(world: World, deed: Deed) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            person = _person(world, request, _tenant_of(world, request))
            lost = await suffer(world, request, kind="graph", person=person.object_id)
            answer = deed(world, request, person)
        except GraphError as error:
            answer, lost = error.answer(), None
        except Refusal as refusal:
            trouble = GraphError(refusal.status, refusal.code, refusal.message).answer()
            answer, lost = Answer(trouble.status, trouble.body, refusal.headers()), None
        except ConnectionBroken:
            return break_connection(request)
        return break_connection(request) if lost else response_of(answer)

    return handle


def _tenant_of(world: World, request: web.Request) -> str:
    """The tenant that the caller's token is for."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    claims = world.verifier.claims(token, audience=AUDIENCE, now=time.time()) if scheme.lower() == "bearer" else None
    if claims is None:
        raise GraphError(401, "InvalidAuthenticationToken", "Access token validation failure.")
    return str(claims["tid"])
