"""Asking a stack's app as another service does: by its queues, and over HTTP."""

import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import ClientSession, ClientTimeout
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from localhost.host_json import MessageEncoding, read_host_json
from localhost.stack import Stack
from localhost.tools import ROOT

QUEUE = "broadcasts"
MOST_NAMES = 1_000
"""People whom one request may name; the app refuses more."""
EVERYONE: Mapping[str, Any] = {"everyone": "installed"}
_BUSY = (404, 429, 503)
"""A request is listed a moment before its broadcast stands, and a busy app asks to come again."""


class DemoError(Exception):
    """The demo could not come to its end: the text says where it stopped."""


def audiences_of(names: Sequence[str]) -> list[Mapping[str, Any]]:
    """Audiences that name these people, each as many as a request may."""
    return [{"users": names[start : start + MOST_NAMES]} for start in range(0, len(names), MOST_NAMES)]


@asynccontextmanager
async def open_queue(connection_string: str, name: str) -> AsyncIterator[QueueClient]:
    """Open a queue, made if need be, whose messages are encoded as the app expects them."""
    base64 = read_host_json(ROOT).queues.message_encoding is MessageEncoding.BASE64
    policy = TextBase64EncodePolicy() if base64 else None
    async with QueueClient.from_connection_string(connection_string, name, message_encode_policy=policy) as queue:
        with suppress(ResourceExistsError):
            await queue.create_queue()
        yield queue


async def put_requests(
    connection_string: str, *, tenant: str, text: str, audiences: Sequence[Mapping[str, Any]] = (EVERYONE,)
) -> list[str]:
    """Put a request for each audience on the queue; their keys."""
    keys = [f"demo-{uuid.uuid4()}" for _ in audiences]
    async with open_queue(connection_string, QUEUE) as queue:
        for key, audience in zip(keys, audiences, strict=True):
            request = {"version": 1, "key": key, "tenant": tenant, "audience": audience, "content": {"text": text}}
            await queue.send_message(json.dumps(request))
    return keys


def open_session(stack: Stack) -> ClientSession:
    """A session with the app's HTTP API."""
    return ClientSession(stack.url, timeout=ClientTimeout(total=30), trust_env=False)


async def ask(session: ClientSession, method: str, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for a change; the answer's document. Raises DemoError where it is not made."""
    async with session.request(method, path, json=document) as answer:
        if not answer.ok:
            raise DemoError(f"{method} {path} was answered {answer.status} {await answer.text()}")
        return dict(await answer.json())


async def read(session: ClientSession, path: str) -> dict[str, Any]:
    """Read a document; an empty one where there is none yet. Raises DemoError."""
    async with session.get(path) as answer:
        if answer.status in _BUSY:
            return {}
        if answer.status != 200:
            raise DemoError(f"GET {path} was answered {answer.status} {await answer.text()}")
        return dict(await answer.json())
