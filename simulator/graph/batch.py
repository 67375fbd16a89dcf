"""`POST /$batch`: up to twenty requests in one, each judged and counted singly.

Source: https://learn.microsoft.com/graph/json-batching. The answer is 200 whatever became of the parts, and they come
in any order.
"""

import asyncio
import base64
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from simulator.calls import Answer
from simulator.faults import Action
from simulator.graph.call import GraphCall
from simulator.graph.errors import GraphError, bad_request
from simulator.graph.gate import Gate
from simulator.misbehaving import ConnectionBroken, suffer

PARTS_MAX = 20
VERSION = "/v1.0"


async def perform_batch(gate: Gate, request: web.Request, call: GraphCall) -> Answer:
    """The answers of all parts; a part whose forerunner failed is answered 424.

    A fault of the kind `graph.batch` meets the whole; a broken connection of one part breaks it for all.
    """
    fault = await suffer(gate.world, request, kind="graph.batch")
    parts = _parts(call)
    done: dict[str, Answer] = {}
    broken = False
    while len(done) < len(parts):
        ready = [part for part in parts if part["id"] not in done and done.keys() >= set(part.get("dependsOn", ()))]
        results = await asyncio.gather(
            *(_part(gate, request, call, part, done) for part in ready), return_exceptions=True
        )
        for part, result in zip(ready, results, strict=True):
            if isinstance(result, Answer):
                done[part["id"]] = result
                continue
            if not isinstance(result, ConnectionBroken):
                raise result
            broken, done[part["id"]] = True, Answer(500)
    if fault is not None and fault.action is Action.FALSE_ANSWER:
        raise fault.refusal()
    if broken or fault is not None:
        raise ConnectionBroken
    responses = [_response(number, answer) for number, answer in done.items()]
    gate.world.graph.rng.shuffle(responses)
    return Answer(200, {"responses": responses})


async def _part(
    gate: Gate, request: web.Request, outer: GraphCall, part: dict[str, Any], done: dict[str, Answer]
) -> Answer:
    failed = next((number for number in part.get("dependsOn", ()) if done[number].status >= 400), None)
    if failed is not None:
        text = f"The request could not be performed because the request '{failed}' that it depends on failed."
        return GraphError(424, "FailedDependency", text).answer()
    url = part["url"].removeprefix(VERSION)
    call = GraphCall(method=part["method"].upper(), url=url, headers=part.get("headers") or {}, body=part.get("body"))
    call.tenant_id, call.roles = outer.tenant_id, outer.roles
    return await gate.perform(request, call)


def _response(number: str, answer: Answer) -> dict[str, Any]:
    response: dict[str, Any] = {"id": number, "status": answer.status, "headers": dict(answer.headers)}
    if answer.body is None:
        return response
    if "Content-Type" in answer.headers:
        # What is no JSON comes as a string.
        return {**response, "body": base64.b64encode(str(answer.body).encode()).decode()}
    return {**response, "headers": {"Content-Type": "application/json", **answer.headers}, "body": answer.body}


def _parts(call: GraphCall) -> Sequence[dict[str, Any]]:
    """The batch's requests; refuses a batch that is not well formed as a whole."""
    parts = call.json().get("requests")
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise bad_request("Invalid batch payload format.")
    if len(parts) > PARTS_MAX:
        text = f"Number of batch request steps exceeds the maximum value of {PARTS_MAX}."
        raise GraphError(400, "MaximumValueExceeded", text)
    known: set[str] = set()
    for part in parts:
        _check(part, known)
        known.add(part["id"])
    return parts


def _check(part: dict[str, Any], known: set[str]) -> None:
    """Refuse a part without a new id, a method and a relative address, or one that depends on a later part."""
    number = part.get("id")
    if not isinstance(number, str) or not number or number in known:
        raise bad_request(f"Every request of a batch needs an id of its own, as a string: {number}.")
    if not isinstance(part.get("method"), str) or not str(part.get("url", "")).startswith("/"):
        raise bad_request(f"Request {number} needs a method and an address that begins with a slash.")
    if not known.issuperset(part.get("dependsOn") or ()):
        raise bad_request(f"Request {number} depends on one that does not come before it.")
    names = {str(name).lower() for name in part.get("headers") or {}}
    if part.get("body") is not None and "content-type" not in names:
        raise bad_request(f"Write request id : {number} does not contain Content-Type header or body.")
