"""The largest step of a split on Azurite: everybody is found again in the share of their instant, and in no other."""

from dataclasses import replace
from uuid import uuid4

import pytest

from send_worker.splitting import MOST_AHEAD
from shared.domain.audience import Shared
from shared.domain.broadcasts import Broadcast
from shared.domain.cursors import Cursor
from shared.domain.lanes import LanePlan
from shared.storage import names
from shared.storage.broadcasts import Broadcasts
from shared.storage.shares import MOST_ROWS, share_rows
from tests.twins.storage_servers import account_at

pytestmark = pytest.mark.azurite
NOON = 1_800_000_000


async def read_all(store: Broadcasts, parent: str, at: int, kind: str) -> list[str]:
    """The recipients of one kind of an instant, page by page."""
    found, token = list[str](), ""
    while True:
        page = await store.shares.page(Shared(parent=parent, at=at), kind=kind, token=token)
        found += page.keys
        token = page.token
        if not token:
            return found


async def test_shares_of_forty_instants_and_the_longest_names_are_read_again(azurite: str) -> None:
    account = account_at(azurite)
    await account.ensure(tables=names.TABLES)
    store, parent = Broadcasts(account.table(names.BROADCASTS)), uuid4().hex[:20]
    people = [f"user!00000000-0000-0000-0000-{number:012x}" for number in range(MOST_AHEAD)]
    channels = [f"channel!19:{number:04}{'x' * 396}" for number in range(MOST_AHEAD)]
    by_instant = {NOON + 1_800 * place: people[place::40] for place in range(40)}
    head = Broadcast(id=parent, tenant="t", key="k", body_hash="h", lanes=LanePlan(sends=0), accepted_at=1.0)

    try:
        await store.begin(head, content=b"{}", audience=b"{}", cursor=Cursor())
        held, shares = await store.cursor(parent), 0
        for step in (by_instant, {NOON: channels}, *[{NOON: [key]} for key in people[: 2 * MOST_ROWS]]):
            rows = share_rows(step, first=shares)
            shares += len(rows)
            await store.step(parent, replace(held.cursor, shares=shares), etag=held.etag, also=rows)
            held = await store.cursor(parent)

        assert await read_all(store, parent, NOON, "text") == channels
        assert await read_all(store, parent, NOON, "user") == [*by_instant[NOON], *people[: 2 * MOST_ROWS]]
        for at in list(by_instant)[1:]:
            assert await read_all(store, parent, at, "user") == by_instant[at]
            assert await read_all(store, parent, at, "text") == []
    finally:
        await account.close()
