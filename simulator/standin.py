"""The stand-in in process: `async with StandIn() as teams: ...`."""

import asyncio
import ssl
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from simulator import connector, control_api, entra, identity, openid
from simulator.config import HOST, Config
from simulator.graph import listener
from simulator.graph.announcing import Announcer
from simulator.server import Certificates, environment, listen
from simulator.stage import Stage
from simulator.world import World


class StandIn(Stage):
    """Teams, Entra and a part of Graph on loopback, for as long as the `async with` block lasts."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        super().__init__(World.make(self.config))
        self._certificates = Certificates()
        self._stack = AsyncExitStack()
        self._ca_file = self.config.ca_file

    async def __aenter__(self) -> "StandIn":
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        if self._ca_file is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stand-in-"))
            self._ca_file = Path(folder) / "ca.pem"
        await asyncio.to_thread(self._certificates.write, self._ca_file)
        await stack.enter_async_context(self.client)
        world = self.world
        announcer = Announcer(world, self.installing)
        stack.push_async_callback(announcer.close)
        login_routes = [*openid.routes(world), *listener.routes(world, announcer), *entra.routes(world)]
        context = self._certificates.server_context()
        world.login_port = await listen(stack, login_routes, self.config.login_port, context)
        addresses: dict[str, Any] = {}
        public_routes = [
            *connector.routes(world, "/teams"),
            *control_api.routes(self, addresses),
            *identity.routes(world),
        ]
        world.port = await listen(stack, public_routes, self.config.port)
        addresses |= self.addresses

    @property
    def control_url(self) -> str:
        return f"http://{HOST}:{self.world.port}"

    @property
    def service_url(self) -> str:
        """The Connector's service URL, with a slash at its end."""
        return self.world.service_url

    @property
    def login_url(self) -> str:
        return self.world.login_url

    @property
    def openid_metadata_url(self) -> str:
        return self.world.login_url + openid.CONFIGURATION_PATH

    @property
    def graph_url(self) -> str:
        return self.world.login_url + "/v1.0"

    @property
    def ca_file(self) -> Path:
        """A PEM file of our CA and the well-known ones."""
        if self._ca_file is None:
            raise RuntimeError("The stand-in has not started.")
        return self._ca_file

    @property
    def app_id(self) -> str:
        return self.config.app_id

    @property
    def app_password(self) -> str:
        return self.config.app_password

    @property
    def tenant_id(self) -> str:
        return self.config.tenant_id

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """For a client of the https side; cheaper to make than one from `ca_file`."""
        return self._certificates.client_context()

    @property
    def addresses(self) -> dict[str, Any]:
        """All that another process has to know, with the environment it needs."""
        known = {
            "control_url": self.control_url,
            "service_url": self.service_url,
            "login_url": self.login_url,
            "openid_metadata_url": self.openid_metadata_url,
            "graph_url": self.graph_url,
            "ca_file": str(self.ca_file),
            "app_id": self.app_id,
            "tenant_id": self.tenant_id,
            "manifest_id": self.config.manifest_id,
            "identity_endpoint": self.control_url + identity.PATH,
            "identity_header": self.world.credentials.header,
            "identity_id": self.config.identity_id,
        }
        return known | {"app_password": self.app_password, "environment": self._environment(known)}

    def environment(self, **others: str) -> dict[str, str]:
        """The environment variables of a Herald process, and `others` besides."""
        return {**self.addresses["environment"], **others}

    def _environment(self, known: dict[str, str]) -> dict[str, str]:
        config = self.config
        return environment(
            known, app_password=config.app_password, multi_tenant=config.multi_tenant, tenants=config.tenants
        )
