"""Who the app is: the sources of its tokens, by the kind of its registration and by the proof that it has.

Fetching blocks (MSAL, files, the platform's identity), so all of it runs in a thread.
Sources: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow (secret, certificate,
federated credential) and https://learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from shared.errors import TokenRefused, TokenUnavailable
from shared.identity import AppType
from shared.settings import Settings
from shared.tokens.certificate import msal_certificate
from shared.tokens.managed_identity import identity_token
from shared.tokens.source import Token, TokenSource

CONNECT_SECONDS, READ_SECONDS = 3.0, 10.0
PASSING = frozenset({408, 429})
"""The provider's 4xx that say "later"."""
# Transient by https://learn.microsoft.com/entra/identity-platform/reference-error-codes; every other error is final.
TRANSIENT = frozenset({"temporarily_unavailable", "server_error"})

Fetch = Callable[[], Token]
"""Fetches a token, and blocks. Raises TokenRefused or TokenUnavailable."""
Credential = str | dict[str, Any]
"""What MSAL takes as the proof of who asks."""


def connector_tokens(settings: Settings) -> TokenSource:
    """The source of the Connector's token for the app's kind of registration; nothing is fetched yet."""
    scope = settings.cloud.connector_scope
    multi_tenant = settings.app_type is AppType.MULTI_TENANT
    authority = settings.cloud.multi_tenant_authority if multi_tenant else settings.app_tenant_id
    return _source(settings, tenant=authority, scope=scope, named_by="MicrosoftAppTenantId")


def graph_tokens(settings: Settings, tenant: str) -> TokenSource:
    """The source of Graph's token for one tenant; nothing is fetched yet.

    The tenant's own authority gives it, so an admin of that tenant must have consented to the app. A managed identity
    has tokens for its home tenant alone: for another one each fetch raises TokenRefused.
    """
    return _source(settings, tenant=tenant, scope=settings.cloud.graph_scope, named_by="HERALD_ALLOWED_TENANTS")


def _source(settings: Settings, *, tenant: str, scope: str, named_by: str) -> TokenSource:
    if settings.app_type is AppType.MANAGED_IDENTITY:
        fetch = _by_identity(settings, tenant=tenant, scope=scope)
    else:
        fetch = _by_msal(settings, tenant=tenant, scope=scope, named_by=named_by)

    async def in_a_thread() -> Token:
        return await asyncio.to_thread(fetch)

    return TokenSource(in_a_thread)


def _by_identity(settings: Settings, *, tenant: str, scope: str) -> Fetch:
    def fetch() -> Token:
        if tenant != settings.app_tenant_id:
            raise TokenRefused(f"a managed identity has no token for tenant {tenant}: it is at home in another one")
        return identity_token(settings.app_id, scope)

    return fetch


def _by_msal(settings: Settings, *, tenant: str, scope: str, named_by: str) -> Fetch:
    authority = f"{settings.login_url}/{tenant}"

    def fetch() -> Token:
        # Both are imported here because their 100 ms concern no process that does not send.
        import msal  # noqa: PLC0415
        import requests  # noqa: PLC0415

        class Calls(requests.Session):
            """MSAL's way to the provider: with time-outs, and passing failures are named before MSAL reads them."""

            def request(self, *args: Any, **kwargs: Any) -> requests.Response:
                response = super().request(*args, **{**kwargs, "timeout": (CONNECT_SECONDS, READ_SECONDS)})
                if response.status_code in PASSING or response.status_code >= 500:
                    raise TokenUnavailable(f"{authority} answered {response.status_code}")
                return response

        credential = client_credential(settings)
        try:
            # A new application each half an hour costs one discovery, and keeps neither a token that was refused nor
            # a connection that would be dead when it is needed again.
            with Calls() as calls:
                app = msal.ConfidentialClientApplication(
                    settings.app_id,
                    client_credential=credential,
                    authority=authority,
                    # The settings let in the cloud's own host or loopback; asking the public cloud adds nothing.
                    instance_discovery=False,
                    http_client=calls,
                )
                return read_msal(app.acquire_token_for_client(scopes=[scope]))
        except OSError as error:
            raise TokenUnavailable(f"{authority} cannot be reached: {type(error).__name__}") from error
        except ValueError as error:
            # MSAL says so when the discovery answers 4xx: no such tenant.
            raise TokenRefused(f"{authority} is not an authority: check {named_by}") from error

    return fetch


def client_credential(settings: Settings) -> Credential:
    """The proof that the settings name, for MSAL. Raises TokenRefused for a certificate that cannot be read."""
    if settings.app_federated_client_id:
        # MSAL calls this when it asks for a token, so the assertion is as fresh as can be.
        return {"client_assertion": lambda: _assertion(settings)}
    if settings.app_certificate or settings.app_certificate_path:
        return dict(msal_certificate(text=settings.app_certificate, path=settings.app_certificate_path))
    return settings.app_password


def _assertion(settings: Settings) -> str:
    """A token of the managed identity that the registration trusts, for the exchange and nothing else."""
    return identity_token(settings.app_federated_client_id, f"{settings.cloud.exchange_audience}/.default").value


def read_msal(result: dict[str, Any]) -> Token:
    """Read what MSAL answers: a token, or an OAuth error that is final or transient (pure)."""
    if "access_token" in result:
        return Token(value=result["access_token"], lifetime=float(result["expires_in"]))
    error = str(result.get("error"))
    # The description names ids and times alone; its first sentence tells an operator what to mend.
    description = str(result.get("error_description", "")).partition(" Trace ID")[0]
    if error in TRANSIENT:
        raise TokenUnavailable(f"{error}: {description}")
    raise TokenRefused(f"{error}: {description}")
