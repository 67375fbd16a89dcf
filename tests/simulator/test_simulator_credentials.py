"""How an app proves itself to the stand-in's Entra without a secret: certificate, federation, managed identity."""

import asyncio
import base64
import datetime
import time
from typing import Any

import jwt
import msal
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from simulator.assertions import TYPE
from simulator.signing import Key
from simulator.standin import StandIn
from tests.simulator.test_simulator_login import GRAPH_SCOPE, a_session, a_trusted_stand_in

KEY = Key.make()


def certificate_of(key: Key) -> str:
    """A self-signed certificate as PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "herald")])
    today = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.private.public_key(), x509.random_serial_number())
    dated = builder.not_valid_before(today).not_valid_after(today + datetime.timedelta(days=1))
    return dated.sign(key.private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


CERTIFICATE = certificate_of(KEY)
PRIVATE = KEY.private.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC = (
    KEY.private.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


def token_by_msal(teams: StandIn, credential: dict[str, Any]) -> dict[str, Any]:
    app = msal.ConfidentialClientApplication(
        teams.app_id,
        client_credential=credential,
        authority=f"{teams.login_url}/{teams.tenant_id}",
        instance_discovery=False,
    )
    result: dict[str, Any] = app.acquire_token_for_client([GRAPH_SCOPE])
    return result


async def test_msal_gets_a_token_by_certificate_once_it_is_registered() -> None:
    async with a_trusted_stand_in() as teams:
        credential = {"private_key": PRIVATE, "public_certificate": CERTIFICATE}
        before = await asyncio.to_thread(token_by_msal, teams, credential)
        teams.register_certificate(CERTIFICATE)
        after = await asyncio.to_thread(token_by_msal, teams, credential)

        claims = jwt.decode(after["access_token"], options={"verify_signature": False})
        assert before["error_codes"] == [700027]
        assert (claims["appidacr"], claims["appid"]) == ("2", teams.app_id)
        assert "AppCatalog.Read.All" in claims["roles"]


async def test_msal_gets_a_token_by_an_identity_once_it_is_trusted() -> None:
    async with a_trusted_stand_in() as teams:
        credential = {"client_assertion": teams.identity_assertion}
        before = await asyncio.to_thread(token_by_msal, teams, credential)
        teams.register_federation()
        after = await asyncio.to_thread(token_by_msal, teams, credential)
        teams.forget_credentials()
        again = await asyncio.to_thread(token_by_msal, teams, credential)

        assert before["error_codes"] == again["error_codes"] == [700211]
        assert "access_token" in after


async def ask(teams: StandIn, assertion: str, **changes: str) -> tuple[int, dict[str, Any]]:
    form = {
        "grant_type": "client_credentials",
        "client_id": teams.app_id,
        "client_assertion_type": TYPE,
        "client_assertion": assertion,
        "scope": GRAPH_SCOPE,
        **changes,
    }
    url = f"{teams.login_url}/{teams.tenant_id}/oauth2/v2.0/token"
    async with a_session(teams) as session, session.post(url, data=form) as response:
        return response.status, await response.json()


def signed(teams: StandIn, **changes: Any) -> str:
    """An assertion by our certificate, with some claims changed."""
    claims = {
        "aud": f"{teams.login_url}/{teams.tenant_id}/oauth2/v2.0/token",
        "iss": teams.app_id,
        "sub": teams.app_id,
        "exp": int(time.time()) + 60,
        **changes,
    }
    der = x509.load_pem_x509_certificate(CERTIFICATE.encode()).fingerprint(hashes.SHA256())
    thumbprint = base64.urlsafe_b64encode(der).decode().rstrip("=")
    return jwt.encode(claims, KEY.private, algorithm="PS256", headers={"x5t#S256": thumbprint})


@pytest.mark.parametrize(
    ("claims", "form", "number"),
    [
        ({}, {}, None),
        ({"aud": "https://login.example"}, {}, 700023),
        ({"sub": "another"}, {}, 700021),
        ({"exp": 1}, {}, 700024),
        ({"iss": "https://issuer.example"}, {}, 700211),
        ({}, {"client_assertion": "nonsense"}, 50027),
        ({}, {"client_assertion_type": "password"}, 900144),
    ],
)
async def test_assertion_by_certificate_is_checked(
    claims: dict[str, Any], form: dict[str, str], number: int | None
) -> None:
    async with StandIn() as teams:
        teams.register_certificate(CERTIFICATE)

        _, body = await ask(teams, signed(teams, **claims), **form)

        assert body.get("error_codes", [None]) == [number]


@pytest.mark.parametrize(
    ("claims", "number"),
    [({}, None), ({"sub": "another"}, 700213), ({"aud": "api://another"}, 700212), ({"exp": 1}, 700024)],
)
async def test_foreign_issuer_is_trusted_for_one_subject(claims: dict[str, Any], number: int | None) -> None:
    async with StandIn() as teams:
        trusted = teams.register_federation(issuer="https://issuer.example", subject="job", public_key=PUBLIC)
        right = {"iss": trusted["issuer"], "sub": "job", "aud": trusted["audience"], "exp": int(time.time()) + 60}

        _, body = await ask(teams, KEY.sign(right | claims))
        _, forged = await ask(teams, teams.world.entra_keys.current.sign(right))

        assert body.get("error_codes", [None]) == [number]
        assert forged["error_codes"] == [50013]


@pytest.mark.parametrize(
    ("identity", "resource", "header", "status"),
    [
        ("app", "https://graph.microsoft.com", True, 200),
        ("other", "api://AzureADTokenExchange", True, 200),
        ("other", "https://graph.microsoft.com", True, 400),
        ("app", "https://graph.microsoft.com", False, 401),
    ],
)
async def test_managed_identity_gives_tokens_on_its_platform(
    identity: str, resource: str, *, header: bool, status: int
) -> None:
    async with StandIn() as teams, a_session(teams) as session:
        addresses = teams.addresses
        client_id = teams.app_id if identity == "app" else addresses["identity_id"]
        query = {"api-version": "2019-08-01", "resource": resource, "client_id": client_id}
        headers = {"X-IDENTITY-HEADER": addresses["identity_header"] if header else "wrong"}

        async with session.get(addresses["identity_endpoint"], params=query, headers=headers) as response:
            body = await response.json()

        assert response.status == status
        if status == 200:
            assert jwt.decode(body["access_token"], options={"verify_signature": False})["aud"] == resource
