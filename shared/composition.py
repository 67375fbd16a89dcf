"""The composition: the one place that knows concrete classes. One app per process, made at the first invocation.

Nothing here runs at import, so that the functions index with an empty environment. A setting that is missing or
contradictory is a SettingsError at each invocation until it is mended.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from shared.acceptance import Acceptance
from shared.families import Families
from shared.graph.catalog import Catalog
from shared.graph.client import GraphClient
from shared.graph.pace import GraphPace
from shared.graph.teams_app import TeamsApp
from shared.lookup import Lookup
from shared.nudging import Nudging
from shared.pacer import Pacers
from shared.passing_on import PassingOn
from shared.ports import Clock, Queue, Table
from shared.settings import GraphPacing, Settings, read_settings
from shared.snapshots import Snapshots
from shared.storage import names
from shared.storage.account import StorageAccount
from shared.storage.audiences import Audiences
from shared.storage.broadcasts import Broadcasts
from shared.storage.calendars import Calendars
from shared.storage.conversations import Conversations
from shared.storage.digest_items import DigestItems
from shared.storage.digest_turns import DigestTurns
from shared.storage.directory import Directory
from shared.storage.installations import Installations
from shared.storage.pace import SANDBOX_ROW, PaceRows
from shared.storage.poison import PoisonMessages
from shared.storage.recipient_search import RecipientSearch
from shared.storage.rejections import Rejections
from shared.storage.schedules import Schedules
from shared.storage.windows import WindowRows
from shared.teams.client import CONNECTIONS_WITH_LIMIT, CONNECTIONS_WITHOUT_LIMIT, ConnectorClient
from shared.tokens.credentials import connector_tokens, graph_tokens

Part = TypeVar("Part")


class Account(Protocol):
    """What an app needs of its storage: tables and queues by name, and their clock."""

    @property
    def clock(self) -> Clock:
        """Storage's clock."""

    def table(self, name: str) -> Table:
        """The table of this name."""

    def queue(self, name: str) -> Queue:
        """The queue of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """What the functions of one process share."""

    settings: Settings
    clock: Clock
    broadcasts: Broadcasts
    directory: Directory
    conversations: Conversations
    rejections: Rejections
    poison: PoisonMessages
    search: RecipientSearch
    installations: Installations
    audiences: Audiences
    snapshots: Snapshots
    schedules: Schedules
    calendars: Calendars
    digest_items: DigestItems
    digest_turns: DigestTurns
    sends: Queue
    plans: Queue
    installs: Queue
    pacers: Pacers
    sandbox_pacers: Pacers
    windows: WindowRows
    nudging: Nudging
    families: Families
    passing_on: PassingOn
    connector: ConnectorClient
    graph: GraphClient
    catalog: Catalog
    lookup: Lookup
    acceptance: Acceptance
    _parts: dict[Callable[["App"], Any], Any] = field(default_factory=dict)

    def part(self, build: Callable[["App"], Part]) -> Part:
        """What `build` makes of this app, made once: each capability has its use cases built so."""
        if build not in self._parts:
            self._parts[build] = build(self)
        built: Part = self._parts[build]
        return built


_making: asyncio.Task[App] | None = None


async def compose() -> App:
    """The app of this process. Raises SettingsError and StorageUnavailable, and tries anew at the next call."""
    global _making  # noqa: PLW0603 - the worker gives its functions nothing else to share.
    if _making is None or (_making.done() and (_making.cancelled() or _making.exception() is not None)):
        _making = asyncio.create_task(_make(read_settings()))
    # One invocation that is cancelled must not take the app away from the others.
    return await asyncio.shield(_making)


async def _make(settings: Settings) -> App:
    # The storage clients log every request as information, which would be most of what the app logs.
    logging.getLogger("azure").setLevel(logging.WARNING)
    account = StorageAccount(settings)
    await account.ensure(tables=names.TABLES, queues=names.QUEUES)
    connector = ConnectorClient(
        connector_tokens(settings),
        service_hosts=settings.service_hosts,
        connections=CONNECTIONS_WITH_LIMIT if settings.pace else CONNECTIONS_WITHOUT_LIMIT,
    )
    return assemble(settings, account, connector=connector, randomness=os.urandom)


def assemble(
    settings: Settings,
    account: Account,
    *,
    connector: ConnectorClient,
    randomness: Callable[[int], bytes],
    graph: GraphClient | None = None,
) -> App:
    """Put an app together over an account and a Connector; `randomness` gives so many bytes. Nothing is called here.

    Without a `graph` it gets the client of the Graph that the settings name.
    """
    clock = account.clock
    broadcasts = Broadcasts(account.table(names.BROADCASTS))
    directory = Directory(account.table(names.DIRECTORY))
    conversations = Conversations(account.table(names.CONVERSATIONS))
    audiences = Audiences(account.table(names.AUDIENCES))
    snapshots = Snapshots(audiences, broadcasts)
    sends, plans = account.queue(names.SEND_QUEUE), account.queue(names.PLAN_QUEUE)
    installs = account.queue(names.INSTALL_QUEUE)
    pace = account.table(names.PACE)
    graph = graph or GraphClient(
        partial(graph_tokens, settings),
        graph_url=settings.graph_url,
        pace=GraphPace(pace, clock=clock, is_limited=settings.graph_pacing is GraphPacing.DOCUMENTED),
    )
    nudging = Nudging(broadcasts, sends=sends, plans=plans, installs=installs)
    families = Families(broadcasts)
    lookup = Lookup(conversations, service_url=settings.service_url, scopes=settings.install_scopes)
    return App(
        settings=settings,
        clock=clock,
        broadcasts=broadcasts,
        directory=directory,
        conversations=conversations,
        rejections=Rejections(account.table(names.REJECTIONS)),
        poison=PoisonMessages(account.table(names.POISON)),
        search=RecipientSearch(account.table(names.BROADCASTS)),
        installations=Installations(account.table(names.INSTALLATIONS)),
        audiences=audiences,
        snapshots=snapshots,
        schedules=Schedules(account.table(names.SCHEDULES)),
        calendars=Calendars(account.table(names.SCHEDULES)),
        digest_items=DigestItems(account.table(names.DIGESTS)),
        digest_turns=DigestTurns(account.table(names.DIGESTS)),
        sends=sends,
        plans=plans,
        installs=installs,
        pacers=Pacers(PaceRows(pace), ceiling=settings.pace, clock=clock),
        sandbox_pacers=Pacers(PaceRows(pace, row=SANDBOX_ROW), ceiling=settings.pace, clock=clock),
        windows=WindowRows(pace, clock),
        nudging=nudging,
        families=families,
        passing_on=PassingOn(broadcasts, families, directory, nudging=nudging, clock=clock),
        connector=connector,
        graph=graph,
        catalog=Catalog(graph, TeamsApp(catalog_id=settings.teams_app_id, external_id=settings.teams_app_external_id)),
        lookup=lookup,
        acceptance=Acceptance(
            broadcasts=broadcasts,
            directory=directory,
            snapshots=snapshots,
            lookup=lookup,
            sends=sends,
            plans=plans,
            clock=clock,
            randomness=randomness,
            pace=settings.pace,
            scopes=settings.install_scopes,
            default_zone=settings.default_zone,
        ),
    )
