"""Acceptance, directory and rejections on the emulator: what the twins promise holds on the real protocol."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest

from messages.broadcast_requests import BroadcastRequests
from shared.acceptance import Acceptance
from shared.domain.audience import unpack_audience
from shared.domain.saved_audiences import LARGEST_AUDIENCE
from shared.snapshots import Snapshots
from shared.storage import names
from shared.storage.account import StorageAccount
from shared.storage.audiences import Audiences, SavedAudience
from shared.storage.broadcasts import Broadcasts
from shared.storage.directory import Directory
from shared.storage.rejections import UNKNOWN_TENANT, Rejections
from tests.twins.accepting import KnownEverybody, a_document, a_request, as_json, user
from tests.twins.storage_servers import account_at

pytestmark = pytest.mark.azurite


@pytest.fixture
async def account(azurite: str) -> AsyncIterator[StorageAccount]:
    account = account_at(azurite)
    await account.ensure(tables=names.TABLES, queues=names.QUEUES)
    yield account
    await account.close()


@pytest.fixture
def tenant() -> str:
    """A tenant of its own for each test, since the tables are shared."""
    return str(uuid4())


@pytest.fixture
def directory(account: StorageAccount) -> Directory:
    return Directory(account.table(names.DIRECTORY))


@pytest.fixture
def acceptance(account: StorageAccount, directory: Directory) -> Acceptance:
    broadcasts = Broadcasts(account.table(names.BROADCASTS))
    return Acceptance(
        broadcasts=broadcasts,
        directory=directory,
        snapshots=Snapshots(Audiences(account.table(names.AUDIENCES)), broadcasts),
        lookup=KnownEverybody(),
        sends=account.queue(names.SEND_QUEUE),
        plans=account.queue(names.PLAN_QUEUE),
        clock=account.clock,
        randomness=os.urandom,
        pace=50.0,
    )


async def test_many_at_once_with_one_key_make_one_broadcast(
    acceptance: Acceptance, directory: Directory, tenant: str
) -> None:
    audience = {"users": [user(number) for number in range(100)]}
    request = replace(a_request(audience=audience, content={"text": "é" * 40_000}), tenant=tenant)

    accepted = await asyncio.gather(*(acceptance.accept(request) for _ in range(6)))

    assert len({one.broadcast_id for one in accepted}) == 1
    assert [entry.broadcast_id for entry in (await directory.page(tenant, limit=10)).entries] == [
        accepted[0].broadcast_id
    ]
    opened = [one.broadcast_id for one in await directory.open_broadcasts() if one.tenant == tenant]
    assert opened == [accepted[0].broadcast_id]


async def test_pages_list_every_broadcast_once_newest_first(
    acceptance: Acceptance, directory: Directory, tenant: str
) -> None:
    ids = []
    for number in range(5):
        request = replace(a_request(key=f"it's key #{number}/\\?"), tenant=tenant)
        ids.append((await acceptance.accept(request)).broadcast_id)

    listed, after = list[str](), ""
    while True:
        page = await directory.page(tenant, after=after, limit=2)
        listed += [entry.broadcast_id for entry in page.entries]
        after = page.next
        if not after:
            break

    assert listed == ids[::-1]


async def test_rejection_is_recorded_once_and_read_as_it_came(
    account: StorageAccount, acceptance: Acceptance, tenant: str
) -> None:
    rejections = Rejections(account.table(names.REJECTIONS))
    requests = BroadcastRequests(acceptance=acceptance, rejections=rejections, clock=account.clock, tenants=[tenant])
    body = as_json(a_document(tenant=tenant, version=2)) + b" " * 200_000

    await requests.receive(body, message_id="m1")
    await requests.receive(body, message_id="m1")
    await requests.receive(b"\xff\x00hello" + tenant.encode(), message_id="m2")

    (mine,) = (await rejections.page([tenant], limit=10)).rejections
    assert mine.body == body
    assert [fault.pointer for fault in mine.faults] == ["/version"]
    unknown = (await rejections.page([UNKNOWN_TENANT], limit=100)).rejections
    assert [one.body for one in unknown if tenant.encode() in one.body] == [b"\xff\x00hello" + tenant.encode()]


async def test_the_largest_saved_audience_is_kept(acceptance: Acceptance, account: StorageAccount, tenant: str) -> None:
    audiences = Audiences(account.table(names.AUDIENCES))
    # A thousand of the longest names that there are.
    domain = ".".join(["d" * 63] * 9)
    document = {"users": [f"{number:0>64}@{domain}" for number in range(1_000)]}
    await audiences.put(tenant, SavedAudience(name="large", document=document, changed_at=0.0))

    accepted = await acceptance.accept(replace(a_request(audience={"saved": ["large"]}), tenant=tenant))

    read = await audiences.get(tenant, "large")
    kept = unpack_audience(await Broadcasts(account.table(names.BROADCASTS)).audience(accepted.broadcast_id))
    assert read is not None
    assert (read.document, len(kept.names)) == (document, 1_000)


async def test_an_audience_at_its_bound_is_kept_in_one_row(
    acceptance: Acceptance, account: StorageAccount, tenant: str
) -> None:
    audiences = Audiences(account.table(names.AUDIENCES))
    for place in range(2):
        channels = [f"19:{place}{number:0>305}" for number in range(1_000)]
        await audiences.put(tenant, SavedAudience(name=f"s{place}", document={"channels": channels}, changed_at=0.0))

    accepted = await acceptance.accept(replace(a_request(audience={"saved": ["s0", "s1"]}), tenant=tenant))

    packed = await Broadcasts(account.table(names.BROADCASTS)).audience(accepted.broadcast_id)
    assert LARGEST_AUDIENCE * 0.97 < len(packed) <= LARGEST_AUDIENCE
