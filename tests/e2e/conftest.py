"""Stacks for end-to-end tests: real storage, the real app on its local host, the stand-in with real signatures."""

from collections.abc import AsyncIterator

import pytest_asyncio

from localhost.stack import Stack
from tests.e2e.herald import Herald


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def herald() -> AsyncIterator[Herald]:
    """A Herald without limits, shared by tests that bring their own people and texts."""
    async with Stack(environment={"HERALD_PACE": "unlimited"}, simulator=("--rate", "0")) as stack:
        yield Herald(stack)


@pytest_asyncio.fixture(loop_scope="session")
async def paced() -> AsyncIterator[Herald]:
    """A Herald of its own, under Teams' limits."""
    async with Stack() as stack:
        yield Herald(stack)


@pytest_asyncio.fixture(loop_scope="session")
async def pair() -> AsyncIterator[Herald]:
    """Two hosts on one storage account, under Teams' limits."""
    async with Stack(hosts=2) as stack:
        yield Herald(stack)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installing() -> AsyncIterator[Herald]:
    """A Herald that gives people the app, without limits, shared like `herald`."""
    settings = {
        "HERALD_PACE": "unlimited",
        "HERALD_GRAPH_PACE": "unlimited",
        "HERALD_INSTALL_SCOPES": "personal,team,groupChat",
    }
    async with Stack(environment=settings, simulator=("--rate", "0", "--no-graph-limits"), installs=True) as stack:
        yield Herald(stack)


@pytest_asyncio.fixture(loop_scope="session")
async def installing_apart() -> AsyncIterator[Herald]:
    """A Herald of its own that gives people the app, under Graph's limits."""
    async with Stack(environment={"HERALD_PACE": "unlimited"}, simulator=("--rate", "0"), installs=True) as stack:
        yield Herald(stack)
