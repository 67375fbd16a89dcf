"""The tenant's switch over HTTP: what each call answers, and what it wakes."""

from typing import Any

import azure.functions as func
import orjson
import pytest

from messages.watching_blueprint import blueprint
from shared.composition import App
from shared.domain.audience import Audience
from shared.domain.requests import BroadcastRequest, Content
from shared.errors import StorageUnavailable
from tests.twins.storage import Call, MemoryAccount
from tests.twins.teams import MemoryConnector
from tests.twins.world import TENANT, compose_app

NOON = 1_780_000_000.0


class Desk:
    """An operator's desk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.account = MemoryAccount(lambda: NOON)
        self.app: App = compose_app(self.account, connector=MemoryConnector(), pace=None)
        app = func.FunctionApp()
        app.register_functions(blueprint)
        self._functions = {str(one.get_function_name()): one for one in app.get_functions()}

        async def compose() -> App:
            return self.app

        monkeypatch.setattr("messages.blueprint.compose", compose)

    async def call(self, verb: str, tenant: str = TENANT) -> tuple[int, dict[str, Any]]:
        """Call `get`, `stop` or `resume`; status and body."""
        request = func.HttpRequest("POST", "https://herald.test", route_params={"tenant_id": tenant}, body=b"")
        answer = await self._functions[f"tenants_{verb}"].get_user_function()(request)
        return answer.status_code, orjson.loads(answer.get_body())

    async def accept(self) -> str:
        """A broadcast of the tenant."""
        everyone = Audience(everyone_installed=True)
        request = BroadcastRequest(tenant=TENANT, key="k", audience=everyone, content=Content(text="Hello"))
        return (await self.app.acceptance.accept(request)).broadcast_id


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


async def test_a_tenant_is_stopped_and_goes_on(desk: Desk) -> None:
    going_on = {"tenant": TENANT, "stopped_at": None}
    stopped = {"tenant": TENANT, "stopped_at": "2026-05-28T20:26:40.000Z"}

    assert await desk.call("get") == (200, going_on)
    assert await desk.call("stop") == (200, stopped)
    assert await desk.call("stop") == (200, stopped)
    assert await desk.call("get", TENANT.upper()) == (200, stopped)
    assert await desk.call("resume") == (200, going_on)
    assert await desk.call("get") == (200, going_on)


async def test_another_process_learns_of_a_stop(desk: Desk) -> None:
    other = compose_app(desk.account, connector=MemoryConnector(), pace=49.75)

    await desk.call("stop")

    assert await other.pacers.of(TENANT).switch.is_stopped()


async def test_a_stop_counts_though_another_process_let_the_tenant_go_on_just_now(desk: Desk) -> None:
    other = compose_app(desk.account, connector=MemoryConnector(), pace=49.75)
    await desk.call("stop")
    await other.pacers.of(TENANT).switch.go_on()

    await desk.call("stop")

    assert await other.pacers.of(TENANT).switch.look() == NOON


@pytest.mark.parametrize("verb", ["get", "stop", "resume"])
async def test_storage_that_is_away_is_told(desk: Desk, verb: str) -> None:
    await desk.call("get")

    async def away(call: Call) -> None:
        raise StorageUnavailable(call.verb)

    desk.account.use_hook(away)

    status, problem = await desk.call(verb)

    assert (status, problem["type"]) == (503, "urn:herald:problem:storage-unavailable")


async def test_the_broadcasts_of_a_tenant_that_goes_on_are_woken(desk: Desk) -> None:
    broadcast = await desk.accept()
    await desk.call("stop")
    desk.app.plans.take()  # type: ignore[attr-defined]

    await desk.call("resume")

    assert [orjson.loads(body)["broadcast"] for body in desk.app.plans.take()] == [broadcast]  # type: ignore[attr-defined]


@pytest.mark.parametrize("verb", ["get", "stop", "resume"])
@pytest.mark.parametrize("tenant", ["3e8f2a64-8a0a-4a39-9b8f-6a1f1c0b5d77", "contoso.com", ""])
async def test_a_tenant_that_the_app_does_not_serve_is_not_found(desk: Desk, verb: str, tenant: str) -> None:
    status, problem = await desk.call(verb, tenant)

    assert (status, problem["type"]) == (404, "urn:herald:problem:unknown-tenant")
