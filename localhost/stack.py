"""Everything Herald needs on one machine, as one context manager: storage, a stand-in for Teams, and app hosts.

`async with Stack() as stack` starts Azurite, `python -m simulator` and one `python -m localhost`, tells the stand-in
where the bot is, and leaves nothing running behind. Hosts can be killed and started again meanwhile.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from localhost.azurite import Azurite
from localhost.processes import Child
from localhost.settings_check import check_settings
from localhost.tools import ROOT
from simulator.control import Control


class AppHost:
    """One app host of a stack: `url` is where it listens, the same after it was started again."""

    def __init__(self, child: Child, url: str) -> None:
        self.child = child
        self.url = url


class Stack:
    """A running stack.

    `environment` is what every host gets on top of the stack's own variables; `simulator` are further arguments of
    `python -m simulator`, such as `("--rate", "0")`. With `installs` hosts know the app's id in its manifest, so they
    give people the app who do not have it.
    """

    def __init__(
        self,
        *,
        hosts: int = 1,
        app: str = "function_app",
        root: Path = ROOT,
        environment: Mapping[str, str] | None = None,
        simulator: Sequence[str] = (),
        installs: bool = False,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="herald-stack-"))
        self.azurite = Azurite()
        self.hosts: list[AppHost] = []
        self.addresses: dict[str, Any] = {}
        self._wanted_hosts = hosts
        self._app = app
        self._root = root
        self._environment = dict(environment or {})
        self._installs = installs
        self._simulator = Child(
            [sys.executable, "-m", "simulator", *simulator],
            name="simulator",
            log=self.folder / "simulator.log",
            folder=ROOT,
        )
        self._control: Control | None = None
        self._resources = AsyncExitStack()

    @property
    def url(self) -> str:
        """The base URL of the first host."""
        return self.hosts[0].url

    @property
    def control(self) -> Control:
        """The stand-in's remote control."""
        if self._control is None:
            raise RuntimeError("the stack is not running: use `async with Stack() as stack`")
        return self._control

    @property
    def connection_string(self) -> str:
        """The connection string of the storage."""
        return self.azurite.connection_string

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as resources:
            resources.callback(shutil.rmtree, self.folder, ignore_errors=True)
            resources.callback(self._simulator.terminate)
            self._simulator.start()
            await resources.enter_async_context(self.azurite)
            resources.push_async_callback(self._stop_hosts)
            self.addresses = await asyncio.to_thread(self._simulator.announcement)
            self._control = await resources.enter_async_context(Control(self.addresses["control_url"]))
            if self._app == "function_app":
                await asyncio.to_thread(check_settings, self.host_environment())
            await asyncio.gather(*(self.start_host() for _ in range(self._wanted_hosts)))
            if self.hosts:
                await self._control.set_bot(f"{self.url}/api/messages")
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._resources.aclose()

    def host_environment(self) -> dict[str, str]:
        """Return the whole environment of an app host."""
        app = {"HERALD_TEAMS_APP_EXTERNAL_ID": self.addresses["manifest_id"]} if self._installs else {}
        return {
            **os.environ,
            **self.addresses["environment"],
            **app,
            "AzureWebJobsStorage": self.connection_string,
            "PYTHONPATH": str(ROOT),
            **self._environment,
        }

    async def start_host(self) -> AppHost:
        """Start one more host on a free port."""
        number = len(self.hosts)
        child = self._make_host(name=f"host-{number}", port=0)
        host = AppHost(child.start(), "")
        self.hosts.append(host)
        host.url = (await asyncio.to_thread(child.announcement))["url"]
        return host

    async def restart_host(self, number: int) -> AppHost:
        """Start a host anew that was killed or stopped, on its old port."""
        old = self.hosts[number]
        child = self._make_host(name=old.child.name, port=int(old.url.rpartition(":")[2]))
        self.hosts[number] = AppHost(child.start(), old.url)
        await asyncio.to_thread(child.announcement)
        return self.hosts[number]

    def kill_host(self, number: int) -> None:
        """Kill a host, as a crash would."""
        self.hosts[number].child.kill()

    async def stop_host(self, number: int) -> int | None:
        """Ask a host to end, wait for that, and return its exit code."""
        return await asyncio.to_thread(self.hosts[number].child.terminate)

    def _make_host(self, *, name: str, port: int) -> Child:
        arguments = ["--port", str(port), "--app", self._app, "--root", str(self._root)]
        return Child(
            [sys.executable, "-m", "localhost", *arguments, "--state", str(self.folder / "timers")],
            name=name,
            log=self.folder / f"{name}.log",
            environment=self.host_environment(),
            folder=ROOT,
        )

    async def _stop_hosts(self) -> None:
        await asyncio.gather(*(self.stop_host(number) for number in range(len(self.hosts))))
