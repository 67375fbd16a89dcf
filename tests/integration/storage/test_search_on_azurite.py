"""One person among a million, on the emulator: found within a second."""

import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from shared.domain.batches import Recipient
from shared.domain.fingerprints import fingerprint
from shared.storage import names
from shared.storage.account import StorageAccount
from shared.storage.broadcast_keys import batch_key
from shared.storage.broadcast_rows import pack_new_batch
from shared.storage.broadcasts import Broadcasts
from shared.storage.prints import PRINTS, index_of
from shared.storage.recipient_search import RecipientSearch
from shared.storage.rows import insert
from tests.twins.accepting import user
from tests.twins.storage_servers import account_at

pytestmark = pytest.mark.azurite

BATCHES, STEP, IN_EACH = 10_000, 20, 100
"""Ten thousand batch rows are five hundred rows of the index. Only the batch that is looked for is really written."""


@pytest.fixture
async def account(azurite: str) -> AsyncIterator[StorageAccount]:
    account = account_at(azurite)
    await account.ensure(tables=names.TABLES)
    yield account
    await account.close()


def batch_of(number: int) -> tuple[Recipient, ...]:
    first = number * IN_EACH
    return tuple(
        Recipient(key=f"user!{user(one)}", service_url="https://smba.test/") for one in range(first, first + IN_EACH)
    )


async def test_one_person_in_ten_thousand_batches_is_found_within_a_second(account: StorageAccount) -> None:
    table, broadcast_id = account.table(names.BROADCASTS), uuid4().hex[:20]
    for start in range(0, BATCHES, 50 * STEP):
        steps = range(start, start + 50 * STEP, STEP)
        await table.write(
            broadcast_id, [index_of([batch_of(n) for n in range(first, first + STEP)], first=first) for first in steps]
        )
    await table.write(broadcast_id, [insert(batch_key(7_777), pack_new_batch(batch_of(7_777)))])
    search, wanted = RecipientSearch(table), f"user!{user(777_742)}"
    await search.find(broadcast_id, ["user!nobody"])

    started = time.perf_counter()
    found = await search.find(broadcast_id, [wanted])
    seconds = time.perf_counter() - started

    assert [(one.batch.number, one.position) for one in found.found] == [(7_777, 42)]
    assert found.rows == BATCHES // STEP
    assert seconds < 1.0


async def test_a_broadcasts_partition_is_removed_whatever_its_size(account: StorageAccount) -> None:
    table, broadcast_id = account.table(names.BROADCASTS), uuid4().hex[:20]
    await table.write(broadcast_id, [insert("head", {"tenant": "t"})])
    for start in range(0, 500, 100):
        await table.write(broadcast_id, [insert(batch_key(n), {"outcomes": "S"}) for n in range(start, start + 100)])

    broadcasts, steps = Broadcasts(table), 0
    while await broadcasts.remove_rows(broadcast_id):
        steps += 1

    assert steps == 6
    assert [row.key async for row in table.scan(broadcast_id)] == []


def test_a_row_of_the_index_is_small() -> None:
    operation = index_of([batch_of(n) for n in range(STEP)], first=40)

    assert operation.key == f"{PRINTS}00000040"
    assert operation.values["prints"] == b"".join(
        fingerprint(one.key) for number in range(STEP) for one in batch_of(number)
    )
    assert len(bytes(operation.values["prints"])) == 6_000
