"""The app's proofs, with real MSAL and real azure-identity: certificate, federated credential, managed identity."""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from shared.errors import TokenRefused, TokenUnavailable
from shared.settings import Settings, read_settings
from shared.tokens.credentials import connector_tokens, graph_tokens
from tests.integration.tokens.identity_provider import EXCHANGE_RESOURCE, Platform, Provider, offering, serving

APP = "5c1a9d3e-7b42-4f0e-9a61-2d8e0c4b7f15"
HOME = "0b7e6c52-94d1-4c7f-8f3a-61f0de2a9b84"
OTHER = "11111111-94d1-4c7f-8f3a-61f0de2a9b84"
IDENTITY = "9d1f3c57-0a2e-4b6c-8d3f-1e2a3b4c5d6e"
CONNECTOR_SCOPE, GRAPH_SCOPE = "https://api.botframework.com/.default", "https://graph.microsoft.com/.default"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "herald")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


@pytest.fixture
def pfx(key: rsa.RSAPrivateKey, certificate: x509.Certificate) -> bytes:
    return pkcs12.serialize_key_and_certificates(b"herald", key, certificate, None, serialization.NoEncryption())


class Stage:
    """Starts providers and platforms for one test, and gives the settings that lead to them."""

    def __init__(self, stack: AsyncExitStack, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stack = stack
        self._folder = folder
        self._monkeypatch = monkeypatch

    async def provider(self, tenant: str = HOME, **trusted: object) -> Provider:
        provider = Provider(tenant=tenant, app_id=APP, **trusted)  # type: ignore[arg-type]  # By their names.
        await self._stack.enter_async_context(serving(provider, self._folder))
        self._monkeypatch.setenv("REQUESTS_CA_BUNDLE", provider.ca_file)
        return provider

    async def platform(self, **identities: str) -> Platform:
        platform = Platform(identities={name.replace("_", "-"): token for name, token in identities.items()})
        await self._stack.enter_async_context(offering(platform))
        self._monkeypatch.setenv("IDENTITY_ENDPOINT", platform.url)
        self._monkeypatch.setenv("IDENTITY_HEADER", "header")
        return platform


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        yield Stage(stack, tmp_path, monkeypatch)


def settings_of(provider: Provider | None = None, **given: str) -> Settings:
    login = {"HERALD_LOGIN_URL": provider.url} if provider else {}
    return read_settings(
        **{
            "MicrosoftAppId": APP,
            "MicrosoftAppTenantId": HOME,
            "AzureWebJobsStorage": "UseDevelopmentStorage=true",
            **login,
            **given,
        }
    )


async def test_a_certificate_in_a_setting_gets_both_tokens(
    stage: Stage, pfx: bytes, certificate: x509.Certificate
) -> None:
    provider = await stage.provider(certificate=certificate)
    settings = settings_of(provider, MicrosoftAppCertificate=base64.b64encode(pfx).decode())

    connector, graph = await connector_tokens(settings).token(), await graph_tokens(settings, HOME).token()

    assert (connector, graph) == (f"for-{HOME}", f"for-{HOME}")
    assert provider.scopes == [CONNECTOR_SCOPE, GRAPH_SCOPE]


async def test_a_certificates_file_is_read_anew_with_each_token(
    stage: Stage, pfx: bytes, certificate: x509.Certificate, tmp_path: Path
) -> None:
    provider = await stage.provider(certificate=certificate)
    file = tmp_path / "herald.pfx"
    settings = settings_of(provider, MicrosoftAppCertificatePath=str(file))

    with pytest.raises(TokenRefused, match="MicrosoftAppCertificatePath cannot be read"):
        await graph_tokens(settings, HOME).token()
    file.write_bytes(pfx)

    assert await graph_tokens(settings, HOME).token() == f"for-{HOME}"


async def test_a_certificate_that_the_registration_does_not_know_is_refused(
    stage: Stage, key: rsa.RSAPrivateKey, certificate: x509.Certificate
) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    data = pkcs12.serialize_key_and_certificates(b"a", key, certificate, None, serialization.NoEncryption())
    builder = x509.CertificateBuilder().subject_name(certificate.subject).issuer_name(certificate.subject)
    builder = builder.public_key(other.public_key()).serial_number(2)
    known = builder.not_valid_before(certificate.not_valid_before_utc).not_valid_after(certificate.not_valid_after_utc)
    provider = await stage.provider(certificate=known.sign(other, hashes.SHA256()))

    with pytest.raises(TokenRefused, match="AADSTS700027"):
        await graph_tokens(settings_of(provider, MicrosoftAppCertificate=base64.b64encode(data).decode()), HOME).token()


async def test_a_managed_identity_stands_in_for_the_secret(stage: Stage) -> None:
    provider = await stage.provider(trusted_assertion="the-identitys-token")
    platform = await stage.platform(**{IDENTITY: "the-identitys-token"})
    settings = settings_of(provider, MicrosoftAppFederatedClientId=IDENTITY)

    connector, graph = await connector_tokens(settings).token(), await graph_tokens(settings, HOME).token()

    assert (connector, graph) == (f"for-{HOME}", f"for-{HOME}")
    assert provider.scopes == [CONNECTOR_SCOPE, GRAPH_SCOPE]
    assert platform.asked == [(IDENTITY, EXCHANGE_RESOURCE)] * 2


async def test_a_federated_identity_gets_tokens_of_the_target_tenant(stage: Stage) -> None:
    provider = await stage.provider(OTHER, trusted_assertion="the-identitys-token")
    await stage.platform(**{IDENTITY: "the-identitys-token"})
    settings = settings_of(provider, MicrosoftAppFederatedClientId=IDENTITY, HERALD_ALLOWED_TENANTS=f"{HOME},{OTHER}")

    assert await graph_tokens(settings, OTHER).token() == f"for-{OTHER}"


async def test_an_identity_that_the_registration_does_not_trust_is_refused(stage: Stage) -> None:
    provider = await stage.provider(trusted_assertion="another")
    await stage.platform(**{IDENTITY: "the-identitys-token"})

    with pytest.raises(TokenRefused, match="AADSTS700027"):
        await graph_tokens(settings_of(provider, MicrosoftAppFederatedClientId=IDENTITY), HOME).token()


async def test_an_identity_that_is_not_assigned_gives_no_assertion(stage: Stage) -> None:
    provider = await stage.provider(trusted_assertion="the-identitys-token")
    await stage.platform()

    with pytest.raises((TokenRefused, TokenUnavailable), match="identity"):
        await graph_tokens(settings_of(provider, MicrosoftAppFederatedClientId=IDENTITY), HOME).token()
    assert provider.scopes == []


async def test_a_tenant_that_does_not_exist_is_told_by_the_setting_that_names_it(stage: Stage, pfx: bytes) -> None:
    provider = await stage.provider()
    settings = settings_of(provider, MicrosoftAppCertificate=base64.b64encode(pfx).decode())

    with pytest.raises(TokenRefused, match="check HERALD_ALLOWED_TENANTS"):
        await graph_tokens(settings, OTHER).token()


async def test_a_managed_identity_that_is_the_bot_has_tokens_at_home(stage: Stage) -> None:
    platform = await stage.platform(**{APP: "the-bots-token"})
    settings = settings_of(MicrosoftAppType="UserAssignedMSI", HERALD_ALLOWED_TENANTS=f"{HOME},{OTHER}")

    assert await connector_tokens(settings).token() == "the-bots-token"
    assert await graph_tokens(settings, HOME).token() == "the-bots-token"
    with pytest.raises(TokenRefused, match="another one"):
        await graph_tokens(settings, OTHER).token()
    assert platform.asked == [(APP, "https://api.botframework.com"), (APP, "https://graph.microsoft.com")]
