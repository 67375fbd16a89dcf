"""The functions of those who watch and, if need be, step in. Each parses and answers.

All take a function key: an operator can be given the key of one function alone, while the master key, which the level
`admin` would ask for, also opens the host's own management. Routes do not begin with `admin`, which the host keeps.
"""

import azure.functions as func

from messages.blueprint import respond
from messages.parts import install_api, people_api, poison_api, poison_keeper, tenant_api
from shared.composition import compose
from shared.storage.names import (
    INSTALL_POISON_QUEUE,
    INSTALL_QUEUE,
    PLAN_POISON_QUEUE,
    PLAN_QUEUE,
    SEND_POISON_QUEUE,
    SEND_QUEUE,
)

CONNECTION = "AzureWebJobsStorage"

blueprint = func.Blueprint()


@blueprint.function_name("people_deliveries")
@blueprint.route("people/{object_id}/deliveries", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def people_deliveries(req: func.HttpRequest) -> func.HttpResponse:
    """Tell what a person got lately."""
    object_id = str(req.route_params.get("object_id", ""))
    return await respond(people_api, lambda api: api.deliveries(object_id, req.params, url=req.url))


@blueprint.function_name("reachability_sums")
@blueprint.route("reachability", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def reachability_sums(req: func.HttpRequest) -> func.HttpResponse:
    """Count who can be reached."""
    return await respond(people_api, lambda api: api.reachability(req.params, url=req.url))


@blueprint.function_name("reachability_people")
@blueprint.route("reachability/people", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def reachability_people(req: func.HttpRequest) -> func.HttpResponse:
    """List who can be reached and who cannot."""
    accept = req.headers.get("Accept", "")
    return await respond(people_api, lambda api: api.people(req.params, accept=accept, url=req.url))


@blueprint.function_name("tenants_get")
@blueprint.route("tenants/{tenant_id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def tenants_get(req: func.HttpRequest) -> func.HttpResponse:
    """Tell whether a tenant's sending is stopped."""
    return await respond(tenant_api, lambda api: api.get(_tenant(req)))


@blueprint.function_name("tenants_stop")
@blueprint.route("tenants/{tenant_id}/stop", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def tenants_stop(req: func.HttpRequest) -> func.HttpResponse:
    """Stop all of a tenant's sending."""
    return await respond(tenant_api, lambda api: api.stop(_tenant(req)))


@blueprint.function_name("tenants_resume")
@blueprint.route("tenants/{tenant_id}/resume", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def tenants_resume(req: func.HttpRequest) -> func.HttpResponse:
    """Let a tenant's sending go on."""
    return await respond(tenant_api, lambda api: api.resume(_tenant(req)))


@blueprint.function_name("installs_create")
@blueprint.route("installs", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def installs_create(req: func.HttpRequest) -> func.HttpResponse:
    """See to the app of an audience, without a message."""
    key = req.headers.get("Idempotency-Key")
    return await respond(install_api, lambda api: api.create(req.get_body(), key_header=key, url=req.url))


@blueprint.function_name("installs_get")
@blueprint.route("tenants/{tenant_id}/installs", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def installs_get(req: func.HttpRequest) -> func.HttpResponse:
    """Tell what keeps a tenant's installs up."""
    return await respond(install_api, lambda api: api.get(_tenant(req)))


@blueprint.function_name("installs_retry")
@blueprint.route("tenants/{tenant_id}/installs/retry", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def installs_retry(req: func.HttpRequest) -> func.HttpResponse:
    """Try to install again at once."""
    return await respond(install_api, lambda api: api.retry(_tenant(req)))


@blueprint.function_name("poison_list")
@blueprint.route("poison", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def poison_list(req: func.HttpRequest) -> func.HttpResponse:
    """List what arrived in poison queues."""
    return await respond(poison_api, lambda api: api.list(req.params, url=req.url))


@blueprint.function_name("poison_replay")
@blueprint.route("replay", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def poison_replay(req: func.HttpRequest) -> func.HttpResponse:
    """Try again what was set aside."""
    return await respond(poison_api, lambda api: api.replay(req.get_body()))


# Why these take bytes: see messages/blueprint.py.
@blueprint.function_name("plan_poison")
@blueprint.queue_trigger(
    arg_name="message", queue_name=PLAN_POISON_QUEUE, connection=CONNECTION, data_type=func.DataType.BINARY
)
async def plan_poison(message: func.QueueMessage) -> None:
    """Keep a nudge of the planner that failed each of its tries."""
    await _keep(PLAN_QUEUE, message)


@blueprint.function_name("send_poison")
@blueprint.queue_trigger(
    arg_name="message", queue_name=SEND_POISON_QUEUE, connection=CONNECTION, data_type=func.DataType.BINARY
)
async def send_poison(message: func.QueueMessage) -> None:
    """Keep a nudge of the sender that failed each of its tries."""
    await _keep(SEND_QUEUE, message)


@blueprint.function_name("install_poison")
@blueprint.queue_trigger(
    arg_name="message", queue_name=INSTALL_POISON_QUEUE, connection=CONNECTION, data_type=func.DataType.BINARY
)
async def install_poison(message: func.QueueMessage) -> None:
    """Keep a nudge of the installer that failed each of its tries."""
    await _keep(INSTALL_QUEUE, message)


async def _keep(queue: str, message: func.QueueMessage) -> None:
    keeper = (await compose()).part(poison_keeper)
    await keeper.receive(queue, message.get_body(), message_id=message.id or "")


def _tenant(req: func.HttpRequest) -> str:
    return str(req.route_params.get("tenant_id", ""))
