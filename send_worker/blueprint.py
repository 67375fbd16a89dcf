"""The pipeline's triggers: parse, call, nothing else. Each function is asynchronous and answers nothing."""

import logging

import azure.functions as func

from send_worker.pipeline import Pipeline, build_lost_due_rows, build_old_items, build_pipeline, build_retention
from shared.composition import compose
from shared.envelopes import read_nudge
from shared.storage.names import PLAN_QUEUE, SEND_QUEUE
from shared.telemetry import log_event

CONNECTION = "AzureWebJobsStorage"

logger = logging.getLogger(__name__)
blueprint = func.Blueprint()


@blueprint.timer_trigger(arg_name="timer", schedule="0 * * * * *", run_on_startup=False)
async def tick(timer: func.TimerRequest) -> None:
    """Run what is due and sweep, once a minute (UTC); a tick that comes late does just the same."""
    if timer.past_due:
        log_event(logger, "tick_came_late")
    pipeline = await _pipeline()
    try:
        await pipeline.due_schedules.run()
    finally:
        await pipeline.sweep.run()


@blueprint.timer_trigger(arg_name="timer", schedule="30 */10 * * * *", run_on_startup=False)
async def clean_up(timer: func.TimerRequest) -> None:  # noqa: ARG001 - a run that comes late does just the same
    """Remove every ten minutes what has ended longer ago than it is kept, and look for what the tick cannot see."""
    app = await compose()
    await app.part(build_lost_due_rows).run()
    await app.part(build_old_items).run()
    await app.part(build_retention).run()


@blueprint.queue_trigger(arg_name="message", queue_name=PLAN_QUEUE, connection=CONNECTION)
async def plan(message: func.QueueMessage) -> None:
    """Plan the broadcast that a nudge names, or close it."""
    nudge = read_nudge(message.get_body(), queue=PLAN_QUEUE)
    if nudge is None:
        return
    pipeline = await _pipeline()
    await pipeline.planner.handle(nudge.broadcast)
    await pipeline.sweep.run_if_overdue()


@blueprint.queue_trigger(arg_name="message", queue_name=SEND_QUEUE, connection=CONNECTION)
async def send(message: func.QueueMessage) -> None:
    """Work on the batch that a nudge names, and along its lane."""
    nudge = read_nudge(message.get_body(), queue=SEND_QUEUE)
    if nudge is None:
        return
    pipeline = await _pipeline()
    await pipeline.sender.handle(nudge.broadcast, nudge.batch or 0)
    await pipeline.sweep.run_if_overdue()


async def _pipeline() -> Pipeline:
    return (await compose()).part(build_pipeline)
