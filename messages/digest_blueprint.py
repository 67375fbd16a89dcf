"""The functions of digests' items. Each parses, calls and answers; what they do is in the modules beside this one."""

import azure.functions as func

from messages.blueprint import CONNECTION, respond
from messages.parts import digest_api, digest_requests, poison_keeper
from shared.composition import compose
from shared.storage.names import DIGEST_ITEM_POISON_QUEUE, DIGEST_ITEM_QUEUE

blueprint = func.Blueprint()


@blueprint.function_name("digest_items_create")
@blueprint.route("digests/{name}/items", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
async def digest_items_create(req: func.HttpRequest) -> func.HttpResponse:
    """Keep an item for a digest."""
    key = req.headers.get("Idempotency-Key")
    return await respond(digest_api, lambda api: api.create(_name(req), req.get_body(), key_header=key))


@blueprint.function_name("digest_items_list")
@blueprint.route("digests/{name}/items", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
async def digest_items_list(req: func.HttpRequest) -> func.HttpResponse:
    """List what waits for a digest."""
    return await respond(digest_api, lambda api: api.list(_name(req), req.params, url=req.url))


@blueprint.function_name("digest_items_remove")
@blueprint.route("digests/{name}/items/{item_id}", methods=["DELETE"], auth_level=func.AuthLevel.FUNCTION)
async def digest_items_remove(req: func.HttpRequest) -> func.HttpResponse:
    """Take an item away."""
    item_id = str(req.route_params.get("item_id", ""))
    return await respond(digest_api, lambda api: api.remove(_name(req), item_id, req.params))


# Why these take bytes: see messages/blueprint.py.
@blueprint.function_name("digest_item")
@blueprint.queue_trigger(
    arg_name="message", queue_name=DIGEST_ITEM_QUEUE, connection=CONNECTION, data_type=func.DataType.BINARY
)
async def digest_item(message: func.QueueMessage) -> None:
    """Keep an item from the queue for its digest, or record why not."""
    requests = (await compose()).part(digest_requests)
    await requests.receive(message.get_body(), message_id=message.id or "")


@blueprint.function_name("digest_item_poison")
@blueprint.queue_trigger(
    arg_name="message", queue_name=DIGEST_ITEM_POISON_QUEUE, connection=CONNECTION, data_type=func.DataType.BINARY
)
async def digest_item_poison(message: func.QueueMessage) -> None:
    """Record and keep an item that could not be handled at all."""
    keeper = (await compose()).part(poison_keeper)
    await keeper.receive(DIGEST_ITEM_QUEUE, message.get_body(), message_id=message.id or "")


def _name(req: func.HttpRequest) -> str:
    return str(req.route_params.get("name", ""))
