"""The door's functions. Each parses, calls and answers; the rules are in the modules beside this one."""

import logging
from collections.abc import Awaitable, Callable

import azure.functions as func

from messages.answers import Answer
from messages.parts import broadcast_api, broadcast_requests, door, poison_keeper, wishes
from messages.problems import RETRY_SECONDS, answering
from shared.composition import App, Part, compose
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
    return await respond(broadcast_api, lambda api: api.create(req.get_body(), key_header=key, url=req.url))


@blueprint.function_name("broadcasts_list")
@blueprint.route("broadcasts", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def broadcasts_list(req: func.HttpRequest) -> func.HttpResponse:
    """List a tenant's broadcasts."""
    return await respond(broadcast_api, lambda api: api.list(req.params, url=req.url))


@blueprint.function_name("broadcasts_get")
@blueprint.route("broadcasts/{broadcast_id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def broadcasts_get(req: func.HttpRequest) -> func.HttpResponse:
    """Report on one broadcast."""
    return await respond(broadcast_api, lambda api: api.get(_id(req), url=req.url))


@blueprint.function_name("broadcasts_deliveries")
@blueprint.route("broadcasts/{broadcast_id}/deliveries", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def broadcasts_deliveries(req: func.HttpRequest) -> func.HttpResponse:
    """Report on each delivery of a broadcast."""
    accept = req.headers.get("Accept", "")
    return await respond(broadcast_api, lambda api: api.deliveries(_id(req), req.params, accept=accept, url=req.url))


@blueprint.function_name("broadcasts_cancel")
@blueprint.route("broadcasts/{broadcast_id}", methods=["DELETE"], auth_level=func.AuthLevel.FUNCTION)
async def broadcasts_cancel(req: func.HttpRequest) -> func.HttpResponse:
    """Cancel a broadcast."""
    return await respond(broadcast_api, lambda api: api.cancel(_id(req), url=req.url))


@blueprint.function_name("broadcasts_pause")
@blueprint.route("broadcasts/{broadcast_id}/pause", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def broadcasts_pause(req: func.HttpRequest) -> func.HttpResponse:
    """Hold a broadcast."""
    return await respond(wishes, lambda author: author.pause(_id(req), url=req.url))


@blueprint.function_name("broadcasts_resume")
@blueprint.route("broadcasts/{broadcast_id}/resume", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def broadcasts_resume(req: func.HttpRequest) -> func.HttpResponse:
    """Let a broadcast go on."""
    return await respond(wishes, lambda author: author.resume(_id(req), url=req.url))


@blueprint.function_name("broadcasts_retry")
@blueprint.route("broadcasts/{broadcast_id}/retry", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def broadcasts_retry(req: func.HttpRequest) -> func.HttpResponse:
    """Send a broadcast's message again to chosen recipients."""
    key = req.headers.get("Idempotency-Key")
    return await respond(wishes, lambda author: author.retry(_id(req), req.get_body(), key_header=key, url=req.url))


@blueprint.function_name("broadcasts_edit")
@blueprint.route("broadcasts/{broadcast_id}/content", methods=["PUT"], auth_level=func.AuthLevel.FUNCTION)
async def broadcasts_edit(req: func.HttpRequest) -> func.HttpResponse:
    """Put new words in the place of what was sent."""
    return await respond(wishes, lambda author: author.edit(_id(req), req.get_body(), url=req.url))


@blueprint.function_name("broadcasts_recall")
@blueprint.route("broadcasts/{broadcast_id}/recall", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def broadcasts_recall(req: func.HttpRequest) -> func.HttpResponse:
    """Take back what was sent."""
    return await respond(wishes, lambda author: author.recall(_id(req), url=req.url))


@blueprint.function_name("rejections_list")
@blueprint.route("rejections", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def rejections_list(req: func.HttpRequest) -> func.HttpResponse:
    """List requests that the queue brought in vain."""
    return await respond(broadcast_api, lambda api: api.rejections(req.params, url=req.url))


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
    """Record and keep a request that could not be handled at all."""
    keeper = (await compose()).part(poison_keeper)
    await keeper.receive(BROADCAST_QUEUE, message.get_body(), message_id=message.id or "")


async def respond(part: Callable[[App], Part], use: Callable[[Part], Awaitable[Answer]]) -> func.HttpResponse:
    """What one of the app's parts answers, or the problem that it meets. For all blueprints of the HTTP API."""
    answer = await answering(_use(part, use))
    return func.HttpResponse(answer.body, status_code=answer.status, headers=answer.headers)


async def _use(part: Callable[[App], Part], use: Callable[[Part], Awaitable[Answer]]) -> Answer:
    return await use((await compose()).part(part))


def _id(req: func.HttpRequest) -> str:
    return str(req.route_params.get("broadcast_id", ""))
