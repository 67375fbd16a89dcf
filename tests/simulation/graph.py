"""The Graph of a storm: gives people the app, and tells who is in the tenant, with every answer that Graph has."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence

from shared.domain.recipients import RecipientKind, recipient_key
from shared.errors import TokenRefused, TokenUnavailable
from shared.graph.kinds import Kind
from shared.graph.protocol import Request, Response
from tests.simulation.directory import StormDirectory
from tests.simulation.installs import InstallPromises
from tests.simulation.processes import Process
from tests.simulation.storm import APP_MISSING, CONSENT_MISSING, GRAPH_PASSING, GRAPH_REFUSALS, Storm, Window
from tests.simulation.trace import Trace
from tests.twins.graph import MemoryGraph, holder_of, refusal

TOKEN_SECONDS = 3600.0


class StormGraph(MemoryGraph):
    """Takes calls of all processes. An install takes effect when the call is made, whatever becomes of its answer."""

    def __init__(
        self,
        storm: Storm,
        *,
        dice: random.Random,
        trace: Trace,
        promises: InstallPromises,
        tell: Callable[[str], None],
        running: Callable[[], Process],
        on_call: Callable[[str], None],
    ) -> None:
        """`tell` has the bot told, by Teams, that it was installed for a person."""
        super().__init__(scopes=storm.scopes)
        self.newest = "2.0.0"
        self.gives_app = storm.installing
        self._storm = storm
        self._dice = dice
        self._trace = trace
        self._promises = promises
        self._tell = tell
        self._running = running
        self._on_call = on_call
        self._directory = StormDirectory(storm, dice=dice, fault=lambda name: self._fault(running(), name))
        self._tokens: dict[str, float] = {}
        """When each process fetched its token, which has the permissions of that moment."""
        self._fates: dict[str, str] = {}
        """Why each person cannot be given the app while the storm goes on; empty where nothing keeps them from it."""
        self._under_way_until: dict[str, float] = {}
        self._installed_at: dict[str, float] = {}

    def has_app(self, object_id: str) -> None:
        """Somebody has the app from the start."""
        super().has_app(object_id)
        self._promises.has_since[_key_of(object_id)] = 0.0

    def has_old_app(self, object_id: str) -> None:
        """Somebody has an older version of it."""
        self.versions[object_id] = "1.0.0"
        self._promises.outdated.add(_key_of(object_id))

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
        seconds = self._storm.connector_seconds * (0.6 + self._dice.expovariate(1.0))
        answers = [self._one(process, request, stormy=stormy, seconds=seconds) for request in requests]
        about = Counter(f"{one.method} {each.status}" for one, each in zip(requests, answers, strict=True))
        self._trace.note(now, process.life.name, "graph", dict(about))
        await asyncio.sleep(seconds)
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

    def _one(self, process: Process, request: Request, *, stormy: bool, seconds: float) -> Response:
        storm, draw = self._storm, self._dice.random
        if request.kind is Kind.DIRECTORY:
            return self._directory.answer(request, is_refused=self._lacks(process, storm.directory_refusals))
        if stormy and storm.graph_passing and draw() < storm.graph_passing:
            self._fault(process, "graph_passing")
            return self._dice.choice(GRAPH_PASSING)
        if self._lacks(process, storm.graph_blocks):
            self._fault(process, "graph_blocked")
            return CONSENT_MISSING
        holder = holder_of(request)
        if request.kind is Kind.INSTALLS_WRITE:
            answer = self._refusal(process, holder, stormy=stormy) or self._give(process, request, seconds=seconds)
        else:
            answer = self._lagging(process, request, holder) or self._answer(request)
            self._note_change(request, holder)
            if "/chat?" in request.path:
                self._promises.named(_key_of(holder))
        if stormy and storm.graph_answer_lost and draw() < storm.graph_answer_lost:
            self._fault(process, "graph_answer_lost")
            return Response(status=0)
        return answer

    def _refusal(self, process: Process, person: str, *, stormy: bool) -> Response | None:
        """Why the person is not given the app; None where they may be given it, or have it."""
        storm, now = self._storm, asyncio.get_running_loop().time()
        if stormy and any(gap.covers(now) for gap in storm.catalog_gaps):
            self._fault(process, "graph_app_missing")
            return APP_MISSING
        if not stormy or not storm.graph_refused or person in self._shown_at:
            return None
        if person not in self._fates:
            is_refused = self._dice.random() < storm.graph_refused
            self._fates[person] = self._dice.choice(list(GRAPH_REFUSALS)) if is_refused else ""
        fate = self._fates[person]
        if not fate:
            return None
        self._fault(process, f"graph_{fate}")
        self._promises.refused.add(_key_of(person))
        return GRAPH_REFUSALS[fate]

    def _give(self, process: Process, request: Request, *, seconds: float) -> Response:
        """Give somebody the app. Of two at once nothing is documented: here both are carried out."""
        holder, now = holder_of(request), asyncio.get_running_loop().time()
        if now < self._under_way_until.get(holder, 0.0):
            self.installs[holder] += 1
            answer = Response(status=201)
        else:
            answer = self._answer(request)
        if answer.status == 201:
            self._under_way_until[holder] = now + seconds
            self._installed_at[holder] = now
            self._promises.installed(process, _key_of(holder), times=self.installs[holder])
            is_told = self._storm.told and self._dice.random() < self._storm.told
            if is_told and holder.startswith("0"):
                self._tell(holder)
        return answer

    def _note_change(self, request: Request, holder: str) -> None:
        """An installation was removed or brought up to date."""
        if request.method == "DELETE" and holder not in self._shown_at:
            self.installs[holder] = 0
            self._promises.lost_app(_key_of(holder))
        if request.method == "POST":
            self._promises.outdated.discard(_key_of(holder))

    def _lagging(self, process: Process, request: Request, person: str) -> Response | None:
        """What a list, or the chat, is like that does not know of an install yet: lists of many servers come and go."""
        at, now = self._installed_at.get(person), asyncio.get_running_loop().time()
        if at is None or now - at >= self._storm.graph_lag * self._dice.random():
            return None
        self._fault(process, "graph_lag")
        return refusal(404, "NotFound") if "/chat?" in request.path else Response(status=200, body={"value": []})

    def _fault(self, process: Process, name: str) -> None:
        self._trace.fault(asyncio.get_running_loop().time(), process.life.name, name)


def _key_of(holder: str) -> str:
    """The recipient key of a person, by object id, or of a group chat."""
    return recipient_key(RecipientKind.CHAT if holder.startswith("19:") else RecipientKind.USER, holder)
