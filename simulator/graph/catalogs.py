"""What a request reads in the catalogue: `GET /appCatalogs/teamsApps`."""

from typing import Any

from simulator.calls import Answer
from simulator.graph.call import GraphCall
from simulator.graph.catalog import matches
from simulator.graph.query import select
from simulator.world import World


def teams_apps(world: World, call: GraphCall) -> Answer:
    """The apps of the organisation, with a filter on `id` or `externalId` and `$expand=appDefinitions`."""
    app = world.graph.catalog(call.tenant_id)
    resource: dict[str, Any] = app.as_resource()
    found = []
    if matches(call.query.get("$filter"), resource, prefix=False) and app.listed:
        found = [select(resource, call.query.get("$select"), tuple(resource), "microsoft.graph.teamsApp")]
    if found and "appDefinitions" in call.query.get("$expand", ""):
        found[0]["appDefinitions"] = [app.definition()]
    context = f"{world.login_url}/v1.0/$metadata#appCatalogs/teamsApps"
    return Answer(200, {"@odata.context": context, "@odata.count": len(found), "value": found})
