"""A running host of the sample app, for tests."""

import asyncio
import importlib
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from azure.storage.queue.aio import QueueClient

from localhost.functions import load_app
from localhost.host import Host, Listening
from localhost.host_json import HostOptions, MessageEncoding, read_host_json

SAMPLE = Path(__file__).parent / "sample"


def sample_options(encoding: MessageEncoding = MessageEncoding.NONE) -> HostOptions:
    """The sample's host.json, polled often enough for a test."""
    options = read_host_json(SAMPLE)
    queues = replace(options.queues, max_polling_interval=timedelta(milliseconds=100), message_encoding=encoding)
    return replace(options, queues=queues)


@asynccontextmanager
async def sample_host(
    state: Path, *, options: HostOptions | None = None, key: str | None = None
) -> AsyncIterator[Host]:
    """Run the sample app with its list of calls empty."""
    app = load_app("sample_app", SAMPLE)
    calls().clear()
    async with Host(app, options=options or sample_options(), listening=Listening(key=key, state=state)) as host:
        yield host


def calls() -> list[tuple[str, Any]]:
    """What the sample app noted."""
    if str(SAMPLE) not in sys.path:
        sys.path.insert(0, str(SAMPLE))
    noted: list[tuple[str, Any]] = importlib.import_module("sample_app").CALLS
    return noted


async def eventually(is_so: Callable[[], bool], *, within: float = 10.0) -> None:
    """Wait until something is so, which another process brings about."""
    async with asyncio.timeout(within):
        while not is_so():
            await asyncio.sleep(0.02)


async def texts_in(queue: QueueClient, *, within: float = 10.0) -> list[str]:
    """Wait until a queue holds messages and return their texts."""
    async with asyncio.timeout(within):
        while True:
            if found := [message.content async for message in queue.receive_messages(max_messages=32)]:
                return found
            await asyncio.sleep(0.05)


async def count_in(queue: QueueClient) -> int:
    """The number of messages in a queue, hidden ones included."""
    return (await queue.get_queue_properties()).approximate_message_count or 0
