"""`dev.py run` with the real Agents Playground as the Teams client: driven by its HTTP API, judged by its recording."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import ClientSession

from localhost.playground import PERSONAL_CHAT, RECORDING
from localhost.processes import free_port
from localhost.tools import ROOT

pytestmark = pytest.mark.asyncio(loop_scope="session")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A running `dev.py run` as it describes itself."""

    app: str
    playground: str
    folder: Path
    guide: str


@asynccontextmanager
async def running() -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "localhost.run", "--port", "0", "--playground-port", str(free_port())],
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    guide = ""
    try:
        async with asyncio.timeout(90):
            while "Ctrl-C" not in guide:
                line = await process.stdout.readline()
                assert line, "it ended before it was ready"
                guide += line.decode()
        found = dict(re.findall(r"^(Herald|Playground|logs)\s+(\S+)", guide, re.MULTILINE))
        yield Running(
            app=found["Herald"], playground=found["Playground"], folder=Path(found["logs"]) / "playground", guide=guide
        )
    finally:
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0


async def test_a_message_asked_for_by_the_printed_line_appears_in_the_playground() -> None:
    text = f"Hello {uuid4()}"
    async with running() as run, ClientSession() as session:
        async with session.post(
            f"{run.playground}/_debug/conversation/{PERSONAL_CHAT}/installation", json={}
        ) as answer:
            assert answer.ok
        await until(lambda: "installationUpdate" in recording(run))

        assert f"curl -X POST {run.app}/api/broadcasts" in run.guide
        request = {"version": 1, "audience": {"everyone": "installed"}, "content": {"text": text}}
        async with session.post(f"{run.app}/api/broadcasts", json=request) as answer:
            assert answer.status == 202

        await until(lambda: text in recording(run))


async def test_a_person_who_writes_in_the_playground_is_answered() -> None:
    async with running() as run, ClientSession() as session:
        message = {"from": {"id": "29:ada"}, "text": "hi", "textFormat": "plain"}
        path = f"{run.playground}/_conversation/v1/conversations/{PERSONAL_CHAT}/messages"
        async with session.post(path, json=message) as answer:
            assert answer.ok

        await until(lambda: "I bring messages from your organisation" in recording(run))


def recording(run: Running) -> str:
    """All that the Playground has recorded so far."""
    file = run.folder / RECORDING
    return file.read_text(encoding="utf-8") if file.is_file() else ""


async def until(condition: Callable[[], bool], *, within: float = 30.0) -> None:
    """Poll a condition."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.2)
