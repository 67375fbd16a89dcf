"""The Graph of a storm: gives people the app, with every answer that Graph has."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence

from shared.errors import TokenRefused, TokenUnavailable
from shared.graph.protocol import Request, Response
from tests.simulation.processes import Process
from tests.simulation.storm import GRAPH_PASSING, GRAPH_REFUSALS, Storm
from tests.simulation.trace import Trace
from tests.twins.graph import MemoryGraph


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
        self._storm = storm
        self._dice = dice
        self._trace = trace
        self._running = running
        self._on_call = on_call

    async def send_all(self, tenant: str, requests: Sequence[Request]) -> list[Response]:  # noqa: ARG002
        """Answer, refuse, fail in passing, or lose the answer to what was done."""
        process = self._running()
        self._on_call("graph")
        now = asyncio.get_running_loop().time()
        stormy = now < self._storm.until
        if stormy and any(window.covers(now) for window in self._storm.token_windows):
            self._fault(process, "graph_token_refused")
            raise self._dice.choice([TokenRefused, TokenUnavailable])("the simulated provider refuses")
        blocked = stormy and any(window.covers(now) for window in self._storm.graph_blocks)
        answers = [self._one(process, request, stormy=stormy, blocked=blocked) for request in requests]
        about = Counter(f"{one.method} {each.status}" for one, each in zip(requests, answers, strict=True))
        self._trace.note(now, process.life.name, "graph", dict(about))
        await asyncio.sleep(self._storm.connector_seconds * (0.6 + self._dice.expovariate(1.0)))
        self._on_call("graph")
        return answers

    def _one(self, process: Process, request: Request, *, stormy: bool, blocked: bool) -> Response:
        storm, draw = self._storm, self._dice.random
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
