"""Runs in Python 3.13: indexes and invokes an app through Azure's own worker library, and prints what came of it.

`azure-functions-runtime` 1.3.0 is what Azure's worker loads to do both. Its entry points are internal, so that its
version is pinned; it takes one app per process, hence this script. On stdin it reads a JSON object with `root`,
`script` and `invocations`; on stdout it writes one with `functions` (their raw bindings), `failure` and `results`.
"""

import asyncio
import json
import os
import sys
import traceback
from types import SimpleNamespace
from typing import Any

from azure_functions_runtime import functions_metadata_request, start_threadpool_executor, worker_init_request
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.native_invocation import invocation_request_native


class BindingInfo(SimpleNamespace):
    """The message of the worker's protocol, with the values of its enumerations."""

    undefined, string, binary, stream = range(4)
    inout, out = 2, 1


class StatusResult(SimpleNamespace):
    """The message of the worker's protocol, with the values of its enumeration."""

    Failure, Success = range(2)


class Protocol:
    """Stands where the worker's generated messages would: each message is a plain record of its fields."""

    BindingInfo = BindingInfo
    StatusResult = StatusResult

    def __getattr__(self, name: str) -> type[SimpleNamespace]:
        return SimpleNamespace


def text(value: str) -> Datum:
    """A string as the host sends it."""
    return Datum(value, "string")


def http_input(request: dict[str, Any]) -> Datum:
    """A request as the host sends it."""
    parts = {
        "method": text(request["method"]),
        "url": text(request["url"]),
        "headers": {name: text(value) for name, value in request.get("headers", {}).items()},
        "query": {},
        "params": {name: text(value) for name, value in request.get("params", {}).items()},
        "body": Datum(request.get("body", "").encode(), "bytes"),
    }
    return Datum(parts, "http")


def http_output(datum: Datum | None) -> dict[str, Any]:
    """What an HTTP function answered."""
    if datum is None:
        return {}
    parts = datum.value
    return {"status": int(parts["status_code"].value), "body": parts["body"].value.decode()}


async def invoke(metadata: Any, order: dict[str, Any]) -> dict[str, Any]:
    """Invoke one function with an HTTP request or a queue message."""
    trigger = next(json.loads(raw) for raw in metadata.raw_bindings if "Trigger" in raw)
    if "http" in order:
        value, details = http_input(order["http"]), {}
    else:
        body = order["queue"]
        value = Datum(body.encode(), "bytes") if trigger.get("dataType") == "BINARY" else text(body)
        details = {"Id": text("m1"), "DequeueCount": Datum(1, "int"), "PopReceipt": text("r1")}
        details |= {name: text(member) for name, member in order.get("overwritten", {}).items()}
    ok, returned, _, error, _ = await invocation_request_native(
        "invocation-1", metadata.function_id, [(trigger["name"], value)], details
    )
    return {"ok": ok, "error": error, **(http_output(returned) if "http" in order else {})}


async def probe(task: dict[str, Any]) -> dict[str, Any]:
    """Index the app and carry out the invocations."""
    os.environ["PYTHON_SCRIPT_FILE_NAME"] = task["script"]
    os.chdir(task["root"])
    sys.path.insert(0, task["root"])
    start_threadpool_executor()
    init = SimpleNamespace(capabilities={}, function_app_directory=task["root"])
    request = SimpleNamespace(
        request=SimpleNamespace(worker_init_request=init), properties={"host": "127.0.0.1", "protos": Protocol()}
    )
    started = await worker_init_request(request)
    if started.result.status != StatusResult.Success:
        return {"failure": started.result.exception.message, "functions": {}, "results": []}
    answer = await functions_metadata_request(request)
    found = {one.name: one for one in answer.function_metadata_results}
    return {
        "failure": None,
        "functions": {name: [json.loads(raw) for raw in one.raw_bindings] for name, one in found.items()},
        "results": [await invoke(found[order["function"]], order) for order in task["invocations"]],
    }


if __name__ == "__main__":
    try:
        outcome = asyncio.run(probe(json.load(sys.stdin)))
    except Exception:  # The test shows it: it knows nothing else of this process.
        outcome = {"failure": traceback.format_exc(), "functions": {}, "results": []}
    sys.stdout.write("\n" + json.dumps(outcome) + "\n")
    sys.stdout.flush()
    # Clients that an app keeps open for its life have no end here either.
    os._exit(0)
