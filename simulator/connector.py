"""The Bot Connector over HTTP: routes, and the order in which a call is judged.

Token, limits, faults, then the deed itself; the ledger counts every call with a valid token.
"""

import time
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from simulator import posting, rosters
from simulator.admission import admit, authenticate, locate
from simulator.calls import Answer, Call, refused
from simulator.faults import Action
from simulator.misbehaving import ConnectionBroken, break_connection, suffer
from simulator.refusals import Refusal
from simulator.world import World

Deed = Callable[[World, Call], Answer]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ROUTES: tuple[tuple[str, str, str, Deed], ...] = (
    ("POST", "/v3/conversations", "create", posting.create),
    ("POST", "/v3/conversations/{conversation}/activities", "send", posting.send),
    ("POST", "/v3/conversations/{conversation}/activities/{activity}", "reply", posting.send),
    ("PUT", "/v3/conversations/{conversation}/activities/{activity}", "update", posting.update),
    ("DELETE", "/v3/conversations/{conversation}/activities/{activity}", "delete", posting.delete),
    ("GET", "/v3/conversations/{conversation}/members", "roster", rosters.roster),
    ("GET", "/v3/conversations/{conversation}/pagedmembers", "members", rosters.paged_members),
    ("GET", "/v3/conversations/{conversation}/members/{member}", "member", rosters.member),
    ("GET", "/v3/teams/{team}", "team", rosters.team_details),
    ("GET", "/v3/teams/{team}/conversations", "channels", rosters.channels),
)


def routes(world: World, prefix: str) -> list[web.RouteDef]:
    """The Connector's routes below the service URL's path."""
    return [
        web.route(method, prefix.rstrip("/") + path, _handler(world, kind, deed)) for method, path, kind, deed in ROUTES
    ]


def _handler(world: World, kind: str, deed: Deed) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        raw = await request.read() if request.can_read_body else b""
        authorization = request.headers.get("Authorization", "")
        query = request.query if request.query_string else {}
        call = Call(kind, request.match_info, query, authorization, raw)
        try:
            answer = await _judge(world, request, call, deed)
        except Refusal as refusal:
            answer = refused(refusal)
        except ConnectionBroken:
            world.ledger.answered(0)
            return break_connection(request)
        world.ledger.answered(answer.status)
        return response_of(answer)

    return handle


async def _judge(world: World, request: web.Request, call: Call, deed: Deed) -> Answer:
    authenticate(world, call, time.time())
    locate(world, call)
    admit(world, call, time.monotonic())
    person = call.person.object_id if call.person is not None else None
    conversation = call.conversation if "conversation" in call.path else call.thread
    fault = await suffer(world, request, kind=call.kind, person=person, conversation=conversation)
    answer = deed(world, call)
    if fault is not None:
        world.ledger.count("answers_lost")
        raise fault.refusal() if fault.action is Action.FALSE_ANSWER else ConnectionBroken
    return answer


def response_of(answer: Answer) -> web.Response:
    """The answer as HTTP."""
    if answer.body is None:
        return web.Response(status=answer.status, headers=answer.headers)
    headers = {"Content-Type": "application/json; charset=utf-8", **answer.headers}
    return web.Response(status=answer.status, body=orjson.dumps(answer.body), headers=headers)
