"""Requests from the queue: accepted, or recorded with what is wrong; nothing is lost, nothing comes for ever."""

import base64

import pytest

from shared.acceptance import Accepted
from shared.errors import StorageUnavailable
from shared.storage.rejections import UNKNOWN_TENANT, Rejection, RejectionSource
from tests.twins.accepting import ALICE, TENANT, House, a_document, as_json
from tests.twins.storage import Moment, fail_once, yielding

OTHER_TENANT = "3e8f2a64-8a0a-4a39-9b8f-6a1f1c0b5d77"


async def recorded(house: House) -> list[Rejection]:
    """All rejections."""
    return list((await house.rejections.page([TENANT, UNKNOWN_TENANT], limit=100)).rejections)


async def test_request_from_the_queue_becomes_a_broadcast() -> None:
    house = House()

    accepted = await house.requests.receive(as_json(a_document()), message_id="m1")

    assert isinstance(accepted, Accepted)
    assert house.heads == [accepted.broadcast_id]
    assert not await recorded(house)


async def test_message_id_stands_in_for_a_key_so_that_a_message_twice_is_one_broadcast() -> None:
    house = House()
    body = base64.b64encode(as_json(a_document(key=None)))

    await house.requests.receive(body, message_id="m1")
    await house.requests.receive(body, message_id="m1")
    await house.requests.receive(body, message_id="m2")

    assert len(house.heads) == 2


async def test_bad_request_is_recorded_with_all_that_is_wrong_and_its_body() -> None:
    house = House()
    body = as_json(a_document(version=2, content={}))

    await house.requests.receive(body, message_id="m1")

    (rejection,) = await recorded(house)
    assert [fault.pointer for fault in rejection.faults] == ["/version", "/content"]
    assert (rejection.tenant, rejection.key, rejection.message_id) == (TENANT, "news-2026-05", "m1")
    assert rejection.source is RejectionSource.QUEUE
    assert rejection.body == body
    assert not house.heads


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"hello", b"[]", as_json(a_document(tenant=OTHER_TENANT)), as_json({"tenant": 7})],
    ids=["empty", "binary", "text", "array", "a stranger's tenant", "a tenant that is a number"],
)
async def test_request_without_a_tenant_that_is_served_is_recorded_as_unknown(body: bytes) -> None:
    house = House()

    await house.requests.receive(body, message_id="m1")

    (rejection,) = await recorded(house)
    assert rejection.tenant == UNKNOWN_TENANT
    assert rejection.body == body


async def test_key_that_was_used_with_another_body_is_recorded() -> None:
    house = House()
    first = await house.requests.receive(as_json(a_document()), message_id="m1")
    assert isinstance(first, Accepted)

    await house.requests.receive(as_json(a_document(content={"text": "Else"})), message_id="m2")

    (rejection,) = await recorded(house)
    assert [fault.pointer for fault in rejection.faults] == ["/key"]
    assert first.broadcast_id in rejection.faults[0].detail


@pytest.mark.parametrize("body", [as_json(a_document()), b"hello"], ids=["right", "wrong"])
async def test_failing_storage_escapes_so_that_the_host_tries_again(body: bytes) -> None:
    house = House()
    house.account.use_hook(fail_once(StorageUnavailable("gone"), moment=Moment.BEFORE, verb="write"))

    with pytest.raises(StorageUnavailable):
        await house.requests.receive(body, message_id="m1")

    house.account.use_hook(yielding)
    await house.requests.receive(body, message_id="m1")
    assert len(house.heads) + len(await recorded(house)) == 1


async def test_names_that_break_the_hosts_metadata_are_the_reason_of_a_poison_message() -> None:
    house = House()
    body = as_json({**a_document(), "dequeueCount": "many", "ID": "x"})

    await house.requests.receive_poison(body, message_id="m1")
    await house.requests.receive_poison(body, message_id="m1")

    (rejection,) = await recorded(house)
    assert rejection.source is RejectionSource.POISON
    assert [fault.pointer for fault in rejection.faults] == ["/dequeueCount", "/ID"]
    assert rejection.body == body


async def test_right_request_that_failed_every_time_is_recorded_with_advice_and_not_sent() -> None:
    house = House()

    await house.requests.receive_poison(as_json(a_document(audience={"users": [ALICE]})), message_id="m1")

    (rejection,) = await recorded(house)
    assert "put it into the queue again" in rejection.faults[0].detail
    assert not house.heads
