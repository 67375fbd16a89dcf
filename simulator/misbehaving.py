"""How a listener carries out faults: wait, break the connection, hang, or answer an error."""

import asyncio
import time

from aiohttp import web

from simulator.faults import Action, Fault
from simulator.world import World

HANG_LIMIT_S = 300.0
HANG_LOOK_S = 0.05


async def suffer(
    world: World, request: web.Request, *, kind: str, person: str | None = None, conversation: str | None = None
) -> Fault | None:
    """Carry out what is due before the call is done; returns a fault that strikes after delivery.

    Raises `Refusal` where the fault is an answer, and `ConnectionBroken` where there is none.
    """
    verdict = world.faults.judge(kind=kind, person=person, conversation=conversation, now=time.monotonic())
    if verdict is None:
        return None
    fault = verdict.fault
    if verdict.delay_s and (fault is None or fault.action is not Action.HANG):
        await asyncio.sleep(verdict.delay_s)
    if fault is None:
        return None
    if fault.action is Action.ANSWER:
        raise fault.refusal()
    if fault.action is Action.HANG:
        await _hang(request, fault.delay_s or HANG_LIMIT_S)
    if fault.action in (Action.RESET, Action.HANG):
        raise ConnectionBroken
    return fault


class ConnectionBroken(Exception):
    """The call ends without an answer."""


def break_connection(request: web.Request) -> web.Response:
    """Close the socket; the response that aiohttp wants goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def _hang(request: web.Request, limit_s: float) -> None:
    """Keep the caller waiting until it gives up."""
    for _ in range(int(limit_s / HANG_LOOK_S)):
        if request.transport is None or request.transport.is_closing():
            return
        await asyncio.sleep(HANG_LOOK_S)
