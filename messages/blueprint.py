"""The door's functions. Each parses, calls and answers; the rules are in the modules beside this one."""

import azure.functions as func

from messages.broadcast_requests import BroadcastRequests
from shared.composition import compose
from shared.storage.names import BROADCAST_POISON_QUEUE, BROADCAST_QUEUE

blueprint = func.Blueprint()

CONNECTION = "AzureWebJobsStorage"


# The host reads the members of a JSON text as the message's own metadata, and a member such as `dequeueCount` then
# fails the invocation before it begins, in the poison queue too. It looks into text alone, so these take bytes.
@blueprint.function_name("broadcast_request")
@blueprint.queue_trigger(
    arg_name="message", queue_name=BROADCAST_QUEUE, connection=CONNECTION, data_type=func.DataType.BINARY
)
async def broadcast_request(message: func.QueueMessage) -> None:
    """Accept a request from the queue, or record why not."""
    await (await _requests()).receive(message.get_body(), message_id=message.id or "")


@blueprint.function_name("broadcast_request_poison")
@blueprint.queue_trigger(
    arg_name="message", queue_name=BROADCAST_POISON_QUEUE, connection=CONNECTION, data_type=func.DataType.BINARY
)
async def broadcast_request_poison(message: func.QueueMessage) -> None:
    """Record a request that could not be handled at all."""
    await (await _requests()).receive_poison(message.get_body(), message_id=message.id or "")


async def _requests() -> BroadcastRequests:
    app = await compose()
    return BroadcastRequests(
        acceptance=app.acceptance, rejections=app.rejections, clock=app.clock, tenants=app.settings.tenants
    )
