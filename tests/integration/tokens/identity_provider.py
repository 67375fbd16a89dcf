"""An identity provider that takes assertions, and a platform with a managed identity: both on loopback, for real MSAL.

The provider checks what Entra documents for a signed assertion; it issues one token and knows no secrets.
Source: https://learn.microsoft.com/entra/identity-platform/certificate-credentials.
"""

import base64
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import trustme
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
EXCHANGE_RESOURCE = "api://AzureADTokenExchange"


@dataclass
class Provider:
    """One tenant's provider. It trusts a certificate, or the assertions that a managed identity gets."""

    tenant: str
    app_id: str
    certificate: x509.Certificate | None = None
    trusted_assertion: str = ""
    url: str = ""
    ca_file: str = ""
    scopes: list[str] = field(default_factory=list)

    @property
    def _endpoint(self) -> str:
        return f"{self.url}/{self.tenant}/oauth2/v2.0/token"

    async def configuration(self, request: web.Request) -> web.Response:
        """The discovery document."""
        if request.match_info["tenant"] != self.tenant:
            return web.json_response({"error": "invalid_tenant"}, status=400)
        return web.json_response(
            {
                "issuer": f"{self.url}/{self.tenant}/v2.0",
                "authorization_endpoint": f"{self.url}/{self.tenant}/oauth2/v2.0/authorize",
                "token_endpoint": self._endpoint,
            }
        )

    async def token(self, request: web.Request) -> web.Response:
        """A token for a right assertion."""
        form = await request.post()
        assertion = str(form.get("client_assertion", ""))
        if form.get("client_assertion_type") != ASSERTION_TYPE or not self._is_right(assertion):
            error = {"error": "invalid_client", "error_description": "AADSTS700027: The assertion is not valid."}
            return web.json_response(error, status=401)
        self.scopes.append(str(form.get("scope")))
        return web.json_response({"token_type": "Bearer", "expires_in": 3599, "access_token": f"for-{self.tenant}"})

    def _is_right(self, assertion: str) -> bool:
        if self.certificate is None:
            return bool(assertion) and assertion == self.trusted_assertion
        public: Any = self.certificate.public_key()
        try:
            claims = jwt.decode(assertion, public, algorithms=["PS256"], audience=self._endpoint, issuer=self.app_id)
        except jwt.InvalidTokenError:
            return False
        told = jwt.get_unverified_header(assertion)["x5t#S256"]
        thumbprint = base64.urlsafe_b64encode(self.certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
        return claims["sub"] == self.app_id and str(told).rstrip("=") == thumbprint


@asynccontextmanager
async def serving(provider: Provider, folder: Path) -> AsyncIterator[Provider]:
    """Let the provider answer on https until the block ends; `ca_file` is what a client must trust."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    provider.ca_file = str(folder / "ca.pem")
    authority.cert_pem.write_to_path(provider.ca_file)
    app = web.Application()
    app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", provider.configuration)
    app.router.add_post("/{tenant}/oauth2/v2.0/token", provider.token)
    async with _listening(app, context) as address:
        provider.url = f"https://{address}"
        yield provider


@dataclass
class Platform:
    """What App Service offers an app with managed identities: tokens of those that are assigned."""

    identities: dict[str, str]
    """Tokens by client id."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    async def token(self, request: web.Request) -> web.Response:
        """The token of one identity for one resource."""
        client_id, resource = request.query.get("client_id", ""), request.query["resource"]
        self.asked.append((client_id, resource))
        if request.headers.get("X-IDENTITY-HEADER") != "header" or client_id not in self.identities:
            return web.json_response({"statusCode": 400, "message": "No User Assigned Identity found."}, status=400)
        expires_on = str(int(time.time()) + 3600)
        return web.json_response(
            {"access_token": self.identities[client_id], "expires_on": expires_on, "resource": resource}
        )


@asynccontextmanager
async def offering(platform: Platform) -> AsyncIterator[Platform]:
    """Let the platform answer until the block ends."""
    app = web.Application()
    app.router.add_get("/msi/token", platform.token)
    async with _listening(app, None) as address:
        platform.url = f"http://{address}/msi/token"
        yield platform


@asynccontextmanager
async def _listening(app: web.Application, context: ssl.SSLContext | None) -> AsyncIterator[str]:
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()
