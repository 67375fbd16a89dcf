"""What failed each of its tries is kept, and goes on at an operator's word."""

import asyncio
import json
from typing import Any

import pytest

from shared.domain.batches import Progress
from shared.storage import names
from shared.storage.broadcast_keys import parked_key
from shared.storage.broadcasts import Broadcasts
from shared.storage.rows import insert, merge
from tests.e2e.herald import Herald
from tests.e2e.storage import accept_unnudged, storage_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def kept(herald: Herald, queue: str, body: str) -> dict[str, Any]:
    """The message with this body, as soon as it was taken off its poison queue."""
    async with asyncio.timeout(30):
        while True:
            answer = await herald.call("GET", f"/api/poison?queue={queue}&limit=100")
            assert answer.status == 200, answer
            for message in answer.body["messages"]:
                if message["body"] == body:
                    found: dict[str, Any] = message
                    return found
            await asyncio.sleep(0.3)


async def test_a_poisoned_nudge_is_kept_and_does_its_work_when_it_is_replayed(herald: Herald) -> None:
    (person,) = await herald.people(1)
    async with storage_of(herald) as account:
        broadcast = await accept_unnudged(herald, account, herald.request(users=[person]))
    nudge = json.dumps({"broadcast": broadcast, "batch": 0})
    await herald.put(nudge, queue="sends-poison")

    message = await kept(herald, "sends", nudge)
    answer = await herald.call("POST", "/api/replay", document={"queue": "sends", "id": message["id"]})

    assert "function `send`" in message["why"]
    assert answer.status == 202
    assert answer.body["messages"] == [{"queue": "sends", "id": message["id"], "result": "nudged"}]
    assert (await herald.finished(broadcast))["counts"]["sent"] == 1
    again = await herald.call("POST", "/api/replay", document={"queue": "sends", "id": message["id"]})
    assert again.status == 404


@pytest.mark.parametrize("queue", ["plans", "installs"])
async def test_every_poison_queue_is_looked_after(herald: Herald, queue: str) -> None:
    # A member of this name would fail the invocation if the function took text.
    body = json.dumps({"broadcast": "00000000000000000000", "dequeueCount": "x", "for": queue})
    await herald.put(body, queue=f"{queue}-poison")

    message = await kept(herald, queue, body)

    assert "no broadcast has the id" in message["why"]


async def test_a_poisoned_request_becomes_a_broadcast_when_it_is_replayed(herald: Herald) -> None:
    (person,) = await herald.people(1)
    document = herald.request(users=[person])
    body = json.dumps(document)
    await herald.put(body, queue="broadcasts-poison")

    message = await kept(herald, "broadcasts", body)
    answer = await herald.call("POST", "/api/replay", document={"queue": "broadcasts", "id": message["id"]})

    [replayed] = answer.body["messages"]
    assert replayed["result"] == "accepted"
    assert (await herald.finished(replayed["broadcast"]))["counts"]["sent"] == 1
    assert (await herald.received(document["content"]["text"]))["reached"] == 1
    rejections = (await herald.call("GET", "/api/rejections")).body["rejections"]
    assert document["key"] in {one["key"] for one in rejections}


async def test_a_parked_batch_is_sent_when_it_is_replayed(herald: Herald) -> None:
    people = await herald.people(30)
    document = herald.request(users=people)
    async with storage_of(herald) as account:
        broadcast = await accept_unnudged(herald, account, document)
        store = Broadcasts(account.table(names.BROADCASTS))
        batch = await store.batch(broadcast, 0)
        assert batch is not None
        # What the sender leaves when it sets a batch aside; the lane is through with it.
        parked = Progress(outcomes=batch.progress.outcomes, placed=False, fruitless=5)
        [lane] = [row.key async for row in account.table(names.BROADCASTS).scan(broadcast, start="lane!", end="lane!~")]
        also = [insert(parked_key(0), {"fruitless": 5}), merge(lane, {"batch": 1})]
        await store.write_batch(broadcast, batch, parked, writer="w", writes=1, settle=True, also=also)

    answer = await herald.call("POST", "/api/replay", document={"broadcast": broadcast})
    report = await herald.sent_at_least(broadcast, 30)

    assert answer.body == {"broadcast": broadcast, "batches": [0]}
    assert report["counts"]["sent"] == 30
    received = await herald.received(document["content"]["text"])
    assert (received["reached"], received["duplicates"]) == (30, 0)
    once_more = await herald.call("POST", "/api/replay", document={"broadcast": broadcast, "batch": 0})
    assert once_more.status == 409
