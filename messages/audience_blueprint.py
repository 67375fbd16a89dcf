"""The functions of audiences: those that are saved, and what one would come to. Each parses and answers."""

from collections.abc import Awaitable, Callable

import azure.functions as func

from messages.answers import Answer
from messages.parts import audience_api, audience_estimate
from messages.problems import answering
from shared.composition import App, Part, compose

blueprint = func.Blueprint()


@blueprint.function_name("audiences_list")
@blueprint.route("audiences", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def audiences_list(req: func.HttpRequest) -> func.HttpResponse:
    """List a tenant's saved audiences."""
    return await _answer(audience_api, lambda api: api.list(req.params, url=req.url))


@blueprint.function_name("audiences_get")
@blueprint.route("audiences/{name}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def audiences_get(req: func.HttpRequest) -> func.HttpResponse:
    """Tell a saved audience."""
    return await _answer(audience_api, lambda api: api.get(_name(req), req.params, url=req.url))


@blueprint.function_name("audiences_put")
@blueprint.route("audiences/{name}", methods=["PUT"], auth_level=func.AuthLevel.FUNCTION)
async def audiences_put(req: func.HttpRequest) -> func.HttpResponse:
    """Save an audience under a name."""
    if_match = req.headers.get("If-Match")
    return await _answer(audience_api, lambda api: api.put(_name(req), req.get_body(), if_match=if_match, url=req.url))


@blueprint.function_name("audiences_remove")
@blueprint.route("audiences/{name}", methods=["DELETE"], auth_level=func.AuthLevel.FUNCTION)
async def audiences_remove(req: func.HttpRequest) -> func.HttpResponse:
    """Forget a saved audience."""
    if_match = req.headers.get("If-Match")
    return await _answer(audience_api, lambda api: api.remove(_name(req), req.params, if_match=if_match))


@blueprint.function_name("audiences_estimate")
@blueprint.route("audiences/estimate", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def audiences_estimate(req: func.HttpRequest) -> func.HttpResponse:
    """Tell what an audience comes to."""
    return await _answer(audience_estimate, lambda api: api.estimate(req.get_body()))


async def _answer(part: Callable[[App], Part], use: Callable[[Part], Awaitable[Answer]]) -> func.HttpResponse:
    answer = await answering(_use(part, use))
    return func.HttpResponse(answer.body, status_code=answer.status, headers=answer.headers)


async def _use(part: Callable[[App], Part], use: Callable[[Part], Awaitable[Answer]]) -> Answer:
    return await use((await compose()).part(part))


def _name(req: func.HttpRequest) -> str:
    return str(req.route_params.get("name", ""))
