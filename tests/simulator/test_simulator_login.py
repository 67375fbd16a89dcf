"""Entra against the real MSAL, the bot's keys, and Graph, all over https."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jwt
import msal
import pytest

from simulator.config import Config
from simulator.standin import StandIn

BOT_SCOPE = "https://api.botframework.com/.default"
GRAPH_SCOPE = "https://graph.microsoft.com/.default"


def token_by_msal(teams: StandIn, *, tenant: str, secret: str, scope: str = BOT_SCOPE) -> dict[str, Any]:
    app = msal.ConfidentialClientApplication(
        teams.app_id,
        client_credential=secret,
        authority=f"{teams.login_url}/{tenant}",
        instance_discovery=False,
    )
    result: dict[str, Any] = app.acquire_token_for_client([scope])
    return result


@asynccontextmanager
async def a_trusted_stand_in(config: Config | None = None) -> AsyncIterator[StandIn]:
    """A stand-in whose CA the `requests` library below MSAL trusts, by the same variable as in a Herald process."""
    async with StandIn(config) as teams:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("REQUESTS_CA_BUNDLE", teams.environment()["REQUESTS_CA_BUNDLE"])
            yield teams


@asynccontextmanager
async def a_session(teams: StandIn) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=teams.ssl_context)) as session:
        yield session


@pytest.mark.parametrize(
    ("scope", "audience"),
    [(BOT_SCOPE, "https://api.botframework.com"), (GRAPH_SCOPE, "https://graph.microsoft.com")],
)
async def test_msal_gets_a_token_of_an_hour(scope: str, audience: str) -> None:
    async with a_trusted_stand_in() as teams:
        result = await asyncio.to_thread(
            token_by_msal, teams, tenant=teams.tenant_id, secret=teams.app_password, scope=scope
        )

        key = teams.world.entra_keys.current.private.public_key()
        claims = jwt.decode(result["access_token"], key, algorithms=["RS256"], audience=audience)
        assert claims["appid"] == teams.app_id
        assert claims["tid"] == teams.tenant_id
        assert result["expires_in"] == claims["exp"] - claims["iat"] == 3599
        assert teams.traffic()["token_requests"] == 1


async def test_wrong_secret_is_an_invalid_client() -> None:
    async with a_trusted_stand_in() as teams:
        result = await asyncio.to_thread(token_by_msal, teams, tenant=teams.tenant_id, secret="wrong")

        assert result["error"] == "invalid_client"
        assert result["error_codes"] == [7000215]
        assert result["error_description"].startswith("AADSTS7000215: ")
        assert teams.traffic() == {"token_requests": 1, "tokens_issued": 0, "key_requests": 0}


async def test_only_a_multi_tenant_bot_gets_tokens_from_the_bot_tenant() -> None:
    async with a_trusted_stand_in(Config(multi_tenant=True)) as teams:
        result = await asyncio.to_thread(token_by_msal, teams, tenant="botframework.com", secret=teams.app_password)

        assert "access_token" in result
    async with a_trusted_stand_in() as teams:
        with pytest.raises(ValueError, match="authority configuration"):
            await asyncio.to_thread(token_by_msal, teams, tenant="botframework.com", secret=teams.app_password)


@pytest.mark.parametrize(
    ("changes", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_secret": None}, 401, "invalid_client", 7000218),
        ({"client_id": "another"}, 400, "unauthorized_client", 700016),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"scope": "https://vault.azure.net/.default"}, 400, "invalid_resource", 500011),
        ({"scope": "openid"}, 400, "invalid_scope", 1002012),
    ],
)
async def test_token_request_is_refused(changes: dict[str, str | None], status: int, error: str, number: int) -> None:
    async with StandIn() as teams, a_session(teams) as session:
        form = {
            "grant_type": "client_credentials",
            "client_id": teams.app_id,
            "client_secret": teams.app_password,
            "scope": BOT_SCOPE,
            **changes,
        }
        data = {name: value for name, value in form.items() if value is not None}

        async with session.post(f"{teams.login_url}/{teams.tenant_id}/oauth2/v2.0/token", data=data) as response:
            body = await response.json()

        assert (response.status, body["error"], body["error_codes"]) == (status, error, [number])


async def test_token_endpoint_can_be_down() -> None:
    async with StandIn() as teams, a_session(teams) as session:
        teams.misbehave(status=503, kinds=["token"], count=1)

        async with session.post(f"{teams.login_url}/{teams.tenant_id}/oauth2/v2.0/token", data={}) as response:
            assert response.status == 503


async def test_metadata_leads_to_endorsed_keys() -> None:
    async with StandIn() as teams, a_session(teams) as session:
        async with session.get(teams.openid_metadata_url) as response:
            metadata = await response.json()
        async with session.get(metadata["jwks_uri"]) as response:
            (key,) = (await response.json())["keys"]

        assert metadata["issuer"] == "https://api.botframework.com"
        assert metadata["id_token_signing_alg_values_supported"] == ["RS256"]
        assert key["kid"] == key["x5t"] == teams.world.bot_keys.current.kid
        assert "msteams" in key["endorsements"]


async def test_rotated_key_signs_and_the_old_one_may_stay() -> None:
    async with StandIn() as teams:
        first = teams.world.bot_keys.current.kid
        second = teams.rotate_keys()
        third = teams.rotate_keys(keep_old=False)

        assert len({first, second, third}) == 3
        assert [key["kid"] for key in teams.world.bot_keys.as_jwks()["keys"]] == [third]
        assert jwt.get_unverified_header(teams.client.token())["kid"] == third


async def test_graph_tells_of_a_user_and_the_installed_app() -> None:
    async with StandIn() as teams, a_session(teams) as session:
        (person,) = teams.add_people(1)
        headers = {"Authorization": f"Bearer {teams.bearer('https://graph.microsoft.com')}"}
        url = f"{teams.graph_url}/users/{person.object_id}"

        async def get(path: str = "", **query: str) -> Any:
            async with session.get(url + path, headers=headers, params=query) as response:
                return await response.json()

        before = await get("/teamwork/installedApps")
        await teams.install([person], notify=False)
        after = await get("/teamwork/installedApps", **{"$expand": "teamsApp"})
        app = after["value"][0]["teamsApp"]
        by_id = await get("/teamwork/installedApps", **{"$filter": f"teamsApp/id eq '{app['id']}'"})
        other = await get("/teamwork/installedApps", **{"$filter": "teamsApp/externalId eq 'another'"})

        assert (await get(**{"$select": "id,displayName"}))["displayName"] == person.name
        assert [len(found["value"]) for found in (before, after, by_id, other)] == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("audience", "user", "status", "code"),
    [
        ("https://api.botframework.com", "adele", 401, "InvalidAuthenticationToken"),
        ("https://graph.microsoft.com", "nobody", 404, "Request_ResourceNotFound"),
    ],
)
async def test_graph_refuses(audience: str, user: str, status: int, code: str) -> None:
    async with StandIn() as teams, a_session(teams) as session:
        headers = {"Authorization": f"Bearer {teams.bearer(audience)}"}

        async with session.get(f"{teams.graph_url}/users/{user}", headers=headers) as response:
            body = await response.json()

        assert (response.status, body["error"]["code"]) == (status, code)
