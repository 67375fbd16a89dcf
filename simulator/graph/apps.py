"""The app of a person, a team or a group chat: list, install, upgrade, remove, and the chat that comes with it.

Sources: https://learn.microsoft.com/graph/api/userteamwork-list-installedapps and its neighbours; the same for teams
and chats.
"""

import re
import time
from typing import Any

from simulator.calls import Answer
from simulator.graph.call import Change, GraphCall, Holder
from simulator.graph.catalog import CatalogApp, matches
from simulator.graph.errors import bad_request, not_found
from simulator.graph.holders import holder_of, person_of
from simulator.graph.installations import Holding, scope_of
from simulator.graph.query import select
from simulator.graph.refusing import Reason, reason_against, refusal
from simulator.graph.roles import only_self
from simulator.world import World

EXPANDED = ("teamsApp", "teamsAppDefinition")
# The address is a name here: it is the same one whatever the address of Graph.
BIND = re.compile(r"^https://[^/]+/(?:v1\.0|beta)/appCatalogs/teamsApps(?:/(?P<id>[^/()']+)|\('(?P<key>[^']+)'\))$")


def installed_apps(world: World, call: GraphCall) -> Answer:
    """`GET .../installedApps`, with `$expand` and a filter on the app's ids."""
    holder = holder_of(world, call)
    holding = world.graph.installations.of(holder)
    app = world.graph.catalog(call.tenant_id)
    # Another app's installations are no error: the list leaves them out.
    own = app.self_managed or not only_self(call.roles)
    shown = own and holding.installed and holding.listed_at <= time.monotonic()
    shown = matches(call.query.get("$filter"), app.as_resource(holding.app_id), prefix=True) and shown
    found = [_resource(holding, app, call)] if shown else []
    context = f"{world.login_url}/v1.0/$metadata#{scope_of(holder)}/installedApps"
    return Answer(200, {"@odata.context": context, "@odata.count": len(found), "value": found})


def installed_app(world: World, call: GraphCall) -> Answer:
    """`GET .../installedApps/{id}`."""
    holder = holder_of(world, call)
    holding = _installed(world, call, holder)
    context = f"{world.login_url}/v1.0/$metadata#{scope_of(holder)}/installedApps/$entity"
    return Answer(200, {"@odata.context": context, **_resource(holding, world.graph.catalog(call.tenant_id), call)})


def install(world: World, call: GraphCall) -> Answer:
    """`POST .../installedApps`: 201 without a body, or one of the refusals."""
    graph = world.graph
    holder = holder_of(world, call)
    app_id = _bound_app(call)
    holding = graph.installations.of(holder)
    holding.install_requests += 1
    app = graph.catalog(call.tenant_id)
    reason = _against(app, app_id, call) or reason_against(holder, graph.orders)
    if reason is None and holding.installed:
        reason = Reason.CONFLICT
    if reason is not None:
        raise refusal(reason, holder, tenant=call.tenant_id, app=app_id, caller=world.config.app_id, roles=call.roles)
    now = time.monotonic()
    graph.installations.install(holder, app, listed_at=now + graph.habits.listing_lag_s)
    holding.given_at = holding.given_at or now
    holding.installs += 1
    call.changes.append(Change(holder, "add"))
    return Answer(201)


def upgrade(world: World, call: GraphCall) -> Answer:
    """`POST .../installedApps/{id}/upgrade`: the installation has the catalogue's version. The bot hears nothing."""
    holding = _installed(world, call, holder_of(world, call))
    app = world.graph.catalog(call.tenant_id)
    if not app.listed:
        raise not_found(f"The requested app '{holding.app_id}' was not found in the catalog.")
    holding.version = app.version
    holding.upgrades += 1
    return Answer(204)


def uninstall(world: World, call: GraphCall) -> Answer:
    """`DELETE .../installedApps/{id}`."""
    holder = holder_of(world, call)
    holding = _installed(world, call, holder)
    world.graph.installations.uninstall(holder)
    holding.uninstalls += 1
    call.changes.append(Change(holder, "remove"))
    return Answer(204)


def chat(world: World, call: GraphCall) -> Answer:
    """`GET /users/{id}/teamwork/installedApps/{id}/chat`: the 1:1 chat of the person and the bot."""
    person = person_of(world, call)
    _installed(world, call, person)
    resource = {
        "id": person.graph_chat_id,
        "topic": None,
        "chatType": "oneOnOne",
        "tenantId": person.tenant_id,
    }
    chosen = select(resource, call.query.get("$select"), tuple(resource), "microsoft.graph.chat")
    return Answer(200, {"@odata.context": f"{world.login_url}/v1.0/$metadata#chats/$entity", **chosen})


def _resource(holding: Holding, app: CatalogApp, call: GraphCall) -> dict[str, Any]:
    expanded = {part.partition("(")[0].strip() for part in call.query.get("$expand", "").split(",")} - {""}
    unknown = expanded.difference(EXPANDED)
    if unknown:
        raise bad_request(f"Parsing OData Select and Expand failed: '{', '.join(sorted(unknown))}' cannot be expanded.")
    found: dict[str, Any] = {"id": holding.installation_id}
    if "teamsApp" in expanded:
        found["teamsApp"] = app.as_resource(holding.app_id)
    if "teamsAppDefinition" in expanded:
        found["teamsAppDefinition"] = app.definition(version=holding.version, app_id=holding.app_id)
    return found


def _against(app: CatalogApp, app_id: str, call: GraphCall) -> Reason | None:
    """What is wrong with the app that is asked for, whoever is to have it."""
    if not app.listed or app_id != app.id:
        return Reason.APP_MISSING
    return Reason.WRONG_APP if not app.self_managed and only_self(call.roles) else None


def _installed(world: World, call: GraphCall, holder: Holder) -> Holding:
    holding = world.graph.installations.of(holder)
    if not holding.installed or holding.installation_id != call.params["installation"]:
        raise not_found(f"No app installation was found with the id '{call.params['installation']}'.")
    return holding


def _bound_app(call: GraphCall) -> str:
    """The catalogue's id of the app to install."""
    bound = call.json().get("teamsApp@odata.bind")
    match = BIND.match(bound) if isinstance(bound, str) else None
    if match is None:
        raise bad_request("'teamsApp@odata.bind' must name an app by 'https://.../v1.0/appCatalogs/teamsApps/{id}'.")
    return match["id"] or match["key"]
