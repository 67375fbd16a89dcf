"""What an end-to-end test writes into a running app's storage past the app: broadcasts of another time."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shared.acceptance import Acceptance
from shared.lookup import Lookup
from shared.ports import Clock
from shared.requests import read_request
from shared.snapshots import Snapshots
from shared.storage import names
from shared.storage.account import StorageAccount
from shared.storage.audiences import Audiences
from shared.storage.broadcasts import Broadcasts
from shared.storage.conversations import Conversations
from shared.storage.directory import Directory
from tests.e2e.herald import Herald
from tests.twins.storage import MemoryQueue
from tests.twins.storage_servers import account_at


class Earlier:
    """Storage's clock, so many seconds ago."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._clock.now() - self._seconds


@asynccontextmanager
async def storage_of(herald: Herald) -> AsyncIterator[StorageAccount]:
    """The app's storage account, whose tables the app has made."""
    account = account_at(herald.stack.connection_string)
    await account.ensure(tables=names.TABLES)
    yield account
    await account.close()


async def accept_unnudged(
    herald: Herald, account: StorageAccount, document: dict[str, Any], *, seconds_ago: float = 0.0
) -> str:
    """Accept a request as the app did at an earlier time, and let its nudge be lost; the broadcast's id."""
    clock = Earlier(account.clock, seconds_ago)
    lost = MemoryQueue(clock.now)
    service_url = str(herald.stack.addresses["environment"]["HERALD_SERVICE_URL"])
    broadcasts = Broadcasts(account.table(names.BROADCASTS))
    acceptance = Acceptance(
        broadcasts=broadcasts,
        directory=Directory(account.table(names.DIRECTORY)),
        snapshots=Snapshots(Audiences(account.table(names.AUDIENCES)), broadcasts),
        lookup=Lookup(Conversations(account.table(names.CONVERSATIONS)), service_url=service_url),
        sends=lost,
        plans=lost,
        clock=clock,
        randomness=os.urandom,
        pace=None,
    )
    request = read_request(document, tenants=[herald.tenant], key="unused")
    return (await acceptance.accept(request)).broadcast_id
