"""Items for a digest on the real stack: by HTTP and by the queue, right and wrong."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.herald import Herald

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def listed(herald: Herald, digest: str, *, number: int) -> list[dict[str, Any]]:
    """What waits for a digest, as soon as it is so many items."""
    async with asyncio.timeout(30):
        while True:
            answer = await herald.call("GET", f"/api/digests/{digest}/items")
            assert answer.status == 200, answer
            if len(answer.body["items"]) >= number:
                items: list[dict[str, Any]] = answer.body["items"]
                return items
            await asyncio.sleep(0.3)


async def test_items_by_http_and_by_the_queue_wait_for_their_digest(herald: Herald) -> None:
    (person,) = await herald.people(1, installed=False)
    digest = f"d{uuid4().hex[:12]}"
    item = {"version": 1, "person": person.object_id, "title": "By HTTP", "key": "ticket"}
    queued = {"version": 1, "digest": digest, "audience": {"everyone": "tenant"}, "title": "By the queue"}

    for _ in range(2):
        answer = await herald.call("POST", f"/api/digests/{digest}/items", document=item, Idempotency_Key=f"{digest}-1")
        assert answer.status == 202, answer
    await herald.put(json.dumps(queued))  # Of another queue's contract: refused there.
    await herald.put(json.dumps(queued), queue="digest-items")
    await herald.put(json.dumps({**queued, "title": digest * 20}), queue="digest-items")
    items = await listed(herald, digest, number=2)

    assert [(one["title"], one["person"], one["audience"]) for one in items] == [
        ("By HTTP", person.object_id, None),
        ("By the queue", None, {"everyone": "tenant"}),
    ]
    async with asyncio.timeout(30):
        while not (found := await rejected(herald, digest)).issuperset({"digest-item", "queue"}):
            await asyncio.sleep(0.3)
    assert found == {"digest-item", "queue"}

    path = f"/api/digests/{digest}/items/{answer.body['id']}?person={person.object_id}"
    assert [(await herald.call("DELETE", path)).status for _ in range(2)] == [204, 404]
    assert len(await listed(herald, digest, number=1)) == 1


async def rejected(herald: Herald, digest: str) -> set[str]:
    """The sources of the rejections whose body names a digest."""
    rejections = (await herald.call("GET", "/api/rejections?limit=100")).body["rejections"]
    return {one["source"] for one in rejections if digest in one["body"]}
