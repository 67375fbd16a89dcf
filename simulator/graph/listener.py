"""Graph over HTTP: one route for everything below `/v1.0`."""

from aiohttp import web

from simulator.calls import Answer
from simulator.connector import response_of
from simulator.graph.announcing import Announcer
from simulator.graph.batch import VERSION, perform_batch
from simulator.graph.call import GraphCall
from simulator.graph.errors import GraphError
from simulator.graph.gate import Gate
from simulator.misbehaving import ConnectionBroken, break_connection
from simulator.world import World

BATCH = ("$batch",)


def routes(world: World, announcer: Announcer) -> list[web.RouteDef]:
    """Graph's route."""
    gate = Gate(world, announcer.announce)

    async def handle(request: web.Request) -> web.StreamResponse:
        raw = await request.read() if request.can_read_body else b""
        url = request.raw_path.removeprefix(VERSION)
        call = GraphCall(method=request.method, url=url, headers=request.headers, body=raw)
        try:
            gate.authenticate(call)
            return response_of(await _answer(gate, request, call))
        except GraphError as error:
            return response_of(error.answer())
        except ConnectionBroken:
            return break_connection(request)

    return [web.route("*", VERSION + "/{path:.*}", handle)]


async def _answer(gate: Gate, request: web.Request, call: GraphCall) -> Answer:
    if call.path == BATCH and call.method == "POST":
        return await gate.count("batch", perform_batch(gate, request, call))
    return await gate.perform(request, call)
