"""Asking a stack's app for a message, as another service does, and following what becomes of it over HTTP."""

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from aiohttp import ClientSession, ClientTimeout
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from localhost.host_json import MessageEncoding, read_host_json
from localhost.stack import Stack
from localhost.tools import ROOT

QUEUE = "broadcasts"
ENDED = frozenset({"finished", "cancelled", "expired"})
POLL = 0.5
MOST_NAMES = 1_000
"""People whom one request may name; the app refuses more."""
EVERYONE: Mapping[str, Any] = {"everyone": "installed"}


class DemoError(Exception):
    """The demo could not come to its end: the text says where it stopped."""


def audiences_of(names: Sequence[str]) -> list[Mapping[str, Any]]:
    """Audiences that name these people, each as many as a request may."""
    return [{"users": names[start : start + MOST_NAMES]} for start in range(0, len(names), MOST_NAMES)]


async def put_requests(
    connection_string: str, *, tenant: str, text: str, audiences: Sequence[Mapping[str, Any]] = (EVERYONE,)
) -> list[str]:
    """Put a request for each audience on the queue, as another service does; their keys."""
    keys = [f"demo-{uuid.uuid4()}" for _ in audiences]
    base64 = read_host_json(ROOT).queues.message_encoding is MessageEncoding.BASE64
    policy = TextBase64EncodePolicy() if base64 else None
    async with QueueClient.from_connection_string(connection_string, QUEUE, message_encode_policy=policy) as queue:
        with suppress(ResourceExistsError):
            await queue.create_queue()
        for key, audience in zip(keys, audiences, strict=True):
            request = {"version": 1, "key": key, "tenant": tenant, "audience": audience, "content": {"text": text}}
            await queue.send_message(json.dumps(request))
    return keys


async def follow(
    stack: Stack, keys: Sequence[str], *, tell: Callable[[Mapping[str, Any]], None], until: float
) -> list[Mapping[str, Any]]:
    """Follow the broadcasts of these requests until all have ended; their last reports.

    Their sums are told at each look. `until` is monotonic.
    """
    reports: dict[str, Mapping[str, Any]] = {}
    async with _session(stack) as session:
        while len(reports) < len(keys) or any(report["state"] not in ENDED for report in reports.values()):
            if time.monotonic() > until:
                log = stack.hosts[0].child.log_tail()
                raise DemoError(f"the broadcast has not ended in time; its last report: {add_up(reports)}\n{log}")
            await asyncio.sleep(POLL)
            for path in await _open_paths(session, keys, reports, tenant=stack.addresses["tenant_id"]):
                if report := await _get(session, path):
                    reports[report["key"]] = report
            if reports:
                tell(add_up(reports))
    return [reports[key] for key in keys]


def add_up(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The sums of several reports, in the state of one that has not ended as the others did."""
    counts, reasons = Counter[str](), Counter[str]()
    for report in reports.values():
        counts.update(report["counts"])
        reasons.update(report["reasons"])
    states = sorted({str(report["state"]) for report in reports.values()}, key="finished".__eq__)
    return {
        "state": states[0] if states else None,
        "total": sum(report["total"] for report in reports.values()),
        "counts": dict(counts),
        "reasons": dict(reasons),
    }


async def count_deferred(stack: Stack, reports: Sequence[Mapping[str, Any]]) -> int:
    """Count whom the message reached at a later try than the first."""
    deferred = 0
    async with _session(stack) as session:
        for report in reports:
            path = f"/api/broadcasts/{report['id']}/deliveries"
            while path:
                if not (page := await _get(session, path)):
                    await asyncio.sleep(POLL)
                    continue
                deferred += sum(one["state"] == "sent" and one["attempts"] > 1 for one in page["deliveries"])
                path = (page["next"] or "").removeprefix(stack.url)
    return deferred


async def _open_paths(
    session: ClientSession, keys: Sequence[str], reports: Mapping[str, Mapping[str, Any]], *, tenant: str
) -> list[str]:
    """The paths of the broadcasts that have not ended, as far as the app knows them by now."""
    ids = {key: report["id"] for key, report in reports.items() if report["state"] not in ENDED}
    if len(reports) < len(keys):
        listed = await _get(session, f"/api/broadcasts?tenant={tenant}&limit=100")
        found = {entry["key"]: entry["id"] for entry in listed.get("broadcasts") or ()}
        ids |= {key: found[key] for key in keys if key in found and key not in reports}
    return [f"/api/broadcasts/{broadcast}" for broadcast in ids.values()]


def _session(stack: Stack) -> ClientSession:
    return ClientSession(stack.url, timeout=ClientTimeout(total=30), trust_env=False)


async def _get(session: ClientSession, path: str) -> dict[str, Any]:
    async with session.get(path) as answer:
        if answer.status in (404, 429, 503):
            # A request is listed a moment before its broadcast stands, and a busy app asks to come again.
            return {}
        if answer.status != 200:
            raise DemoError(f"GET {path} was answered {answer.status} {await answer.text()}")
        return dict(await answer.json())
