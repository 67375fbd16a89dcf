"""The Graph of a storm: gives people the app, and tells who is in the tenant, with every answer that Graph has."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence

from shared.errors import TokenRefused, TokenUnavailable
from shared.graph.kinds import Kind
from shared.graph.protocol import Request, Response
from tests.simulation.directory import StormDirectory
from tests.simulation.processes import Process
from tests.simulation.storm import GRAPH_PASSING, GRAPH_REFUSALS, Storm, Window
from tests.simulation.trace import Trace
from tests.twins.graph import MemoryGraph

TOKEN_SECONDS = 3600.0


class StormGraph(MemoryGraph):
    """Takes calls of all processes. An install takes effect when the call is made, whatever becomes of its answer."""

    def __init__(
        self,
        storm: Storm,
        *,
        dice: random.Random,
        trace: Trace,
        running: Callable[[], Process],
        on_call: Callable[[str], None],
    ) -> None:
        super().__init__(lag=storm.graph_lag)
        self.gives_app = storm.installing
        self._storm = storm
        self._dice = dice
        self._trace = trace
        self._running = running
        self._on_call = on_call
        self._directory = StormDirectory(storm, dice=dice, fault=lambda name: self._fault(running(), name))
        self._tokens: dict[str, float] = {}
        """When each process fetched its token, which has the permissions of that moment."""

    def next_page(self, request: Request, response: Response) -> Request | None:
        """As the client does it."""
        return self._directory.next_page(request, response)

    def forget_token(self, tenant: str) -> None:
        """Have the process fetch a new token with its next request."""
        super().forget_token(tenant)
        self._tokens.pop(self._running().life.name, None)

    async def send_all(self, tenant: str, requests: Sequence[Request]) -> list[Response]:  # noqa: ARG002
        """Answer, refuse, fail in passing, or lose the answer to what was done."""
        process = self._running()
        self._on_call("graph")
        now = asyncio.get_running_loop().time()
        stormy = now < self._storm.until
        if stormy and any(window.covers(now) for window in self._storm.token_windows):
            self._fault(process, "graph_token_refused")
            raise self._dice.choice([TokenRefused, TokenUnavailable])("the simulated provider refuses")
        if now - self._tokens.get(process.life.name, -TOKEN_SECONDS) >= TOKEN_SECONDS:
            self._tokens[process.life.name] = now
        blocked = self._lacks(process, self._storm.graph_blocks)
        answers = [self._one(process, request, stormy=stormy, blocked=blocked) for request in requests]
        about = Counter(f"{one.method} {each.status}" for one, each in zip(requests, answers, strict=True))
        self._trace.note(now, process.life.name, "graph", dict(about))
        await asyncio.sleep(self._storm.connector_seconds * (0.6 + self._dice.expovariate(1.0)))
        self._on_call("graph")
        return answers

    def _lacks(self, process: Process, refusals: Sequence[Window]) -> bool:
        """Whether the process may not do what an admin withholds in these windows, or withheld from its token."""
        moments = [
            moment
            for moment in (asyncio.get_running_loop().time(), self._tokens[process.life.name])
            if moment < self._storm.until
        ]
        return any(window.covers(moment) for window in refusals for moment in moments)

    def _one(self, process: Process, request: Request, *, stormy: bool, blocked: bool) -> Response:
        storm, draw = self._storm, self._dice.random
        if request.kind is Kind.DIRECTORY:
            return self._directory.answer(request, is_refused=self._lacks(process, storm.directory_refusals))
        if blocked and request.method == "POST":
            self._fault(process, "graph_blocked")
            return GRAPH_REFUSALS["consent_missing"]
        if stormy and storm.graph_refused and request.method == "POST" and draw() < storm.graph_refused:
            kind = self._dice.choice([name for name in GRAPH_REFUSALS if name != "consent_missing"])
            self._fault(process, f"graph_{kind}")
            return GRAPH_REFUSALS[kind]
        if stormy and storm.graph_passing and draw() < storm.graph_passing:
            self._fault(process, "graph_passing")
            return self._dice.choice(GRAPH_PASSING)
        answer = self._answer(request)
        if stormy and storm.graph_answer_lost and draw() < storm.graph_answer_lost:
            self._fault(process, "graph_answer_lost")
            return Response(status=0)
        return answer

    def _fault(self, process: Process, name: str) -> None:
        self._trace.fault(asyncio.get_running_loop().time(), process.life.name, name)
