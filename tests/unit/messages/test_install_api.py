"""A tenant's installs over HTTP: what keeps them up, and what a retry does."""

import orjson
import pytest

from messages import parts
from messages.answers import Answer
from messages.problems import answering
from shared.composition import App
from shared.domain.audience import Audience
from shared.domain.requests import BroadcastRequest, Content
from shared.domain.scopes import Scope
from tests.twins.storage import MemoryAccount
from tests.twins.teams import MemoryConnector
from tests.twins.world import TENANT, compose_app

NOON = 1_780_000_000.0
GOING_ON: dict[str, object] = {"tenant": TENANT, "install_blocked": None, "seen_at": None, "by_scope": []}


@pytest.fixture
def app() -> App:
    return compose_app(MemoryAccount(lambda: NOON), connector=MemoryConnector(), pace=None)


def read(answer: Answer) -> object:
    return orjson.loads(answer.body)


async def test_what_keeps_installs_up_is_told_with_the_time_when_it_was_last_seen(app: App) -> None:
    api = parts.install_api(app)

    assert read(await api.get(TENANT)) == GOING_ON
    await app.installations.set_block(TENANT, Scope.TEAM, "consent_missing")
    assert read(await api.get(TENANT.upper())) == {
        "tenant": TENANT,
        "install_blocked": "consent_missing",
        "seen_at": "2026-05-28T20:26:40.000Z",
        "by_scope": [{"scope": "team", "install_blocked": "consent_missing", "seen_at": "2026-05-28T20:26:40.000Z"}],
    }


async def test_a_retry_lifts_the_block_and_wakes_the_tenants_broadcasts(app: App) -> None:
    request = BroadcastRequest(
        tenant=TENANT, key="k", audience=Audience(everyone_installed=True), content=Content(text="Hello")
    )
    broadcast = (await app.acceptance.accept(request)).broadcast_id
    app.plans.take()  # type: ignore[attr-defined]
    await app.installations.set_block(TENANT, Scope.PERSONAL, "app_not_in_catalog")

    answer = await parts.install_api(app).retry(TENANT)

    assert read(answer) == GOING_ON
    assert await app.installations.blocks(TENANT) == {}
    assert [orjson.loads(body)["broadcast"] for body in app.plans.take()] == [broadcast]  # type: ignore[attr-defined]


@pytest.mark.parametrize("verb", ["get", "retry"])
async def test_a_tenant_that_the_app_does_not_serve_is_not_found(app: App, verb: str) -> None:
    answer = await answering(getattr(parts.install_api(app), verb)("contoso.com"))

    assert answer.status == 404
