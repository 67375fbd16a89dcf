"""HTTP triggers: routes requests to functions as the Functions host does, and turns their answers into responses.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-http-webhook-trigger: a request that matches no
route, or no method of one, gets 404; a function that fails gives 500 without a body. Keys are not checked unless a
key is given, as with Core Tools.
"""

import hmac
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import azure.functions as func
from aiohttp import web
from azure.functions import meta
from azure.functions.http import HttpRequestConverter, HttpResponseConverter

from localhost.functions import BadAppError, HostedFunction
from localhost.invocation import Invoker, log_failure, new_trace
from localhost.routing import Route

# FUNCTIONS_REQUEST_BODY_SIZE_LIMIT's default: 100 MiB.
BODY_LIMIT = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A function with its route. No methods means all of them; the level is `anonymous`, `function` or `admin`."""

    function: HostedFunction
    route: Route
    methods: frozenset[str]
    level: str

    @classmethod
    def of(cls, function: HostedFunction, prefix: str) -> "Endpoint":
        """Read the trigger of an HTTP function; the route defaults to the function's name."""
        trigger = function.trigger
        template = str(trigger.get("route") or function.name).strip("/")
        Route.parse(template)
        return cls(
            function=function,
            route=Route.parse(f"{prefix}/{template}"),
            methods=frozenset(str(getattr(method, "value", method)).upper() for method in trigger.get("methods") or ()),
            level=str(getattr(trigger.get("authLevel"), "value", "function")).lower(),
        )

    def takes(self, method: str) -> bool:
        """Whether the function answers a method."""
        return not self.methods or method in self.methods


class HttpFront:
    """All HTTP functions of an app behind one handler."""

    def __init__(self, functions: list[HostedFunction], *, prefix: str, invoker: Invoker, key: str | None) -> None:
        endpoints = [Endpoint.of(function, prefix) for function in functions]
        _refuse_overlaps(endpoints)
        self._endpoints = sorted(endpoints, key=lambda endpoint: endpoint.route.precedence)
        self._invoker = invoker
        self._key = key

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        path = [unquote(part) for part in request.url.raw_path.split("/") if part]
        for endpoint in self._endpoints:
            if not endpoint.takes(request.method):
                continue
            parameters = endpoint.route.match(path)
            if parameters is not None:
                return await self._answer(endpoint, request, parameters)
        return web.Response(status=404)

    def is_authorized(self, request: web.Request, level: str) -> bool:
        """Whether a request may call what has a level; a key in the header wins over one in the query."""
        if self._key is None or level == "anonymous":
            return True
        given = request.headers.get("x-functions-key") or request.query.get("code") or ""
        return hmac.compare_digest(given.encode(), self._key.encode())

    async def _answer(self, endpoint: Endpoint, request: web.Request, parameters: dict[str, str]) -> web.StreamResponse:
        if not self.is_authorized(request, endpoint.level):
            return web.Response(status=401)
        value = await _to_trigger_value(request, parameters)
        trace = new_trace(request.headers.get("traceparent", ""), request.headers.get("tracestate", ""))
        try:
            return to_response(await self._invoker.invoke(endpoint.function, value, trace))
        except Exception as error:
            log_failure(endpoint.function, error)
            return web.Response(status=500)


def _refuse_overlaps(endpoints: list[Endpoint]) -> None:
    for place, one in enumerate(endpoints):
        for other in endpoints[:place]:
            same_route = one.route.template.lower() == other.route.template.lower()
            shared = one.methods & other.methods if one.methods and other.methods else True
            if same_route and shared:
                raise BadAppError(f"{one.function.name} and {other.function.name} share the route {one.route.template}")


async def _to_trigger_value(request: web.Request, parameters: dict[str, str]) -> func.HttpRequest:
    # The host passes a body on only where its length is stated: a chunked one arrives empty.
    body = await request.read() if request.content_length else b""
    headers: dict[str, str] = {}
    for name, text in request.headers.items():
        lower = name.lower()
        headers[lower] = f"{headers[lower]},{text}" if lower in headers else text
    query: dict[str, str] = {}
    for name, text in request.query.items():
        query[name] = f"{query[name]},{text}" if name in query else text
    parts: dict[str, Any] = {
        "method": _text(request.method),
        "url": _text(str(request.url)),
        "headers": {name: _text(text) for name, text in headers.items()},
        "query": {name: _text(text) for name, text in query.items()},
        "params": {name: _text(text) for name, text in parameters.items()},
        "body": meta.Datum(type="bytes", value=body),
    }
    value: func.HttpRequest = HttpRequestConverter.decode(meta.Datum(type="http", value=parts), trigger_metadata=None)
    return value


def _text(value: str) -> meta.Datum:
    return meta.Datum(type="string", value=value)


def to_response(result: Any) -> web.Response:
    """Turn what a function returned into a response; raise NotImplementedError for what no HTTP binding takes."""
    if result is None:
        return web.Response(status=204)
    datum = HttpResponseConverter.encode(result, expected_type=None)
    if datum.type == "string":
        return web.Response(text=datum.value)
    parts = datum.value
    headers = {name: header.value for name, header in parts["headers"].items()}
    response = web.Response(status=int(parts["status_code"].value), headers=headers, body=parts["body"].value)
    for cookie in parts["cookies"] or ():
        for morsel in cookie.values():
            response.headers.add("Set-Cookie", morsel.OutputString())
    return response
