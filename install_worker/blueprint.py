"""The installer's function: it parses a nudge and hands it on."""

import azure.functions as func

from install_worker.parts import installer
from shared.composition import compose
from shared.envelopes import read_nudge
from shared.storage.names import INSTALL_QUEUE

CONNECTION = "AzureWebJobsStorage"

blueprint = func.Blueprint()


@blueprint.queue_trigger(arg_name="message", queue_name=INSTALL_QUEUE, connection=CONNECTION)
async def install(message: func.QueueMessage) -> None:
    """Give the people of the batch that a nudge names the app, and of those behind it in its lane."""
    nudge = read_nudge(message.get_body(), queue=INSTALL_QUEUE)
    if nudge is not None:
        await (await compose()).part(installer).handle(nudge.broadcast, nudge.batch or 0)
