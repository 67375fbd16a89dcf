"""The functions of schedules, and of the calendar that they follow. Each parses, calls and answers."""

import azure.functions as func

from messages.blueprint import respond
from messages.parts import calendar_api, schedule_api

blueprint = func.Blueprint()


@blueprint.function_name("schedules_create")
@blueprint.route("schedules", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def schedules_create(req: func.HttpRequest) -> func.HttpResponse:
    """Make a schedule."""
    key = req.headers.get("Idempotency-Key")
    return await respond(schedule_api, lambda api: api.create(req.get_body(), key_header=key, url=req.url))


@blueprint.function_name("schedules_list")
@blueprint.route("schedules", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def schedules_list(req: func.HttpRequest) -> func.HttpResponse:
    """List a tenant's schedules."""
    return await respond(schedule_api, lambda api: api.list(req.params, url=req.url))


@blueprint.function_name("schedules_get")
@blueprint.route("schedules/{schedule_id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def schedules_get(req: func.HttpRequest) -> func.HttpResponse:
    """Tell of one schedule."""
    return await respond(schedule_api, lambda api: api.get(_id(req), url=req.url))


@blueprint.function_name("schedules_put")
@blueprint.route("schedules/{schedule_id}", methods=["PUT"], auth_level=func.AuthLevel.FUNCTION)
async def schedules_put(req: func.HttpRequest) -> func.HttpResponse:
    """Change a schedule."""
    if_match = req.headers.get("If-Match")
    return await respond(schedule_api, lambda api: api.put(_id(req), req.get_body(), if_match=if_match, url=req.url))


@blueprint.function_name("schedules_remove")
@blueprint.route("schedules/{schedule_id}", methods=["DELETE"], auth_level=func.AuthLevel.FUNCTION)
async def schedules_remove(req: func.HttpRequest) -> func.HttpResponse:
    """Remove a schedule."""
    return await respond(schedule_api, lambda api: api.remove(_id(req)))


@blueprint.function_name("schedules_pause")
@blueprint.route("schedules/{schedule_id}/pause", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def schedules_pause(req: func.HttpRequest) -> func.HttpResponse:
    """Hold a schedule."""
    return await respond(schedule_api, lambda api: api.pause(_id(req), url=req.url))


@blueprint.function_name("schedules_resume")
@blueprint.route("schedules/{schedule_id}/resume", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def schedules_resume(req: func.HttpRequest) -> func.HttpResponse:
    """Let a schedule go on."""
    return await respond(schedule_api, lambda api: api.resume(_id(req), url=req.url))


@blueprint.function_name("schedules_run")
@blueprint.route("schedules/{schedule_id}/run", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def schedules_run(req: func.HttpRequest) -> func.HttpResponse:
    """Make a broadcast of a schedule now."""
    return await respond(schedule_api, lambda api: api.run(_id(req), url=req.url))


@blueprint.function_name("calendars_get")
@blueprint.route("tenants/{tenant_id}/calendar", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def calendars_get(req: func.HttpRequest) -> func.HttpResponse:
    """Tell a tenant's calendar."""
    return await respond(calendar_api, lambda api: api.get(_tenant(req), url=req.url))


@blueprint.function_name("calendars_put")
@blueprint.route("tenants/{tenant_id}/calendar", methods=["PUT"], auth_level=func.AuthLevel.FUNCTION)
async def calendars_put(req: func.HttpRequest) -> func.HttpResponse:
    """Put a tenant's calendar."""
    if_match = req.headers.get("If-Match")
    return await respond(
        calendar_api, lambda api: api.put(_tenant(req), req.get_body(), if_match=if_match, url=req.url)
    )


@blueprint.function_name("calendars_remove")
@blueprint.route("tenants/{tenant_id}/calendar", methods=["DELETE"], auth_level=func.AuthLevel.FUNCTION)
async def calendars_remove(req: func.HttpRequest) -> func.HttpResponse:
    """Remove a tenant's calendar."""
    if_match = req.headers.get("If-Match")
    return await respond(calendar_api, lambda api: api.remove(_tenant(req), if_match=if_match))


def _id(req: func.HttpRequest) -> str:
    return str(req.route_params.get("schedule_id", ""))


def _tenant(req: func.HttpRequest) -> str:
    return str(req.route_params.get("tenant_id", ""))
