"""Azurite, Azure Storage's emulator, as a process of its own.

https://learn.microsoft.com/azure/storage/common/storage-use-azurite
"""

import asyncio
import shutil
import tempfile
import urllib.error
import urllib.request
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from localhost.environment import DEVELOPMENT_ACCOUNT, development_connection_string
from localhost.processes import Child, free_port
from localhost.tools import AZURITE, MANIFESTS

_READY_WITHIN = 30.0
_ROWS_BY_KEY = MANIFESTS / "rows_by_key.cjs"


class Persistence(StrEnum):
    """Where Azurite keeps its data. In memory it stalls for half a minute with thousands of queued messages."""

    FOLDER = "folder"
    MEMORY = "memory"


class Azurite:
    """An Azurite on free ports and, unless a folder is given, with a folder of its own that ends with it.

    Use it as a context manager, sync or async; or `start` and `stop` it at will: ports and data stay the same.
    """

    def __init__(self, *, folder: Path | None = None, persistence: Persistence = Persistence.FOLDER) -> None:
        self._own_folder = folder is None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="herald-azurite-"))
        self._persistence = persistence
        self._ports = {"blob": free_port(), "queue": free_port(), "table": free_port()}
        self._child: Child | None = None

    @property
    def connection_string(self) -> str:
        """The full connection string, valid also while Azurite is down."""
        return development_connection_string(
            blob=self._ports["blob"], queue=self._ports["queue"], table=self._ports["table"]
        )

    @property
    def pid(self) -> int:
        """Return the id of the process."""
        return self._launched().pid

    def start(self) -> Self:
        """Start Azurite and return once its three services answer."""
        child = self._launched().start()
        child.wait_until(self._answers, timeout=_READY_WITHIN)
        return self

    def stop(self) -> None:
        """Stop Azurite and keep its data."""
        if self._child is not None:
            self._child.terminate()

    def kill(self) -> None:
        """Kill Azurite, as a crash would, and keep its data as far as they were written."""
        if self._child is not None:
            self._child.kill()

    def close(self) -> None:
        """Stop Azurite and remove its folder if that is its own."""
        self.stop()
        if self._own_folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        # The process starts on this thread, with which it shall die; only the waiting is left to another.
        try:
            child = (await asyncio.to_thread(self._launched)).start()
            await asyncio.to_thread(child.wait_until, self._answers, timeout=_READY_WITHIN)
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)

    def _launched(self) -> Child:
        if self._child is None:
            self._child = Child(self._command(), name="azurite", log=self._folder / "azurite.log")
        return self._child

    def _command(self) -> list[str]:
        node, script = AZURITE.command()
        command = [node, "--require", str(_ROWS_BY_KEY), script]
        for service, port in self._ports.items():
            command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
        # The storage libraries speak a newer version of the protocol than Azurite admits to.
        command += ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
        if self._persistence is Persistence.MEMORY:
            return [*command, "--inMemoryPersistence"]
        return [*command, "--location", str(self._folder / "data")]

    def _answers(self) -> bool:
        paths = {"blob": "?comp=list", "queue": "?comp=list", "table": "/Tables"}
        return all(
            _is_answered(f"http://127.0.0.1:{self._ports[service]}/{DEVELOPMENT_ACCOUNT}{path}")
            for service, path in paths.items()
        )


def _is_answered(url: str) -> bool:
    """Whether anything answers at a URL, if only to refuse."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2):
            return True
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return True
    except OSError:
        return False
