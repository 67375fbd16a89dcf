"""The order in which a request to Graph is judged: token, limits, roles, faults, and the deed last."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from simulator.calls import Answer
from simulator.faults import Action
from simulator.graph.call import Change, GraphCall
from simulator.graph.errors import GraphError, mailbox_refused, missing_roles, throttled
from simulator.graph.rules import TELL_ABOVE, Admission, identity_cost
from simulator.graph.table import Route, route_of
from simulator.misbehaving import ConnectionBroken, suffer
from simulator.refusals import Refusal
from simulator.world import World

AUDIENCE = "https://graph.microsoft.com"


@dataclass(frozen=True, slots=True)
class Gate:
    """Judges requests of one world; `announce` is told of every change that the bot will hear of."""

    world: World
    announce: Callable[[Change], None]

    def authenticate(self, call: GraphCall) -> None:
        """Take tenant and roles from the caller's token; refuses one that is not valid here."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        claims = None
        if scheme.lower() == "bearer":
            claims = self.world.verifier.claims(token, audience=AUDIENCE, now=time.time())
        if claims is None:
            raise GraphError(401, "InvalidAuthenticationToken", "Access token validation failure.")
        call.tenant_id, call.roles = str(claims["tid"]), frozenset(claims.get("roles", ()))

    async def perform(self, request: web.Request, call: GraphCall) -> Answer:
        """The answer to a request, a batch's part too; raises `ConnectionBroken` where there is none."""
        try:
            route = route_of(call)
        except GraphError as error:
            self.world.graph.counts.answered("unknown", error.status)
            return error.answer()
        try:
            return await self.count(route.kind, self._judge(request, call, route))
        finally:
            for change in call.changes:
                self.announce(change)

    async def count(self, kind: str, work: Awaitable[Answer]) -> Answer:
        """The answer of some work, its refusals too, written down in the figures."""
        counts = self.world.graph.counts
        try:
            answer = await work
        except GraphError as error:
            answer = error.answer()
        except Refusal as fault:
            answer = GraphError(fault.status, fault.code, fault.message, retry_after=fault.retry_after).answer()
        except ConnectionBroken:
            counts.answered(kind, 0)
            raise
        counts.answered(kind, answer.status)
        return answer

    async def _judge(self, request: web.Request, call: GraphCall, route: Route) -> Answer:
        admission = self._admit(call, route)
        directory = route.rule == "identity"
        if not call.roles.intersection(route.roles):
            if route.rule == "mailbox":
                raise mailbox_refused()
            raise missing_roles(route.roles, call.roles, directory=directory)
        person = self.world.directory.person(call.params.get("user", ""))
        object_id = person.object_id if person is not None else None
        fault = await suffer(self.world, request, kind=f"graph.{route.kind}", person=object_id)
        answer = route.deed(self.world, call)
        if fault is not None:
            raise fault.refusal() if fault.action is Action.FALSE_ANSWER else ConnectionBroken
        if directory and admission.used > TELL_ABOVE:
            share = {"x-ms-throttle-limit-percentage": f"{admission.used:.1f}"}
            return Answer(answer.status, answer.body, {**answer.headers, **share})
        return answer

    def _admit(self, call: GraphCall, route: Route) -> Admission:
        graph, now = self.world.graph, time.monotonic()
        graph.counts.request(route.rule, now)
        cost = identity_cost(route.units, call.query) if route.rule == "identity" else 1
        resource = next(((kind, call.params[kind]) for kind in ("user", "team", "chat") if kind in call.params), None)
        admission = graph.limits.admit(rule=route.rule, tenant=call.tenant_id, resource=resource, cost=cost, now=now)
        if admission.wait > 0:
            graph.counts.throttled(route.rule)
            raise throttled(admission.wait)
        return admission
