"""The two listeners: http for the Connector and control, https for Entra, OpenID metadata and Graph."""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import certifi
import trustme
from aiohttp import web

from simulator.config import HOST

BODY_LIMIT = 8 * 1024 * 1024
# A call that hangs on purpose must not hold up the end.
SHUTDOWN_S = 0.2


class Certificates:
    """A certificate authority for one run."""

    def __init__(self) -> None:
        self._authority = trustme.CA(organization_name="Stand-in for Teams")

    def write(self, path: Path) -> None:
        """Write our CA and the well-known ones, so that a client with this file still reaches other hosts."""
        path.write_bytes(self._authority.cert_pem.bytes() + Path(certifi.where()).read_bytes())

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(HOST, "localhost").configure_cert(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """A context that trusts this authority only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._authority.configure_trust(context)
        return context


async def listen(
    stack: AsyncExitStack, routes: Iterable[web.RouteDef], port: int, context: ssl.SSLContext | None = None
) -> int:
    """Serve the routes on loopback until the stack closes; returns the port."""
    app = web.Application(client_max_size=BODY_LIMIT)
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    stack.push_async_callback(_end, runner)
    site = web.TCPSite(runner, HOST, port, ssl_context=context, backlog=1024)
    await site.start()
    bound: int = runner.addresses[0][1]
    return bound


async def _end(runner: web.AppRunner) -> None:
    """Stop serving. TLS would wait for each client's farewell; whoever is still connected is cut off."""
    connections = runner.server.connections if runner.server is not None else []
    transports = [each.transport for each in connections if each.transport is not None]
    await runner.cleanup()
    for transport in transports:
        transport.abort()
    # A transport closes its socket in a later turn of the loop, and below TLS in one more.
    for _ in range(5):
        await asyncio.sleep(0)


def environment(
    addresses: Mapping[str, str], *, app_password: str, multi_tenant: bool, tenants: Iterable[str]
) -> dict[str, str]:
    """The environment variables of a Herald process that works against this stand-in."""
    service_host = addresses["service_url"].split("/")[2]
    return {
        "MicrosoftAppId": addresses["app_id"],
        "MicrosoftAppPassword": app_password,
        "MicrosoftAppTenantId": addresses["tenant_id"],
        "MicrosoftAppType": "MultiTenant" if multi_tenant else "SingleTenant",
        "HERALD_ALLOWED_TENANTS": ",".join(tenants),
        "HERALD_SERVICE_HOSTS": service_host,
        "HERALD_SERVICE_URL": addresses["service_url"],
        "HERALD_LOGIN_URL": addresses["login_url"],
        "HERALD_OPENID_METADATA_URL": addresses["openid_metadata_url"],
        "HERALD_GRAPH_URL": addresses["graph_url"],
        "REQUESTS_CA_BUNDLE": addresses["ca_file"],
        "SSL_CERT_FILE": addresses["ca_file"],
    }
