"""The functions of schedules as the host sees them: names, routes, keys, and that each of them reaches its use."""

from typing import Any

import azure.functions as func
import orjson
import pytest

from messages.schedule_blueprint import blueprint
from tests.twins.accepting import ALICE
from tests.twins.storage import MemoryAccount
from tests.twins.teams import MemoryConnector
from tests.twins.world import compose_app

ROUTES = {
    "schedules_create": ("schedules", ["POST"], "FUNCTION"),
    "schedules_list": ("schedules", ["GET"], "FUNCTION"),
    "schedules_get": ("schedules/{schedule_id}", ["GET"], "FUNCTION"),
    "schedules_put": ("schedules/{schedule_id}", ["PUT"], "FUNCTION"),
    "schedules_remove": ("schedules/{schedule_id}", ["DELETE"], "FUNCTION"),
    "schedules_pause": ("schedules/{schedule_id}/pause", ["POST"], "FUNCTION"),
    "schedules_resume": ("schedules/{schedule_id}/resume", ["POST"], "FUNCTION"),
    "schedules_run": ("schedules/{schedule_id}/run", ["POST"], "FUNCTION"),
    "calendars_get": ("tenants/{tenant_id}/calendar", ["GET"], "FUNCTION"),
    "calendars_put": ("tenants/{tenant_id}/calendar", ["PUT"], "FUNCTION"),
    "calendars_remove": ("tenants/{tenant_id}/calendar", ["DELETE"], "FUNCTION"),
}
DOCUMENT = {
    "version": 1,
    "timetable": {"cron": "0 9 * * *", "zone": "Europe/Berlin"},
    "audience": {"users": [ALICE]},
    "content": {"text": "Good morning"},
}


@pytest.fixture
def functions() -> dict[str, Any]:
    """All functions by name."""
    app = func.FunctionApp()
    app.register_functions(blueprint)
    return {str(one.get_function_name()): one for one in app.get_functions()}


def test_functions_have_their_routes_and_keys(functions: dict[str, Any]) -> None:
    triggers = {name: one.get_trigger().get_dict_repr() for name, one in functions.items()}

    assert {
        name: (trigger["route"], [method.value for method in trigger["methods"]], trigger["authLevel"].name)
        for name, trigger in triggers.items()
    } == ROUTES


async def test_each_function_reaches_its_use(functions: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    app = compose_app(MemoryAccount(lambda: 1_780_000_000.0), connector=MemoryConnector(), pace=None)

    async def compose() -> Any:
        return app

    monkeypatch.setattr("messages.blueprint.compose", compose)

    async def call(name: str, schedule_id: str = "", body: object = None, **headers: str) -> func.HttpResponse:
        route, [method], _ = ROUTES[name]
        request = func.HttpRequest(
            method,
            "https://herald.test/api/" + route.format(schedule_id=schedule_id),
            headers=headers,
            route_params={"schedule_id": schedule_id},
            body=orjson.dumps(body) if body else b"",
        )
        response: func.HttpResponse = await functions[name].get_user_function()(request)
        return response

    created = await call("schedules_create", body=DOCUMENT)
    schedule = orjson.loads(created.get_body())["id"]
    changed = {**DOCUMENT, "name": "Morning"}

    assert created.status_code == 201
    assert (await call("schedules_list")).status_code == 200
    assert (await call("schedules_get", schedule)).status_code == 200
    put = await call("schedules_put", schedule, changed, **{"If-Match": created.headers["ETag"]})
    assert put.status_code == 200
    assert (await call("schedules_pause", schedule)).status_code == 200
    assert (await call("schedules_resume", schedule)).status_code == 200
    assert (await call("schedules_run", schedule)).status_code == 202
    assert (await call("schedules_remove", schedule)).status_code == 204
