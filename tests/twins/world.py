"""The whole pipeline on twins, in virtual time: real planner, sender and sweep in any number of instances.

A world is a storage account in memory, a Connector, and instances that take nudges like the queue trigger does. An
instance can be cut at any moment, without its `finally` clauses having any effect on storage.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from install_worker.parts import installer
from messages import parts
from messages.answers import Links
from send_worker.pipeline import Pipeline, build_pipeline
from send_worker.speaker import Connector
from shared.acceptance import Accepted
from shared.composition import App, assemble
from shared.domain.audience import Audience
from shared.domain.outcomes import State, count_outcomes, count_states
from shared.domain.recipients import RecipientKind, recipient_key
from shared.domain.references import Reference, values_of
from shared.domain.requests import BroadcastRequest, Content
from shared.envelopes import unpack_nudge
from shared.settings import read_settings
from shared.storage import names
from shared.storage.broadcasts import Broadcasts
from shared.storage.rows import upsert
from tests.twins.graph import CATALOG_ID, MemoryGraph
from tests.twins.loop import run_virtually
from tests.twins.storage import MemoryAccount
from tests.twins.teams import MemoryConnector

EPOCH = 1_800_000_000.0
TENANT = "00000000-0000-0000-0000-00000000aaaa"
SERVICE_URL = "https://smba.trafficmanager.net/teams/"
POLL_SECONDS = 0.2
TICK_SECONDS = 60.0


def object_id(number: int) -> str:
    """The object id of the person with this number, in the order of numbers."""
    return f"00000000-0000-0000-0000-{number:012x}"


def compose_app(
    account: MemoryAccount,
    *,
    connector: Connector,
    pace: float | None,
    randomness: Callable[[int], bytes] = lambda number: bytes(range(number)),
    graph: MemoryGraph | None = None,
) -> App:
    """An app over storage in memory, put together as a process does it. With a Graph it gives people the app."""
    settings = read_settings(
        MicrosoftAppId="app",
        MicrosoftAppPassword="secret",
        MicrosoftAppTenantId=TENANT,
        AzureWebJobsStorage="x",
        HERALD_PACE=pace or "unlimited",
        HERALD_TEAMS_APP_ID=CATALOG_ID if graph and graph.gives_app else "",
        HERALD_INSTALL_SCOPES=graph.scopes if graph else "",
        HERALD_SIGN_IN_NAMES="true" if graph else "false",
        HERALD_MAILBOX_ZONES="true" if graph and graph.mailbox_zones else "false",
    )
    # The twins have the methods that are used.
    return assemble(settings, account, connector=connector, randomness=randomness, graph=graph)  # type: ignore[arg-type]


class Instance:
    """One process: its own pacers, its own tasks, over the world's storage."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._tasks: set[asyncio.Task[None]] = set()
        app = world.app()
        self.pipeline: Pipeline = build_pipeline(app)
        self._installer = installer(app)
        self._poll = asyncio.create_task(self._take_nudges())

    async def _take_nudges(self) -> None:
        world = self._world
        while True:
            for body in world.account.queue(names.PLAN_QUEUE).take():
                self._spawn(self.pipeline.planner.handle(unpack_nudge(body).broadcast))
            for body in world.account.queue(names.SEND_QUEUE).take():
                nudge = unpack_nudge(body)
                self._spawn(self.pipeline.sender.handle(nudge.broadcast, nudge.batch or 0))
            for body in world.account.queue(names.INSTALL_QUEUE).take():
                nudge = unpack_nudge(body)
                self._spawn(self._installer.handle(nudge.broadcast, nudge.batch or 0))
            await asyncio.sleep(POLL_SECONDS)

    async def stop(self) -> None:
        """Stop as a process does that is killed: everything ends where it stands."""
        tasks = [self._poll, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class World:
    """A tenant's people, a storage account, a Connector, and the instances that run the pipeline."""

    def __init__(
        self,
        *,
        connector: MemoryConnector | None = None,
        pace: float | None = 49.75,
        graph: MemoryGraph | None = None,
    ) -> None:
        self.connector = connector or MemoryConnector()
        self.graph = graph
        self.pace = pace
        loop = asyncio.get_running_loop()
        self.account = MemoryAccount(lambda: EPOCH + loop.time())
        self.instances: list[Instance] = []
        self._ticker: asyncio.Task[None] | None = None

    def app(self) -> App:
        """An app over the world's storage, as one process composes it."""
        return compose_app(self.account, connector=self.connector, pace=self.pace, graph=self.graph)

    async def install(self, people: Sequence[int]) -> None:
        """Store the conversation references of these people, as their installs would."""
        table = self.account.table(names.CONVERSATIONS)
        for number in people:
            reference = Reference(conversation=f"a:{number}", service_url=SERVICE_URL, member=f"29:{number}")
            key = recipient_key(RecipientKind.USER, object_id(number))
            await table.write(TENANT, [upsert(key, values_of(reference))])

    def start(self, instances: int = 1) -> None:
        """Start instances, and the tick."""
        self.instances += [Instance(self) for _ in range(instances)]
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick())

    async def accept(
        self,
        *,
        users: Sequence[int] = (),
        everyone: bool = False,
        names: Sequence[str] = (),
        groups: Sequence[str] = (),
        conversations: Sequence[str] = (),
        tenant: bool = False,
        but: Audience | None = None,
        audience: Audience | None = None,
        key: str = "k",
        **options: Any,
    ) -> str:
        """Accept a broadcast, for an `audience` as it is or as it is described; its id.

        `options` are those of a `BroadcastRequest`.
        """
        keys = tuple(sorted(recipient_key(RecipientKind.USER, object_id(number)) for number in users))
        request = BroadcastRequest(
            tenant=TENANT,
            key=key,
            audience=audience
            or Audience(
                users=keys,
                everyone_installed=everyone,
                names=tuple(sorted(recipient_key(RecipientKind.NAME, name) for name in names)),
                groups=tuple(sorted(groups)),
                conversations=tuple(sorted(conversations)),
                everyone_in_tenant=tenant,
                except_people=but.except_people if but else (),
                except_groups=but.except_groups if but else (),
            ),
            content=Content(text="Hello"),
            **options,
        )
        accepted: Accepted = await self.app().acceptance.accept(request)
        return accepted.broadcast_id

    async def finished(self, broadcast_id: str, *, within: float = 7200.0) -> float:
        """Wait until the broadcast is closed; the virtual seconds that it took."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        store = Broadcasts(self.account.table(names.BROADCASTS))
        while (await store.head(broadcast_id)).finished_at is None:
            if loop.time() - started > within:
                raise AssertionError(f"not finished after {within} s: {self.states(broadcast_id)}")
            await asyncio.sleep(1.0)
        return loop.time() - started

    async def until(self, holds: Callable[[], bool], *, within: float = 600.0) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(within):
            while not holds():
                await asyncio.sleep(0.1)

    async def report(self, broadcast_id: str) -> dict[str, Any]:
        """The report that an author gets."""
        return await parts.reports(self.app()).broadcast(broadcast_id, Links("https://herald.test/api/broadcasts"))

    def states(self, broadcast_id: str) -> dict[State, int]:
        """The states of all deliveries that stand in the table, without zeros."""
        rows = self.account.table(names.BROADCASTS).rows(broadcast_id)
        outcomes = [str(values["outcomes"]) for key, values in rows.items() if key.startswith("batch!")]
        return {state: number for state, number in count_states(count_outcomes(outcomes)).items() if number}

    def posts(self) -> int:
        """How many requests have reached the Connector."""
        return len(self.connector.posted_at)

    async def stop(self) -> None:
        """Stop everything."""
        if self._ticker is not None:
            self._ticker.cancel()
        for instance in self.instances:
            await instance.stop()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            await self.instances[0].pipeline.sweep.run()


def in_a_world(
    scenario: Callable[[World], Awaitable[None]],
    *,
    connector: MemoryConnector | None = None,
    pace: float | None = 49.75,
    graph: MemoryGraph | None = None,
) -> None:
    """Run a scenario in a world of its own, in virtual time."""

    async def run() -> None:
        world = World(connector=connector, pace=pace, graph=graph)
        try:
            await scenario(world)
        finally:
            await world.stop()

    run_virtually(run())
