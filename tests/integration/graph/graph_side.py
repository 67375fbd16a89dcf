"""Herald's side of the stand-in's Graph: a client that is closed at the end, and tokens in a test's own hands."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import aiohttp

from shared.errors import TokenUnavailable
from shared.graph.client import TIMEOUT, GraphClient
from shared.graph.pace import GraphPace
from shared.settings import Settings
from shared.tokens.credentials import graph_tokens
from shared.tokens.source import Token, TokenSource
from simulator.standin import StandIn
from tests.twins.storage import MemoryTable


class Clock:
    """The machine's clock in the place of storage's."""

    def now(self) -> float:
        return time.time()


@dataclass
class Herald:
    """A client of Graph with its own table for the pace."""

    client: GraphClient
    table: MemoryTable


@asynccontextmanager
async def a_herald(
    teams: StandIn,
    settings: Settings,
    *,
    is_limited: bool = False,
    tokens_of: Callable[[str], TokenSource] | None = None,
    timeout: aiohttp.ClientTimeout = TIMEOUT,
) -> AsyncIterator[Herald]:
    """A client of the stand-in's Graph, as the composition makes it."""
    table = MemoryTable(time.time)
    client = GraphClient(
        tokens_of or partial(graph_tokens, settings),
        graph_url=settings.graph_url,
        pace=GraphPace(table, clock=Clock(), is_limited=is_limited),
        timeout=timeout,
        ssl_context=teams.ssl_context,
    )
    try:
        yield Herald(client, table)
    finally:
        await client.close()


@dataclass
class Vault:
    """Gives tokens one after the other, the last one again and again; with none it is unavailable."""

    values: list[str]
    now: float = 0.0
    asked: int = field(default=0, init=False)

    async def fetch(self) -> Token:
        await asyncio.sleep(0)
        self.asked += 1
        if not self.values:
            raise TokenUnavailable("empty")
        return Token(value=self.values.pop(0), lifetime=3600.0)

    def source(self, _tenant: str) -> TokenSource:
        return TokenSource(self.fetch, clock=lambda: self.now)
