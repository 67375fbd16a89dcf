"""The installer's function: it parses a nudge and hands it on."""

import logging

import azure.functions as func

from install_worker.parts import installer
from shared.composition import compose
from shared.envelopes import unpack_nudge
from shared.errors import InvalidRequest
from shared.storage.names import INSTALL_QUEUE
from shared.telemetry import log_event

CONNECTION = "AzureWebJobsStorage"

logger = logging.getLogger(__name__)
blueprint = func.Blueprint()


@blueprint.queue_trigger(arg_name="message", queue_name=INSTALL_QUEUE, connection=CONNECTION)
async def install(message: func.QueueMessage) -> None:
    """Give the people of the batch that a nudge names the app, and of those behind it in its lane."""
    try:
        nudge = unpack_nudge(message.get_body())
    except InvalidRequest as fault:
        log_event(logger, "nudge_unreadable", level=logging.ERROR, queue=INSTALL_QUEUE, cause=str(fault))
        return
    await (await compose()).part(installer).handle(nudge.broadcast, nudge.batch or 0)
