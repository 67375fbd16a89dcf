"""The functions of audiences: those that are saved, and what one would come to. Each parses and answers."""

import azure.functions as func

from messages.blueprint import respond
from messages.parts import audience_api, audience_estimate

blueprint = func.Blueprint()


@blueprint.function_name("audiences_list")
@blueprint.route("audiences", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def audiences_list(req: func.HttpRequest) -> func.HttpResponse:
    """List a tenant's saved audiences."""
    return await respond(audience_api, lambda api: api.list(req.params, url=req.url))


@blueprint.function_name("audiences_get")
@blueprint.route("audiences/{name}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def audiences_get(req: func.HttpRequest) -> func.HttpResponse:
    """Tell a saved audience."""
    return await respond(audience_api, lambda api: api.get(_name(req), req.params, url=req.url))


@blueprint.function_name("audiences_put")
@blueprint.route("audiences/{name}", methods=["PUT"], auth_level=func.AuthLevel.FUNCTION)
async def audiences_put(req: func.HttpRequest) -> func.HttpResponse:
    """Save an audience under a name."""
    if_match = req.headers.get("If-Match")
    return await respond(audience_api, lambda api: api.put(_name(req), req.get_body(), if_match=if_match, url=req.url))


@blueprint.function_name("audiences_remove")
@blueprint.route("audiences/{name}", methods=["DELETE"], auth_level=func.AuthLevel.FUNCTION)
async def audiences_remove(req: func.HttpRequest) -> func.HttpResponse:
    """Forget a saved audience."""
    if_match = req.headers.get("If-Match")
    return await respond(audience_api, lambda api: api.remove(_name(req), req.params, if_match=if_match))


@blueprint.function_name("audiences_estimate")
@blueprint.route("audiences/estimate", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def audiences_estimate(req: func.HttpRequest) -> func.HttpResponse:
    """Tell what an audience comes to."""
    return await respond(audience_estimate, lambda api: api.estimate(req.get_body()))


def _name(req: func.HttpRequest) -> str:
    return str(req.route_params.get("name", ""))
