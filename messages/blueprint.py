"""The door's functions. Each parses, calls and answers; the rules are in the modules beside this one."""

import logging
from collections.abc import Awaitable, Callable

import azure.functions as func

from messages.answers import Answer
from messages.broadcast_api import BroadcastApi
from messages.parts import broadcast_api, broadcast_requests, door
from messages.problems import RETRY_SECONDS, answering
from shared.composition import compose
from shared.errors import SettingsError, StorageUnavailable
from shared.storage.names import BROADCAST_POISON_QUEUE, BROADCAST_QUEUE
from shared.telemetry import log_event

CONNECTION = "AzureWebJobsStorage"

logger = logging.getLogger(__name__)
blueprint = func.Blueprint()


@blueprint.function_name("messages")
@blueprint.route("messages", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def messages(req: func.HttpRequest) -> func.HttpResponse:
    """Take an activity of Teams. Strangers may call this, so a failure tells them nothing."""
    try:
        app = await compose()
    except SettingsError as error:
        log_event(logger, "settings_refused", level=logging.ERROR, reason=str(error))
        return func.HttpResponse(status_code=500)
    except StorageUnavailable:
        return func.HttpResponse(status_code=503, headers={"Retry-After": str(RETRY_SECONDS)})
    status, body = await app.part(door).handle_activity(req.headers, req.get_body())
    return func.HttpResponse(body, status_code=status, mimetype="application/json")


@blueprint.function_name("broadcasts_create")
@blueprint.route("broadcasts", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def broadcasts_create(req: func.HttpRequest) -> func.HttpResponse:
    """Accept a broadcast."""
    key = req.headers.get("Idempotency-Key")
    return await _answer(lambda api: api.create(req.get_body(), key_header=key, url=req.url))


@blueprint.function_name("broadcasts_list")
@blueprint.route("broadcasts", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def broadcasts_list(req: func.HttpRequest) -> func.HttpResponse:
    """List a tenant's broadcasts."""
    return await _answer(lambda api: api.list(req.params, url=req.url))


@blueprint.function_name("broadcasts_get")
@blueprint.route("broadcasts/{broadcast_id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def broadcasts_get(req: func.HttpRequest) -> func.HttpResponse:
    """Report on one broadcast."""
    return await _answer(lambda api: api.get(_id(req), url=req.url))


@blueprint.function_name("broadcasts_deliveries")
@blueprint.route("broadcasts/{broadcast_id}/deliveries", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def broadcasts_deliveries(req: func.HttpRequest) -> func.HttpResponse:
    """Report on each delivery of a broadcast."""
    accept = req.headers.get("Accept", "")
    return await _answer(lambda api: api.deliveries(_id(req), req.params, accept=accept, url=req.url))


@blueprint.function_name("broadcasts_cancel")
@blueprint.route("broadcasts/{broadcast_id}", methods=["DELETE"], auth_level=func.AuthLevel.FUNCTION)
async def broadcasts_cancel(req: func.HttpRequest) -> func.HttpResponse:
    """Cancel a broadcast."""
    return await _answer(lambda api: api.cancel(_id(req), url=req.url))


@blueprint.function_name("rejections_list")
@blueprint.route("rejections", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def rejections_list(req: func.HttpRequest) -> func.HttpResponse:
    """List requests that the queue brought in vain."""
    return await _answer(lambda api: api.rejections(req.params, url=req.url))


# The host reads the members of a JSON text as the message's own metadata, and a member such as `dequeueCount` then
# fails the invocation before it begins, in the poison queue too. It looks into text alone, so these take bytes.
@blueprint.function_name("broadcast_request")
@blueprint.queue_trigger(
    arg_name="message", queue_name=BROADCAST_QUEUE, connection=CONNECTION, data_type=func.DataType.BINARY
)
async def broadcast_request(message: func.QueueMessage) -> None:
    """Accept a request from the queue, or record why not."""
    requests = (await compose()).part(broadcast_requests)
    await requests.receive(message.get_body(), message_id=message.id or "")


@blueprint.function_name("broadcast_request_poison")
@blueprint.queue_trigger(
    arg_name="message", queue_name=BROADCAST_POISON_QUEUE, connection=CONNECTION, data_type=func.DataType.BINARY
)
async def broadcast_request_poison(message: func.QueueMessage) -> None:
    """Record a request that could not be handled at all."""
    requests = (await compose()).part(broadcast_requests)
    await requests.receive_poison(message.get_body(), message_id=message.id or "")


async def _answer(use: Callable[[BroadcastApi], Awaitable[Answer]]) -> func.HttpResponse:
    answer = await answering(_use(use))
    return func.HttpResponse(answer.body, status_code=answer.status, headers=answer.headers)


async def _use(use: Callable[[BroadcastApi], Awaitable[Answer]]) -> Answer:
    return await use((await compose()).part(broadcast_api))


def _id(req: func.HttpRequest) -> str:
    return str(req.route_params.get("broadcast_id", ""))
