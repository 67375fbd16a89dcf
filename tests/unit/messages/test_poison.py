"""Poison is kept once, told why, and replayed without losing or doubling anything."""

from typing import Any

import orjson
import pytest

from messages.answers import Answer
from messages.poison import PoisonKeeper
from messages.poison_api import PoisonApi
from messages.problems import answering
from messages.replay import Replay
from shared.domain.batches import Progress
from shared.domain.outcomes import Outcome
from shared.envelopes import Nudge, pack_nudge
from shared.errors import HeraldError, RowConflict, StorageUnavailable
from shared.nudging import Nudging
from shared.storage import names
from shared.storage.broadcast_keys import parked_key
from shared.storage.rows import insert
from tests.twins.accepting import House, a_document, a_request, as_json
from tests.twins.storage import Moment, fail_once

URL = "https://herald.test/api/poison"
NUDGES = ("plans", "sends", "installs")


class Desk:
    """What an operator has before them."""

    def __init__(self) -> None:
        self.house = house = House()
        clock = house.account.clock
        self.queues = {name: house.account.queue(name) for name in NUDGES}
        self.keeper = PoisonKeeper(
            house.poison,
            requests=house.requests,
            items=house.item_requests,
            broadcasts=house.broadcasts,
            clock=clock,
        )
        self.replay = Replay(
            house.poison,
            requests=house.requests,
            items=house.item_requests,
            broadcasts=house.broadcasts,
            nudging=Nudging(
                house.broadcasts,
                sends=house.sends,
                plans=house.plans,
                installs=house.installs,
            ),
            queues=self.queues,
            clock=clock,
        )
        self.api = PoisonApi(house.poison, self.replay)

    async def listed(self, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = read(await self.api.list(query, url=URL))["messages"]
        return found

    async def post(self, **document: Any) -> Answer:
        return await answering(self.api.replay(orjson.dumps(document)))


def read(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(answer.body)
    return found


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def an_accepted(desk: Desk) -> str:
    """A broadcast whose nudges were taken."""
    accepted = await desk.house.acceptance.accept(a_request())
    desk.house.sends.take()
    return accepted.broadcast_id


@pytest.mark.parametrize("queue", NUDGES)
async def test_a_poisoned_nudge_is_kept_once_with_its_body(desk: Desk, queue: str) -> None:
    body = pack_nudge(Nudge(broadcast="0" * 20, batch=3))
    for _ in range(2):
        await desk.keeper.receive(queue, body, message_id="m1")

    [found] = await desk.listed()

    assert found == {
        "queue": queue,
        "id": found["id"],
        "at": "2026-05-28T20:26:40.000Z",
        "message_id": "m1",
        "why": "no broadcast has the id that it names",
        "body": body.decode(),
    }
    assert await desk.listed(queue=queue) == [found]
    assert all([not await desk.listed(queue=other) for other in NUDGES if other != queue])


async def test_why_a_nudge_is_poison_is_told_as_far_as_it_shows(desk: Desk) -> None:
    broadcast_id = await an_accepted(desk)
    await desk.keeper.receive("sends", pack_nudge(Nudge(broadcast=broadcast_id, batch=0)), message_id="m1")
    await desk.house.broadcasts.changes.finish(broadcast_id, at=desk.house.now, sums="S1", revised_sums="", revision=0)
    await desk.keeper.receive("sends", pack_nudge(Nudge(broadcast=broadcast_id, batch=0)), message_id="m2")
    await desk.keeper.receive("sends", b"garbage", message_id="m3")
    await desk.keeper.receive("sends", pack_nudge(Nudge(broadcast="0" * 20)), message_id="m4")

    why = {one["message_id"]: one["why"] for one in await desk.listed()}

    assert "the function `send`" in why["m1"]
    assert "has ended" in why["m2"]
    assert "no nudge" in why["m3"]
    assert "no broadcast" in why["m4"]


async def test_a_poisoned_request_is_kept_and_recorded_among_the_rejections(desk: Desk) -> None:
    body = as_json(a_document(dequeueCount=9))
    await desk.keeper.receive("broadcasts", body, message_id="m1")

    [found] = await desk.listed(queue="broadcasts")
    rejections = read(await desk.house.api.rejections({}, url=URL))["rejections"]

    assert "reads this name as the message's own metadata" in found["why"]
    assert [one["source"] for one in rejections] == ["queue-poison"]


async def test_lists_are_newest_first_and_their_links_reach_all(desk: Desk) -> None:
    for number in range(5):
        desk.house.now += 1
        await desk.keeper.receive(NUDGES[number % 3], b"{}", message_id=f"m{number}")

    page = read(await desk.api.list({"limit": "3"}, url=URL))
    after = page["next"].rpartition("after=")[2].replace("%21", "!")
    rest = read(await desk.api.list({"limit": "3", "after": after}, url=URL))

    assert [one["message_id"] for one in page["messages"] + rest["messages"]] == ["m4", "m3", "m2", "m1", "m0"]
    assert rest["next"] is None


@pytest.mark.parametrize("queue", NUDGES)
async def test_a_replayed_nudge_is_back_in_its_queue_and_forgotten(desk: Desk, queue: str) -> None:
    body = pack_nudge(Nudge(broadcast="0" * 20))
    await desk.keeper.receive(queue, body, message_id="m1")
    [found] = await desk.listed()

    answer = await desk.post(queue=queue, id=found["id"])

    assert answer.status == 202
    assert read(answer)["messages"] == [{"queue": queue, "id": found["id"], "result": "nudged"}]
    assert desk.queues[queue].take() == [body]
    assert await desk.listed() == []
    assert (await desk.post(queue=queue, id=found["id"])).status == 404


async def test_what_cannot_be_a_nudge_is_kept(desk: Desk) -> None:
    await desk.keeper.receive("sends", b"garbage", message_id="m1")

    answer = await desk.post(queue="sends")

    assert [one["result"] for one in read(answer)["messages"]] == ["kept"]
    assert desk.house.sends.take() == []
    assert len(await desk.listed()) == 1


async def test_a_whole_queue_is_replayed_by_pages(desk: Desk) -> None:
    for number in range(130):
        desk.house.now += 1
        await desk.keeper.receive("plans", pack_nudge(Nudge(broadcast=f"{number:020d}")), message_id=f"m{number}")

    first = read(await desk.post(queue="plans"))
    second = read(await desk.post(queue="plans", after=first["after"]))

    assert (len(first["messages"]), len(second["messages"]), second["after"]) == (100, 30, None)
    assert len(desk.house.plans.take()) == 130
    assert await desk.listed() == []


async def test_a_replayed_request_is_accepted_once_also_without_a_key(desk: Desk) -> None:
    await desk.keeper.receive("broadcasts", as_json(a_document(key=None)), message_id="m1")
    [found] = await desk.listed()
    # The answer is lost after the acceptance: the row stays, and the operator tries again.
    desk.house.account.use_hook(_fail_deletes())
    failed = await desk.post(queue="broadcasts", id=found["id"])
    again = await desk.post(queue="broadcasts", id=found["id"])

    assert failed.status == 503
    [result] = read(again)["messages"]
    assert result["result"] == "accepted"
    assert desk.house.heads == [result["broadcast"]]
    assert await desk.listed() == []


async def test_a_replayed_request_that_is_wrong_becomes_a_rejection(desk: Desk) -> None:
    await desk.keeper.receive("broadcasts", as_json(a_document(version=2)), message_id="m1")

    answer = await desk.post(queue="broadcasts")

    rejections = read(await desk.house.api.rejections({}, url=URL))["rejections"]
    assert read(answer)["messages"][0]["result"] == "rejected"
    assert sorted(one["source"] for one in rejections) == ["queue", "queue-poison"]
    assert await desk.listed() == []


async def test_nothing_is_forgotten_that_was_not_put_again(desk: Desk) -> None:
    await desk.keeper.receive("sends", pack_nudge(Nudge(broadcast="0" * 20)), message_id="m1")
    desk.house.account.use_hook(fail_once(StorageUnavailable("gone"), moment=Moment.BEFORE, verb="put"))

    answer = await desk.post(queue="sends")

    assert answer.status == 503
    assert len(await desk.listed()) == 1


async def parked(desk: Desk) -> str:
    """A broadcast whose only batch was set aside."""
    house = desk.house
    broadcast_id = await an_accepted(desk)
    batch = await house.broadcasts.batch(broadcast_id, 0)
    assert batch is not None
    progress = Progress(outcomes=Outcome.PENDING.value, placed=False, fruitless=5)
    marker = insert(parked_key(0), {"fruitless": 5})
    await house.broadcasts.write_batch(broadcast_id, batch, progress, writer="w", writes=1, settle=True, also=[marker])
    return broadcast_id


@pytest.mark.parametrize("batch", [{"batch": 0}, {}], ids=["one", "all"])
async def test_a_replayed_batch_is_leftovers_that_are_due_now(desk: Desk, batch: dict[str, int]) -> None:
    broadcast_id = await parked(desk)

    answer = await desk.post(broadcast=broadcast_id, **batch)

    stands = await desk.house.broadcasts.batch(broadcast_id, 0)
    [marker] = await desk.house.broadcasts.due_markers(broadcast_id, limit=10)
    assert (answer.status, read(answer)) == (202, {"broadcast": broadcast_id, "batches": [0]})
    assert stands is not None
    assert (stands.progress.fruitless, stands.progress.due_marker) == (0, marker.key)
    assert (marker.batch, marker.due_at) == (0, desk.house.now)
    assert await desk.house.broadcasts.parked.numbers(broadcast_id, limit=10) == []
    assert desk.house.sends.take() == [pack_nudge(Nudge(broadcast=broadcast_id, batch=0))]


async def test_a_batch_that_is_not_parked_is_not_replayed(desk: Desk) -> None:
    broadcast_id = await parked(desk)
    await desk.post(broadcast=broadcast_id, batch=0)

    answer = await desk.post(broadcast=broadcast_id, batch=0)

    assert (answer.status, read(answer)["type"]) == (409, "urn:herald:problem:not-parked")
    assert read(await desk.post(broadcast=broadcast_id))["batches"] == []


async def test_the_echo_of_a_replay_is_its_success(desk: Desk) -> None:
    broadcast_id = await parked(desk)
    desk.house.account.use_hook(fail_once(RowConflict("echo"), moment=Moment.AFTER, verb="write"))

    answer = await desk.post(broadcast=broadcast_id, batch=0)

    assert answer.status == 202
    assert len(desk.house.sends.take()) == 1


async def test_a_batch_of_a_broadcast_that_was_stopped_is_not_replayed(desk: Desk) -> None:
    broadcast_id = await parked(desk)
    await desk.house.broadcasts.changes.cancel(broadcast_id, at=desk.house.now)

    answer = await desk.post(broadcast=broadcast_id, batch=0)

    assert (answer.status, read(answer)["type"]) == (409, "urn:herald:problem:broadcast-ended")
    assert (await desk.post(broadcast="0" * 20)).status == 404


@pytest.mark.parametrize(
    ("document", "pointers"),
    [
        ({}, [""]),
        ({"queue": "replies"}, ["/queue"]),
        ({"queue": "sends", "id": "x'y"}, ["/id"]),
        ({"queue": "sends", "broadcast": "0" * 20}, [""]),
        ({"broadcast": "0" * 20, "batch": -1}, ["/batch"]),
        ({"broadcast": "0" * 20, "batch": True}, ["/batch"]),
        ({"broadcast": 7}, ["/broadcast"]),
        ({"batch": 7}, [""]),
        ({"all": True}, [""]),
    ],
)
async def test_a_wrong_wish_names_its_faults(desk: Desk, document: dict[str, Any], pointers: list[str]) -> None:
    answer = await desk.post(**document)

    assert (answer.status, read(answer)["type"]) == (422, "urn:herald:problem:invalid-request")
    assert [error["pointer"] for error in read(answer)["errors"]] == pointers


async def test_a_body_that_is_no_object_is_malformed(desk: Desk) -> None:
    assert (await answering(desk.api.replay(b"[]"))).status == 400
    assert (await answering(desk.api.list({"queue": "replies"}, url=URL))).status == 400


def _fail_deletes() -> Any:
    """Fail the first removal from the table Poison."""
    left: list[HeraldError] = [StorageUnavailable("gone")]

    async def hook(call: Any) -> None:
        deletes = any(operation.kind == "delete" for operation in call.operations)
        if left and call.store == names.POISON and deletes and call.moment is Moment.BEFORE:
            raise left.pop()

    return hook
