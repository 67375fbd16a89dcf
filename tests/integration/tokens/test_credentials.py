"""The app's proofs with real MSAL and azure-identity: the stand-in's Entra, Connector and Graph take what they get."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from shared.errors import TokenRefused, TokenUnavailable
from shared.graph.installs import Place, find_installation
from shared.graph.teams_app import TeamsApp
from shared.settings import Settings
from shared.teams.protocol import Verdict, quote_conversation_id, send_to
from shared.tokens.credentials import connector_tokens, graph_tokens
from simulator.config import Config
from simulator.standin import StandIn
from tests.integration.graph.graph_side import a_herald
from tests.integration.teams.herald_side import HELLO, a_client, settings_of

OTHER_TENANT = "22222222-94d1-4c7f-8f3a-61f0de2a9b84"
BY_CERTIFICATE, BY_IDENTITY = "by certificate", "by identity"


@pytest.fixture
async def teams(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with StandIn(Config(rate=0, graph_limits=False, other_tenants=(OTHER_TENANT,))) as standin:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(standin.ca_file))
        monkeypatch.setenv("IDENTITY_ENDPOINT", standin.addresses["identity_endpoint"])
        monkeypatch.setenv("IDENTITY_HEADER", standin.addresses["identity_header"])
        yield standin


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "herald")]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    return builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())


@pytest.fixture(scope="module")
def pfx(key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> bytes:
    return pkcs12.serialize_key_and_certificates(b"herald", key, certificate, None, serialization.NoEncryption())


@pytest.fixture(scope="module")
def proofs(pfx: bytes) -> dict[str, dict[str, str]]:
    """Settings that take the secret's place."""
    return {
        BY_CERTIFICATE: {"MicrosoftAppCertificate": base64.b64encode(pfx).decode()},
        BY_IDENTITY: {"MicrosoftAppFederatedClientId": Config().identity_id},
    }


def without_secret(teams: StandIn, **changed: str) -> Settings:
    return settings_of(teams, MicrosoftAppPassword="", **changed)


def register(teams: StandIn, certificate: x509.Certificate) -> None:
    """Have the registration trust the certificate and the identity."""
    teams.register_certificate(certificate.public_bytes(serialization.Encoding.PEM).decode())
    teams.register_federation()


def tenant_of(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["tid"])


@pytest.mark.parametrize("proof", [BY_CERTIFICATE, BY_IDENTITY])
async def test_connector_and_graph_take_tokens_that_were_got_without_a_secret(
    teams: StandIn, certificate: x509.Certificate, proofs: dict[str, dict[str, str]], proof: str
) -> None:
    register(teams, certificate)
    settings = without_secret(teams, **proofs[proof])
    person = teams.add_person()
    await teams.install([person], notify=False)

    async with a_client(settings) as connector, a_herald(teams, settings) as herald:
        sent = await connector.send(send_to(teams.service_url, quote_conversation_id(person.chat_id), HELLO))
        read = await herald.client.send(
            teams.tenant_id, find_installation(Place.user(person.object_id), TeamsApp(external_id="x"))
        )

    assert (sent.kind, read.status) == (Verdict.ACCEPTED, 200)


@pytest.mark.parametrize("proof", [BY_CERTIFICATE, BY_IDENTITY])
async def test_graphs_token_is_the_target_tenants(
    teams: StandIn, certificate: x509.Certificate, proofs: dict[str, dict[str, str]], proof: str
) -> None:
    register(teams, certificate)
    settings = without_secret(teams, **proofs[proof])

    tokens = [await graph_tokens(settings, tenant).token() for tenant in (teams.tenant_id, OTHER_TENANT)]

    assert [tenant_of(token) for token in tokens] == [teams.tenant_id, OTHER_TENANT]


@pytest.mark.parametrize(("proof", "number"), [(BY_CERTIFICATE, "AADSTS700027"), (BY_IDENTITY, "AADSTS700211")])
async def test_a_proof_that_the_registration_does_not_trust_is_refused(
    teams: StandIn, proofs: dict[str, dict[str, str]], proof: str, number: str
) -> None:
    with pytest.raises(TokenRefused, match=number):
        await connector_tokens(without_secret(teams, **proofs[proof])).token()


async def test_a_certificates_file_is_read_anew_with_each_token(
    teams: StandIn, pfx: bytes, certificate: x509.Certificate, tmp_path: Path
) -> None:
    register(teams, certificate)
    file = tmp_path / "herald.pfx"
    settings = without_secret(teams, MicrosoftAppCertificatePath=str(file))

    with pytest.raises(TokenRefused, match="MicrosoftAppCertificatePath cannot be read"):
        await graph_tokens(settings, teams.tenant_id).token()
    file.write_bytes(pfx)

    assert tenant_of(await graph_tokens(settings, teams.tenant_id).token()) == teams.tenant_id


async def test_an_identity_that_is_not_assigned_gives_no_assertion(teams: StandIn) -> None:
    teams.register_federation()
    settings = without_secret(teams, MicrosoftAppFederatedClientId="11111111-0e83-4d5b-b6c1-3f7d58e9042a")

    with pytest.raises((TokenRefused, TokenUnavailable), match="identity"):
        await graph_tokens(settings, teams.tenant_id).token()


async def test_a_tenant_that_does_not_exist_is_told_by_the_setting_that_names_it(teams: StandIn) -> None:
    with pytest.raises(TokenRefused, match="check HERALD_ALLOWED_TENANTS"):
        await graph_tokens(settings_of(teams), "33333333-94d1-4c7f-8f3a-61f0de2a9b84").token()


async def test_a_managed_identity_that_is_the_bot_has_tokens_at_home_alone(teams: StandIn) -> None:
    settings = without_secret(teams, MicrosoftAppType="UserAssignedMSI")

    connector, graph = await connector_tokens(settings).token(), await graph_tokens(settings, teams.tenant_id).token()

    assert [tenant_of(token) for token in (connector, graph)] == [teams.tenant_id] * 2
    with pytest.raises(TokenRefused, match="another one"):
        await graph_tokens(settings, OTHER_TENANT).token()
