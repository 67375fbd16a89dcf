"""A small app for the tests of the local host: each function notes its calls in `CALLS`.

What a message asks for stands in its body: `{"do": "fail"}` fails, `{"do": "sleep"}` takes a second.
"""

import asyncio
import json
import time
from typing import Any

import azure.functions as func

CALLS: list[tuple[str, Any]] = []

blueprint = func.Blueprint()
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@blueprint.route(route="echo/{name}/{number:int?}", methods=["GET", "POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answer with everything that the request held."""
    seen = {
        "method": req.method,
        "url": req.url,
        "params": dict(req.params),
        "route_params": dict(req.route_params),
        "headers": dict(req.headers.items()),
        "body": req.get_body().decode(),
        "function": context.function_name,
        "trace": context.trace_context.trace_parent,
    }
    return func.HttpResponse(json.dumps(seen), mimetype="application/json", status_code=200)


@blueprint.route()
def guarded(req: func.HttpRequest) -> func.HttpResponse:
    """Answer who has a key; the route is the function's name."""
    return func.HttpResponse("come in", headers={"X-Method": req.method, "Set-Cookie": "a=1; Path=/"})


@blueprint.route(methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
async def broken(req: func.HttpRequest) -> func.HttpResponse:
    """Fail always."""
    raise RuntimeError(f"a secret of {req.url}")


@blueprint.queue_trigger(arg_name="message", queue_name="%SAMPLE_QUEUE%", connection="AzureWebJobsStorage")
async def worker(message: func.QueueMessage) -> str | None:
    """Do what the message asks for, on the event loop."""
    order = _order(message)
    CALLS.append(("worker", {"text": message.get_body().decode(), "try": message.dequeue_count, "id": message.id}))
    if order == "sleep":
        await asyncio.sleep(1)
    if order == "fail":
        raise RuntimeError("the message asked for it")
    return "an answer that no binding takes" if order == "return" else None


@blueprint.queue_trigger(arg_name="message", queue_name="Sample-Sync", connection="AzureWebJobsStorage")
def sync_worker(message: func.QueueMessage) -> None:
    """Do what the message asks for, on a thread."""
    CALLS.append(("sync_worker", {"text": message.get_body().decode(), "try": message.dequeue_count}))
    if _order(message) == "sleep":
        time.sleep(1)


@blueprint.timer_trigger(arg_name="timer", schedule="%SAMPLE_SCHEDULE%")
async def ticker(timer: func.TimerRequest) -> None:
    """Note whether the tick is late."""
    CALLS.append(("ticker", timer.past_due))


def _order(message: func.QueueMessage) -> str:
    try:
        return str(message.get_json().get("do", ""))
    except (ValueError, AttributeError):
        return ""


app.register_functions(blueprint)
