"""The watching functions as the host sees them: names, routes, keys, queues, and that each of them reaches its use."""

from typing import Any

import azure.functions as func
import orjson
import pytest

from messages.blueprint import broadcast_request_poison
from messages.watching_blueprint import blueprint
from shared.storage import names
from tests.twins.accepting import ALICE
from tests.twins.storage import MemoryAccount
from tests.twins.teams import MemoryConnector
from tests.twins.world import TENANT, compose_app

ROUTES = {
    "people_deliveries": ("people/{object_id}/deliveries", ["GET"], "FUNCTION"),
    "reachability_sums": ("reachability", ["GET"], "FUNCTION"),
    "reachability_people": ("reachability/people", ["GET"], "FUNCTION"),
    "poison_list": ("poison", ["GET"], "FUNCTION"),
    "poison_replay": ("replay", ["POST"], "FUNCTION"),
    "tenants_get": ("tenants/{tenant_id}", ["GET"], "FUNCTION"),
    "tenants_stop": ("tenants/{tenant_id}/stop", ["POST"], "FUNCTION"),
    "tenants_resume": ("tenants/{tenant_id}/resume", ["POST"], "FUNCTION"),
    "installs_create": ("installs", ["POST"], "FUNCTION"),
    "installs_get": ("tenants/{tenant_id}/installs", ["GET"], "FUNCTION"),
    "installs_retry": ("tenants/{tenant_id}/installs/retry", ["POST"], "FUNCTION"),
}
QUEUES = {"plan_poison": "plans-poison", "send_poison": "sends-poison", "install_poison": "installs-poison"}
ADDRESSES = {
    "people_deliveries": f"people/{ALICE}/deliveries",
    "reachability_sums": "reachability",
    "reachability_people": "reachability/people",
    "poison_list": "poison",
}


@pytest.fixture
def functions() -> dict[str, Any]:
    """All functions by name."""
    app = func.FunctionApp()
    app.register_functions(blueprint)
    return {str(one.get_function_name()): one for one in app.get_functions()}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> MemoryAccount:
    """Storage in memory, over which an app is composed."""
    account = MemoryAccount(lambda: 1_780_000_000.0)
    app = compose_app(account, connector=MemoryConnector(), pace=None)

    async def compose() -> Any:
        return app

    for module in ("messages.blueprint", "messages.watching_blueprint"):
        monkeypatch.setattr(f"{module}.compose", compose)
    for module in ("messages.blueprint", "messages.watching_blueprint"):
        monkeypatch.setattr(f"{module}.compose", compose)
    return account


def test_http_functions_have_their_routes_and_keys(functions: dict[str, Any]) -> None:
    triggers = {name: one.get_trigger().get_dict_repr() for name, one in functions.items()}
    found = {
        name: (one["route"], [getattr(method, "name", method) for method in one["methods"]], one["authLevel"].name)
        for name, one in triggers.items()
        if one["type"] == "httpTrigger"
    }

    assert found == ROUTES


def test_no_route_is_one_that_the_host_keeps_for_itself() -> None:
    assert not [route for route, _, _ in ROUTES.values() if route.startswith(("admin", "runtime"))]


def test_every_poison_queue_has_a_function_that_takes_bytes(functions: dict[str, Any]) -> None:
    triggers = {name: one.get_trigger().get_dict_repr() for name, one in functions.items()}
    queues = {name: one for name, one in triggers.items() if one["type"] == "queueTrigger"}

    assert {name: one["queueName"] for name, one in queues.items()} == QUEUES
    assert {one["dataType"] for one in queues.values()} == {func.DataType.BINARY}
    poison = {name for name in names.QUEUES if name.endswith("-poison")}
    assert poison == {*QUEUES.values(), names.BROADCAST_POISON_QUEUE, names.DIGEST_ITEM_POISON_QUEUE}


@pytest.mark.parametrize("name", ADDRESSES)
async def test_each_question_is_answered(functions: dict[str, Any], account: MemoryAccount, name: str) -> None:
    request = func.HttpRequest(
        "GET",
        f"https://herald.test/api/{ADDRESSES[name]}",
        params={} if name == "poison_list" else {"tenant": TENANT},
        route_params={"object_id": ALICE},
        body=b"",
    )

    answer = await functions[name].get_user_function()(request)

    assert account.now() > 0
    assert (answer.status_code, orjson.loads(answer.get_body())["next"]) == (200, None)


async def test_what_every_poison_queue_brings_can_be_replayed(
    functions: dict[str, Any], account: MemoryAccount
) -> None:
    body = b'{"broadcast": "00000000000000000000"}'
    for name in QUEUES:
        await functions[name].get_user_function()(func.QueueMessage(id=name, body=body))
    await broadcast_request_poison.build().get_user_function()(func.QueueMessage(id="m", body=b"{}"))

    for queue in ("plans", "sends", "installs", "broadcasts"):
        request = func.HttpRequest("POST", "https://herald.test/api/replay", body=orjson.dumps({"queue": queue}))
        answer = await functions["poison_replay"].get_user_function()(request)
        assert (answer.status_code, len(orjson.loads(answer.get_body())["messages"])) == (202, 1)

    assert [account.queue(queue).take() for queue in ("plans", "sends", "installs")] == [[body]] * 3
