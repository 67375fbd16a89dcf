"""A process of the app: the real handlers over the world's storage, with clocks of its own, cut or frozen at will."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from dataclasses import replace
from typing import Any

from install_worker.parts import installer
from messages.parts import (
    broadcast_api,
    broadcast_requests,
    digest_api,
    digest_requests,
    install_api,
    poison_api,
    poison_keeper,
    schedule_api,
    tenant_api,
    wishes,
)
from send_worker.pipeline import build_lost_due_rows, build_old_items, build_pipeline
from send_worker.speaker import Connector
from shared.acceptance import Acceptance, Accepted
from shared.composition import App
from shared.domain.letters import pack_sheet, unpack_sheet
from shared.domain.requests import BroadcastRequest
from shared.envelopes import unpack_nudge
from shared.errors import InvalidRequest
from shared.storage import names
from tests.simulation.loop import LIFE, Life
from tests.twins.graph import MemoryGraph
from tests.twins.storage import MemoryAccount, MemoryQueue, MemoryTable
from tests.twins.world import compose_app

NEVER = -1e9
POISON = "-poison"
"""What the host appends to a queue's name for its poison queue."""


class ProcessAccount(MemoryAccount):
    """The world's storage as one process sees it: the same tables, through its own estimate of storage's clock."""

    def __init__(self, shared: MemoryAccount, *, error: float) -> None:
        self._shared = shared
        self._error = error

    def now(self) -> float:
        """Storage's clock as this process knows it."""
        return self._shared.now() + self._error

    def table(self, name: str) -> MemoryTable:
        """The world's table."""
        return self._shared.table(name)

    def queue(self, name: str) -> MemoryQueue:
        """The world's queue."""
        return self._shared.queue(name)


class StampedAcceptance(Acceptance):
    """Acceptance by which the words of an occurrence begin with its key, as those of all messages of a storm do."""

    def __init__(self, acceptance: Acceptance) -> None:
        self._acceptance = acceptance

    async def accept(self, request: BroadcastRequest) -> Accepted:
        """Make the request's broadcast, or finish making it."""
        if request.key.startswith("schedule!"):
            content = request.content
            if request.digest:
                sheet = unpack_sheet(content.encoded or b"")
                sheet = replace(sheet, heading=f"{request.key} {sheet.heading}")
                content = replace(content, encoded=pack_sheet(sheet))
            else:
                content = replace(content, text=f"{request.key} {content.text}")
            request = replace(request, content=content)
        return await self._acceptance.accept(request)


class Process:
    """One process. What it starts runs in its own context, by which the loop and the hooks know whose step it is."""

    def __init__(
        self,
        name: str,
        *,
        account: MemoryAccount,
        connector: Connector,
        pace: float | None,
        clock_error: float,
        wall_error: float,
        randomness: Callable[[int], bytes],
        graph: MemoryGraph,
    ) -> None:
        self.life = Life(name)
        self.wall_error = wall_error
        self.in_flight: dict[int, object] = {}
        """What the host has handed to it and not heard of again."""
        self.harmed_at = NEVER
        """When a fault last touched it: a failed call, or a freeze."""
        self.thawed_at = NEVER
        self.context: Context = copy_context()
        self.context.run(LIFE.set, self.life)
        app = compose_app(
            ProcessAccount(account, error=clock_error),
            connector=connector,
            pace=pace,
            randomness=randomness,
            graph=graph,
        )
        self.app: App = replace(app, acceptance=StampedAcceptance(app.acceptance))
        self.pipeline = build_pipeline(self.app)
        self.installer = installer(self.app)
        self.api = broadcast_api(self.app)
        self.requests = broadcast_requests(self.app)
        self.wishes = wishes(self.app)
        self.tenants = tenant_api(self.app)
        self.installs = install_api(self.app)
        self.poison_keeper = poison_keeper(self.app)
        self.poison_api = poison_api(self.app)
        self.schedules = schedule_api(self.app)
        self.lost_due_rows = build_lost_due_rows(self.app)
        self.items = digest_api(self.app)
        self.item_requests = digest_requests(self.app)
        self.old_items = build_old_items(self.app)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start work in this process."""
        task = asyncio.get_running_loop().create_task(work, context=self.context)
        # Nobody may be left to hear of a failure; whoever is asks the task.
        task.add_done_callback(_hear)
        return task

    def was_harmed_since(self, at: float) -> bool:
        """Whether a fault touched it since then."""
        return self.life.is_cut or self.harmed_at >= at

    async def handle(self, queue: str, body: bytes, message_id: str) -> None:
        """Do what the trigger of this queue does: see the blueprints."""
        if queue == names.BROADCAST_QUEUE:
            await self.requests.receive(body, message_id=message_id)
            return
        if queue == names.DIGEST_ITEM_QUEUE:
            await self.item_requests.receive(body, message_id=message_id)
            return
        if queue.endswith(POISON):
            await self.poison_keeper.receive(queue.removesuffix(POISON), body, message_id=message_id)
            return
        try:
            nudge = unpack_nudge(body)
        except InvalidRequest:
            return
        if queue == names.PLAN_QUEUE:
            await self.pipeline.planner.handle(nudge.broadcast)
        elif queue == names.INSTALL_QUEUE:
            await self.installer.handle(nudge.broadcast, nudge.batch or 0)
            return
        else:
            await self.pipeline.sender.handle(nudge.broadcast, nudge.batch or 0)
        await self.pipeline.sweep.run_if_overdue()


def _hear(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
