"""The largest sheet and the longest letters on Azurite, which counts a row as it travels: larger than Azure does."""

from dataclasses import replace
from uuid import uuid4

import pytest

from send_worker.digest_walk import MOST_NAMED
from send_worker.gathering import MOST_TOLD
from shared.domain.batches import Recipient
from shared.domain.broadcasts import Broadcast
from shared.domain.cursors import MOST_PARTS, Cursor
from shared.domain.digests import Item
from shared.domain.lanes import LanePlan
from shared.domain.letters import LARGEST_SHEET, compose, fill_sheet, pack_letter, pack_sheet, unpack_sheet
from shared.domain.plans import portions
from shared.storage import names
from shared.storage.broadcasts import Broadcasts
from shared.storage.digest_items import DigestItems, NewItem
from shared.storage.digest_plans import name_taken
from tests.twins.storage_servers import account_at

pytestmark = pytest.mark.azurite


async def test_the_largest_digest_is_stored_and_read_again(azurite: str) -> None:
    account = account_at(azurite)
    await account.ensure(tables=names.TABLES)
    store, broadcast_id = Broadcasts(account.table(names.BROADCASTS)), uuid4().hex[:20]
    sheet = fill_sheet("Daily", [Item(title=f"{n}", text='"🔥' * 500, at=float(n)) for n in range(1_000)])
    letter = compose([Item(title=f"{n}", text='"🔥' * 500, at=float(n)) for n in range(20)], [], now=0.0)
    assert letter is not None
    people = [
        Recipient(key=f"user!{n:04}", service_url="https://smba.test/", letter=pack_letter(letter)) for n in range(200)
    ]
    head = Broadcast(
        id=broadcast_id, tenant="t", key="k", body_hash="h", digest="daily", lanes=LanePlan(sends=1), accepted_at=1.0
    )

    try:
        await store.begin(head, content=pack_sheet(sheet), audience=b"{}", cursor=Cursor())
        (portion, *_) = portions(people, is_stranger=lambda _: False)
        held = await store.cursor(broadcast_id)
        cursor, new = portion.step(held.cursor)
        await store.step(broadcast_id, cursor, etag=held.etag, rows=new)

        stored = await store.content(broadcast_id)
        assert LARGEST_SHEET * 0.8 < len(stored) <= LARGEST_SHEET
        assert unpack_sheet(stored) == sheet
        assert (await store.head(broadcast_id)).digest == "daily"
        batches = [await store.batch(broadcast_id, number) for number in range(cursor.batches)]
        assert [one for batch in batches if batch for one in batch.recipients] == people[: cursor.recipients]
        assert cursor.batches > 1
    finally:
        await account.close()


async def test_the_largest_step_of_a_digest_is_stored_and_read_again(azurite: str) -> None:
    """As many letters, names of items and names of runs as there can be, in one transaction."""
    account = account_at(azurite)
    await account.ensure(tables=names.TABLES)
    store, items = Broadcasts(account.table(names.BROADCASTS)), DigestItems(account.table(names.DIGESTS))
    broadcast_id, tenant = uuid4().hex[:20], str(uuid4())
    new = NewItem(
        tenant=tenant,
        digest="daily",
        id="0" * 20,
        item=Item(title="One", at=0.0),
        person=f"user!{tenant}",
        receipt="r",
        version="1",
    )
    letter = compose([Item(title=f"{n}", text='"🔥' * 500, at=float(n)) for n in range(20)], [], now=0.0)
    assert letter is not None
    people = [
        Recipient(key=f"user!{n:04}", service_url="https://smba.test/", letter=pack_letter(letter)) for n in range(200)
    ]
    head = Broadcast(
        id=broadcast_id, tenant="t", key="k", body_hash="h", digest="daily", lanes=LanePlan(sends=1), accepted_at=1.0
    )

    try:
        await items.put(new)
        [stored] = [one async for one in items.people(tenant, "daily")]
        named = [stored.named] * (MOST_NAMED - 1 + MOST_TOLD)
        await store.begin(head, content=b"{}", audience=b"{}", cursor=Cursor())
        (portion, *_) = portions(people, is_stranger=lambda _: False)
        held = await store.cursor(broadcast_id)
        cursor, rows = portion.step(replace(held.cursor, parts="-;" * (MOST_PARTS // 2 + 200)))
        await store.step(broadcast_id, cursor, etag=held.etag, rows=rows, also=[name_taken(named)])

        assert await store.digests.taken(broadcast_id) == tuple(named)
        assert (await store.cursor(broadcast_id)).cursor == cursor
        assert cursor.batches > 1
    finally:
        await account.close()
