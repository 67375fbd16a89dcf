"""The Microsoft 365 Agents Playground: a Teams client in the browser that needs neither account nor network.

https://learn.microsoft.com/microsoft-365/agents-sdk/test-with-toolkit-project. It listens on all interfaces, and
checks no token in either direction: it shows what people see and says nothing about authentication.
"""

import asyncio
import json
import os
import urllib.request
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from localhost.processes import Child, free_port
from localhost.tools import PLAYGROUND

RECORDING = "recording.json"
"""The file, in the Playground's folder, in which it records each call with its answer."""
_READY_WITHIN = 30.0


class Playground:
    """A Playground whose people talk to the bot at `bot_endpoint`; `connector_url` is the bot's service URL there."""

    def __init__(
        self, bot_endpoint: str, *, bot_id: str, tenant_id: str, folder: Path, port: int | None = None
    ) -> None:
        self.url = f"http://localhost:{port or free_port()}"
        self._port = int(self.url.rpartition(":")[2])
        self._bot_endpoint = bot_endpoint
        self._bot_id = bot_id
        self._tenant_id = tenant_id
        self._folder = folder
        self._child: Child | None = None

    @property
    def connector_url(self) -> str:
        """The service URL that its activities carry."""
        return f"{self.url}/_connector"

    async def __aenter__(self) -> Self:
        command = await asyncio.to_thread(PLAYGROUND.command)
        self._folder.mkdir(parents=True, exist_ok=True)
        people = json.dumps(configuration(bot_id=self._bot_id, tenant_id=self._tenant_id), indent=2)
        (self._folder / ".m365agentsplayground.yml").write_text(people, encoding="utf-8")
        child = Child(
            [*command, "start", "-p", str(self._port), "-c", "msteams", "--dt", "--er"],
            name="playground",
            # It writes its errors to its own log file only, unless stdout is a terminal.
            log=self._folder / "playground.log",
            environment=self._environment(),
            folder=self._folder,
        )
        self._child = child.start()
        try:
            await asyncio.to_thread(child.wait_until, self._answers, timeout=_READY_WITHIN)
        except BaseException:
            child.terminate()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            await asyncio.to_thread(self._child.terminate)

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "TEAMSAPPTESTER_BROWSER": "none",
            "M365_AGENTS_PLAYGROUND_LOGFILE": str(self._folder / "playground.log"),
            "M365_AGENTS_PLAYGROUND_RECORDING_FILE": str(self._folder / RECORDING),
            "BOT_ENDPOINT": self._bot_endpoint,
        }

    def _answers(self) -> bool:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self._port}/_debug/ping", timeout=2) as answer:
                return bool(answer.read().strip() == b"pong")
        except OSError:
            # Where its port was taken it goes to another: nobody answers here, and the wait runs out.
            return False


# The ids of the conversations, for whoever drives the Playground without its page.
PERSONAL_CHAT = "a:personal-chat"
GROUP_CHAT = "19:group-chat@thread.v2"
TEAM = "19:team@thread.tacv2"


def configuration(*, bot_id: str, tenant_id: str) -> dict[str, Any]:
    """Return the Playground's configuration (JSON is YAML): one current user and, as it demands, exactly five others.

    The Playground's own people have object ids that are no GUIDs, which real ones always are.
    """
    current, *others = (_person(name) for name in ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn"))
    return {
        "version": "0.1.1",
        "tenantId": tenant_id,
        "bot": {"id": bot_id, "name": "Herald"},
        "currentUser": current,
        "users": others,
        "personalChat": {"id": PERSONAL_CHAT},
        "groupChat": {"id": GROUP_CHAT, "name": "Group chat"},
        "team": {
            "id": TEAM,
            "name": "Team",
            "aadGroupId": _guid("Team"),
            "channels": [{"id": "19:news@thread.tacv2", "name": "News"}],
        },
    }


def _person(name: str) -> dict[str, str]:
    address = f"{name.lower()}@example.com"
    return {
        "id": f"29:{name.lower()}",
        "name": f"{name} Example",
        "userPrincipleName": address,
        "aadObjectId": _guid(name),
        "givenName": name,
        "surname": "Example",
        "email": address,
    }


def _guid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://example.com/{name}"))
