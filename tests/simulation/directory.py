"""The directory of a storm: pages that fail, repeat and overlap, links that expire, consent that comes and goes."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

from shared.graph.protocol import Request, Response
from tests.simulation.storm import Storm
from tests.simulation.tenant import LATE_GROUP, Tenant
from tests.twins.directory import EXPIRED, FORBIDDEN, GRAPH_URL, MemoryDirectory
from tests.twins.graph import refusal

PASSING = (
    refusal(429, "TooManyRequests", retry_after=3.0),
    refusal(429, "TooManyRequests", retry_after=200.0),
    refusal(503, "serviceNotAvailable"),
    Response(status=200, body={}),
    Response(status=0),
)
NO_SUCH_LINK = (EXPIRED, refusal(410, "Gone"))


class StormDirectory(MemoryDirectory):
    """Answers pages. The late group is there from its moment on."""

    def __init__(self, storm: Storm, *, dice: random.Random, fault: Callable[[str], None]) -> None:
        """`fault` is told of each fault that fires."""
        tenant = storm.tenant or Tenant()
        super().__init__(tenant.accounts, tenant.groups, page_size=storm.page_size, overlap=storm.page_overlap)
        self._storm = storm
        self._dice = dice
        self._fire = fault
        self._late: Tenant | None = tenant

    def answer(self, request: Request, *, is_refused: bool) -> Response:
        """The page that is asked for, or what goes wrong with it. `is_refused` while the consent is missing."""
        storm, draw = self._storm, self._dice.random
        now = asyncio.get_running_loop().time()
        self._let_come(now)
        if is_refused:
            self._fire("directory_refused")
            is_list = "$filter" not in request.path
            return self._without_consent(request) if storm.shows_ids_alone and is_list else FORBIDDEN
        if now >= storm.until:
            return self.page(request)
        if storm.directory_passing and draw() < storm.directory_passing:
            self._fire("directory_passing")
            return self._dice.choice(PASSING)
        by_link = "$skiptoken" in request.path
        if by_link and storm.link_expired and draw() < storm.link_expired:
            self._fire("link_expired")
            return self._dice.choice(NO_SUCH_LINK)
        answer = self.page(request)
        if storm.page_repeated and "@odata.nextLink" in answer.body and draw() < storm.page_repeated:
            self._fire("page_repeated")
            return replace(answer, body={**answer.body, "@odata.nextLink": GRAPH_URL + request.path})
        return answer

    def _without_consent(self, request: Request) -> Response:
        self.is_readable = False
        answer = self.page(request)
        self.is_readable = True
        return answer

    def _let_come(self, now: float) -> None:
        """Let the directory know the group that it did not know before."""
        late = self._late
        if late is None or now < late.late_at:
            return
        self._late = None
        self.groups[LATE_GROUP] = list(late.late_group)
