"""Items for digests at both doors: what each call answers, what is kept, and what becomes of what is wrong."""

import base64
from typing import Any

import azure.functions as func
import orjson
import pytest

from messages.digest_blueprint import blueprint
from messages.watching_blueprint import blueprint as watching
from shared.composition import App
from shared.errors import StorageUnavailable
from shared.storage import names
from shared.storage.audiences import SavedAudience
from shared.storage.digest_items import Named, StoredItem
from shared.storage.rejections import UNKNOWN_TENANT, Rejection
from tests.twins.accepting import ALICE, CHANNEL, NOON, user
from tests.twins.storage import MemoryAccount, Moment, fail_once, yielding
from tests.twins.teams import MemoryConnector
from tests.twins.world import TENANT, compose_app

URL = "https://herald.test/api/digests"
ROUTES = {
    "digest_items_create": ("digests/{name}/items", ["POST"], "FUNCTION"),
    "digest_items_list": ("digests/{name}/items", ["GET"], "FUNCTION"),
    "digest_items_remove": ("digests/{name}/items/{item_id}", ["DELETE"], "FUNCTION"),
}
QUEUES = {"digest_item": "digest-items", "digest_item_poison": "digest-items-poison"}
ITEM = {"version": 1, "person": ALICE, "title": "Disk is full"}
QUEUED = {**ITEM, "digest": "daily"}


class Desk:
    """The functions of both doors, over storage in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOON
        self.account = MemoryAccount(lambda: self.now)
        self.app: App = compose_app(self.account, connector=MemoryConnector(), pace=None)
        app = func.FunctionApp()
        app.register_functions(blueprint)
        app.register_functions(watching)
        self.functions: dict[str, Any] = {str(one.get_function_name()): one for one in app.get_functions()}

        async def compose() -> App:
            return self.app

        for module in ("messages.blueprint", "messages.digest_blueprint", "messages.watching_blueprint"):
            monkeypatch.setattr(f"{module}.compose", compose)

    async def call(
        self,
        verb: str,
        name: str = "daily",
        *,
        item: str = "",
        body: object = None,
        key: str | None = None,
        **query: str,
    ) -> tuple[int, dict[str, Any]]:
        """Call a function of the HTTP door; status and body."""
        request = func.HttpRequest(
            "POST",
            f"{URL}/{name}/items",
            headers={} if key is None else {"Idempotency-Key": key},
            params=query,
            route_params={"name": name, "item_id": item},
            body=body if isinstance(body, bytes) else orjson.dumps(body),
        )
        answer = await self.functions[f"digest_items_{verb}"].get_user_function()(request)
        return answer.status_code, orjson.loads(answer.get_body() or b"{}")

    async def put(self, message: object, *, message_id: str = "m1", function: str = "digest_item") -> None:
        """Bring a message of the queue."""
        body = message if isinstance(message, bytes) else orjson.dumps(message)
        await self.functions[function].get_user_function()(func.QueueMessage(id=message_id, body=body))

    async def waiting(self, digest: str = "daily") -> list[StoredItem]:
        """What waits."""
        return (await self.app.digest_items.page(TENANT, digest, limit=1_000))[0]

    async def take_all(self) -> None:
        """Take what waits, as a digest does."""
        waiting = await self.waiting()
        await self.app.digest_items.take(TENANT, "daily", [Named(key=one.key, etag=one.etag) for one in waiting])

    async def save(self, name: str, **audience: Any) -> None:
        """Save an audience."""
        await self.app.audiences.put(TENANT, SavedAudience(name=name, document=audience, changed_at=NOON))

    async def rejections(self) -> list[Rejection]:
        """What was rejected."""
        return list((await self.app.rejections.page([TENANT, UNKNOWN_TENANT], limit=100)).rejections)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


def faults_of(problem: dict[str, Any]) -> dict[str, str]:
    """The faults of a problem by their pointers."""
    return {one["pointer"]: one["detail"] for one in problem["errors"]}


def test_functions_have_their_routes_keys_and_queues(desk: Desk) -> None:
    triggers = {name: one.get_trigger().get_dict_repr() for name, one in desk.functions.items() if "digest" in name}
    http = {name: one for name, one in triggers.items() if one["type"] == "httpTrigger"}
    queues = {name: one for name, one in triggers.items() if one["type"] == "queueTrigger"}

    assert {
        name: (one["route"], [method.value for method in one["methods"]], one["authLevel"].name)
        for name, one in http.items()
    } == ROUTES
    assert {name: one["queueName"] for name, one in queues.items()} == QUEUES
    assert {one["dataType"] for one in queues.values()} == {func.DataType.BINARY}


async def test_an_item_by_http_waits_for_its_digest(desk: Desk) -> None:
    status, body = await desk.call("create", body={**ITEM, "key": "disk", "severity": "warning"})

    [waits] = await desk.waiting()
    assert (status, body) == (202, {"id": waits.id, "digest": "daily", "tenant": TENANT})
    assert await desk.call("list") == (
        200,
        {
            "items": [
                {
                    "id": waits.id,
                    "person": ALICE,
                    "audience": None,
                    "title": "Disk is full",
                    "text": None,
                    "link": None,
                    "severity": "warning",
                    "at": "2026-05-28T20:26:40.000Z",
                    "expires_at": "2026-06-27T20:26:40.000Z",
                }
            ],
            "next": None,
        },
    )


async def test_each_call_without_a_key_is_an_item_of_its_own(desk: Desk) -> None:
    first = await desk.call("create", body=ITEM)
    second = await desk.call("create", body=ITEM)

    assert first[1]["id"] != second[1]["id"]
    assert len(await desk.waiting()) == 2


async def test_an_item_is_kept_once_for_each_idempotency_key(desk: Desk) -> None:
    first = await desk.call("create", body=ITEM, key="k1")
    desk.now += 3_600
    again = await desk.call("create", body=ITEM, key='"k1"')
    await desk.take_all()
    once_more = await desk.call("create", body=ITEM, key="k1")
    other = await desk.call("create", body=ITEM, key="k2")

    assert first == again == once_more
    assert [one.id for one in await desk.waiting()] == [other[1]["id"]]


async def test_a_key_of_another_item_is_refused(desk: Desk) -> None:
    await desk.call("create", body=ITEM, key="k1")

    status, body = await desk.call("create", body={**ITEM, "title": "Disk is fine"}, key="k1")

    assert (status, body["type"]) == (409, "urn:herald:problem:key-reused")
    assert [one.item.title for one in await desk.waiting()] == ["Disk is full"]
    # Digests are apart.
    assert (await desk.call("create", "weekly", body={**ITEM, "title": "Disk is fine"}, key="k1"))[0] == 202


async def test_a_later_item_with_the_same_key_replaces_the_one_that_waits(desk: Desk) -> None:
    await desk.call("create", body={**ITEM, "key": "disk"})
    await desk.call("create", body={**ITEM, "key": "disk", "title": "Disk is fine"})
    await desk.call("create", body={**ITEM, "key": "disk", "person": user(1)})

    assert [one.item.title for one in await desk.waiting()] == ["Disk is full", "Disk is fine"]


@pytest.mark.parametrize("key", ["", "k" * 201])
async def test_a_header_that_is_no_key_is_told_beside_all_else(desk: Desk, key: str) -> None:
    status, body = await desk.call("create", body={**ITEM, "title": "", "digest": "weekly"}, key=key)

    assert status == 422
    assert set(faults_of(body)) == {"", "/title", "/digest"}
    assert "Idempotency-Key must have 1 to 200 characters" in faults_of(body)[""]


async def test_the_digest_may_stand_in_the_body_too(desk: Desk) -> None:
    assert (await desk.call("create", body=QUEUED))[0] == 202
    assert (await desk.call("create", body={**QUEUED, "digest": ["daily"]}))[0] == 422


@pytest.mark.parametrize("verb", ["create", "list", "remove"])
async def test_an_address_that_is_no_name_is_told(desk: Desk, verb: str) -> None:
    status, body = await desk.call(verb, "Daily!", body=ITEM)

    assert (status, body["type"]) == (400, "urn:herald:problem:invalid-query")
    assert "the name of a digest" in body["detail"]


async def test_a_body_that_is_no_object_is_malformed(desk: Desk) -> None:
    assert (await desk.call("create", body=[]))[0] == 400
    assert (await desk.call("create", body=b"x" * 1_100_000))[0] == 413


async def test_an_item_for_an_audience_waits_once(desk: Desk) -> None:
    await desk.save("sales", users=[ALICE])
    audience = {"everyone": "installed", "saved": ["sales"], "except": {"saved": ["sales"]}}

    status, _ = await desk.call("create", body={**ITEM, "person": None, "audience": audience})

    assert status == 202
    assert [one.audience for one in await desk.waiting()] == [audience]
    assert (await desk.call("list"))[1]["items"][0]["audience"] == audience


async def test_saved_audiences_that_no_digest_could_have_are_told(desk: Desk) -> None:
    await desk.save("rooms", channels=[CHANNEL])

    async def faults(**audience: Any) -> dict[str, str]:
        status, body = await desk.call("create", body={**ITEM, "person": None, "audience": audience})
        assert status == 422
        return faults_of(body)

    assert "no saved audience of this name" in (await faults(saved=["sales"]))["/audience/saved/0"]
    assert "a digest goes to people" in (await faults(saved=["rooms"]))["/audience/saved"]
    assert await desk.waiting() == []


async def test_failing_storage_is_told_and_the_same_call_works_later(desk: Desk) -> None:
    for moment in Moment:
        desk.account.use_hook(fail_once(StorageUnavailable("gone"), moment=moment, verb="write"))
        assert (await desk.call("create", body=ITEM, key="k1"))[0] == 503
        desk.account.use_hook(yielding)

    assert (await desk.call("create", body=ITEM, key="k1"))[0] == 202
    assert len(await desk.waiting()) == 1


async def test_the_list_goes_on_by_its_links_also_for_one_person(desk: Desk) -> None:
    for number in range(6):
        await desk.call("create", body={**ITEM, "person": user(number % 2), "title": f"n{number}"})

    async def listed(**query: str) -> list[str]:
        titles = list[str]()
        while True:
            status, body = await desk.call("list", **{"limit": "2", **query})
            assert status == 200
            titles += [one["title"] for one in body["items"]]
            if body["next"] is None:
                return sorted(titles)
            assert body["next"].startswith(f"{URL}/daily/items?")
            query |= dict(pair.replace("%21", "!").split("=") for pair in body["next"].partition("?")[2].split("&"))

    assert await listed() == [f"n{number}" for number in range(6)]
    assert await listed(person=user(1).upper()) == ["n1", "n3", "n5"]
    assert (await desk.call("list", person="ann@contoso.com"))[0] == 400
    assert (await desk.call("list", tenant=user(9)))[0] == 400


async def test_what_has_expired_is_not_listed(desk: Desk) -> None:
    await desk.call("create", body={**ITEM, "expires_after": "PT1H"})
    await desk.call("create", body={**ITEM, "expires_after": "PT2H", "title": "Later"})
    desk.now += 3_600

    assert [one["title"] for one in (await desk.call("list"))[1]["items"]] == ["Later"]


async def test_an_item_can_be_taken_away_once(desk: Desk) -> None:
    _, personal = await desk.call("create", body=ITEM)
    _, shared = await desk.call("create", body={**ITEM, "person": None, "audience": {"everyone": "tenant"}})

    wrong = await desk.call("remove", item=personal["id"])
    answers = [
        (await desk.call("remove", item=personal["id"], person=ALICE))[0],
        (await desk.call("remove", item=personal["id"], person=ALICE))[0],
        (await desk.call("remove", item=shared["id"]))[0],
        (await desk.call("remove", item="seen!x"))[0],
    ]

    assert (wrong[0], wrong[1]["type"]) == (404, "urn:herald:problem:not-found")
    assert "needs ?person=" in wrong[1]["detail"]
    assert answers == [204, 404, 204, 404]
    assert await desk.waiting() == []


async def test_an_item_from_the_queue_waits_for_its_digest(desk: Desk) -> None:
    await desk.put(QUEUED)
    await desk.put(base64.b64encode(orjson.dumps({**QUEUED, "digest": "weekly"})), message_id="m2")

    assert [one.item.title for one in await desk.waiting()] == ["Disk is full"]
    assert len(await desk.waiting("weekly")) == 1
    assert await desk.rejections() == []


async def test_a_message_that_comes_again_brings_back_nothing_that_a_digest_has_taken(desk: Desk) -> None:
    await desk.put(QUEUED)
    await desk.put(QUEUED)
    assert len(await desk.waiting()) == 1
    await desk.take_all()

    await desk.put(QUEUED)
    assert await desk.waiting() == []
    await desk.put(QUEUED, message_id="m2")
    assert len(await desk.waiting()) == 1
    assert await desk.rejections() == []


async def test_an_item_from_the_queue_that_is_wrong_is_recorded_with_every_fault(desk: Desk) -> None:
    body = orjson.dumps({**QUEUED, "title": "", "severity": "high"})

    await desk.put(body)
    await desk.put(body)
    await desk.put(b"hello", message_id="m2")

    rejections = {one.message_id: one for one in await desk.rejections()}
    assert len(rejections) == 2
    assert [fault.pointer for fault in rejections["m1"].faults] == ["/title", "/severity"]
    assert (rejections["m1"].tenant, rejections["m1"].body, rejections["m1"].source) == (TENANT, body, "digest-item")
    assert rejections["m2"].body == b"hello"
    assert await desk.waiting() == []


async def test_an_id_that_stands_for_another_message_is_recorded(desk: Desk) -> None:
    await desk.put(QUEUED)

    await desk.put({**QUEUED, "title": "Disk is fine"})

    [rejection] = await desk.rejections()
    assert "used with another item" in rejection.faults[0].detail


async def test_failing_storage_escapes_so_that_the_host_tries_again(desk: Desk) -> None:
    desk.account.use_hook(fail_once(StorageUnavailable("gone"), moment=Moment.AFTER, verb="write"))
    with pytest.raises(StorageUnavailable):
        await desk.put(QUEUED)

    desk.account.use_hook(yielding)
    await desk.put(QUEUED)

    assert len(await desk.waiting()) == 1


async def test_poison_is_recorded_and_kept_and_can_be_replayed(desk: Desk) -> None:
    await desk.put(QUEUED, function="digest_item_poison")
    await desk.put({**QUEUED, "dequeueCount": 9}, message_id="m2", function="digest_item_poison")

    kept, _ = await desk.app.poison.page([names.DIGEST_ITEM_QUEUE], limit=10)
    why = {one.message_id: one.why for one in kept}
    assert "put it into the queue again" in why["m1"]
    assert "the Functions host reads this name" in why["m2"]
    assert {one.source for one in await desk.rejections()} == {"digest-item-poison"}

    request = func.HttpRequest("POST", URL, body=orjson.dumps({"queue": "digest-items"}))
    answer = await desk.functions["poison_replay"].get_user_function()(request)

    replayed = {one["result"]: one for one in orjson.loads(answer.get_body())["messages"]}
    assert set(replayed) == {"accepted", "rejected"}
    [waits] = await desk.waiting()
    assert replayed["accepted"]["item"] == waits.id
    assert (await desk.app.poison.page([names.DIGEST_ITEM_QUEUE], limit=10))[0] == ()
