"""The door's functions as the host sees them: names, routes, keys, and what they answer before anything is set up."""

from typing import Any

import azure.functions as func
import orjson
import pytest

from messages.blueprint import blueprint, broadcast_request, broadcasts_create, messages
from shared.errors import SettingsError

ROUTES = {
    "messages": ("messages", ["POST"], "ANONYMOUS"),
    "broadcasts_create": ("broadcasts", ["POST"], "FUNCTION"),
    "broadcasts_list": ("broadcasts", ["GET"], "FUNCTION"),
    "broadcasts_get": ("broadcasts/{broadcast_id}", ["GET"], "FUNCTION"),
    "broadcasts_deliveries": ("broadcasts/{broadcast_id}/deliveries", ["GET"], "FUNCTION"),
    "broadcasts_cancel": ("broadcasts/{broadcast_id}", ["DELETE"], "FUNCTION"),
    "broadcasts_pause": ("broadcasts/{broadcast_id}/pause", ["POST"], "FUNCTION"),
    "broadcasts_resume": ("broadcasts/{broadcast_id}/resume", ["POST"], "FUNCTION"),
    "broadcasts_retry": ("broadcasts/{broadcast_id}/retry", ["POST"], "FUNCTION"),
    "broadcasts_edit": ("broadcasts/{broadcast_id}/content", ["PUT"], "FUNCTION"),
    "broadcasts_recall": ("broadcasts/{broadcast_id}/recall", ["POST"], "FUNCTION"),
    "rejections_list": ("rejections", ["GET"], "FUNCTION"),
}
QUEUES = {"broadcast_request": "broadcasts", "broadcast_request_poison": "broadcasts-poison"}


@pytest.fixture
def triggers() -> dict[str, dict[str, Any]]:
    """The triggers of all functions by function name."""
    app = func.FunctionApp()
    app.register_functions(blueprint)
    found = {}
    for one in app.get_functions():
        trigger = one.get_trigger()
        assert trigger is not None
        found[str(one.get_function_name())] = trigger.get_dict_repr()
    return found


@pytest.fixture
def _not_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MicrosoftAppId", "MicrosoftAppPassword", "AzureWebJobsStorage"):
        monkeypatch.delenv(name, raising=False)


def a_post() -> func.HttpRequest:
    return func.HttpRequest("POST", "https://herald.test/api/broadcasts", headers={}, body=b"{}")


def test_http_functions_have_their_routes_and_keys(triggers: dict[str, dict[str, Any]]) -> None:
    found = {
        name: (one["route"], [getattr(method, "name", method) for method in one["methods"]], one["authLevel"].name)
        for name, one in triggers.items()
        if one["type"] == "httpTrigger"
    }

    assert found == ROUTES


def test_queue_functions_take_bytes_so_that_the_host_reads_no_metadata_from_them(
    triggers: dict[str, dict[str, Any]],
) -> None:
    queues = {name: one for name, one in triggers.items() if one["type"] == "queueTrigger"}

    assert {name: one["queueName"] for name, one in queues.items()} == QUEUES
    assert {one["dataType"] for one in queues.values()} == {func.DataType.BINARY}
    assert {one["connection"] for one in queues.values()} == {"AzureWebJobsStorage"}


@pytest.mark.usefixtures("_not_set_up")
async def test_key_protected_function_names_the_setting_that_is_missing() -> None:
    answer = await broadcasts_create.build().get_user_function()(a_post())

    assert answer.status_code == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "MicrosoftAppId is missing" in orjson.loads(answer.get_body())["detail"]


@pytest.mark.usefixtures("_not_set_up")
async def test_open_function_tells_strangers_nothing() -> None:
    answer = await messages.build().get_user_function()(a_post())

    assert (answer.status_code, answer.get_body()) == (500, b"")


@pytest.mark.usefixtures("_not_set_up")
async def test_queue_function_raises_so_that_the_host_tries_again() -> None:
    with pytest.raises(SettingsError):
        await broadcast_request.build().get_user_function()(func.QueueMessage(id="m1", body="{}"))
