"""`dev.py demo`: a broadcast to N people, on this machine, from the queue to the people's chats.

The people install the bot through signed activities of the stand-in for Teams; a request is put on the queue as any
other service would; the stand-in's ledger then says who got the message. Exit code 0 means that ledger and app agree.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiohttp import ClientSession, ClientTimeout
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

from localhost.host_json import MessageEncoding, read_host_json
from localhost.processes import ChildDiedError
from localhost.progress import View, open_view
from localhost.stack import Stack
from localhost.tools import ROOT, ToolError
from localhost.verdict import Delivered, Verdict, judge

QUEUE = "broadcasts"
ENDED = frozenset({"finished", "cancelled", "expired"})
POLL = 0.5
INSTALL_CONCURRENCY = 16


class DemoError(Exception):
    """The demo could not come to its end: the text says where it stopped."""


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="dev.py demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=1000, metavar="N", help="how many install the bot")
    parser.add_argument("--hosts", type=int, default=1, metavar="N", help="how many instances of the app run")
    parser.add_argument("--unlimited", action="store_true", help="lift Teams' limit and the app's pace")
    parser.add_argument("--timeout", type=float, metavar="S", help="give up after so many seconds")
    parser.add_argument("--json", action="store_true", help="end with one JSON object on stdout")
    arguments = parser.parse_args()
    try:
        verdict = asyncio.run(_interruptible(arguments))
    except (ChildDiedError, ToolError, DemoError) as error:
        print(error, file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        return 130
    print(json.dumps(verdict.to_json()) if arguments.json else in_words(verdict))
    return 1 if verdict.disagreements else 0


async def _interruptible(arguments: argparse.Namespace) -> Verdict:
    """Run the demo so that SIGTERM, like SIGINT, unwinds it and thereby ends every process."""
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    live = sys.stdout.isatty() and not arguments.json
    # Each person takes one of the tenant's 50 slots per second; installing and starting take their time too.
    patience = arguments.timeout or 120 + arguments.people / 20
    with open_view(people=arguments.people, live=live) as view:
        return await run(
            people=arguments.people,
            hosts=arguments.hosts,
            unlimited=arguments.unlimited,
            patience=patience,
            view=view,
        )


async def run(*, people: int, hosts: int, unlimited: bool, patience: float, view: View) -> Verdict:
    """Start the stack, install, broadcast, follow, and judge; `patience` in seconds is for the broadcast."""
    view.step("starting")
    environment = {"HERALD_PACE": "unlimited"} if unlimited else {}
    limits = ("--rate", "0") if unlimited else ()
    async with Stack(hosts=hosts, environment=environment, simulator=limits) as stack:
        view.step(f"{people} people install the bot")
        await stack.control.add_people(people)
        installed = await stack.control.install(concurrency=INSTALL_CONCURRENCY)
        if installed.failed:
            log = stack.hosts[0].child.log_tail()
            raise DemoError(f"{installed.failed} of {people} installs were refused: {installed.by_status}\n{log}")
        # A bot may greet whom it meets: what it says then is no part of the broadcast.
        await stack.control.wait_until_quiet(for_s=0.5)
        await stack.control.clear_ledger()
        view.step("broadcasting")
        started = time.monotonic()
        text = f"Hello from Herald ({uuid.uuid4()})"
        await put_request(stack.connection_string, tenant=stack.addresses["tenant_id"], text=text)
        report = await follow(stack, view, until=started + patience)
        seconds = time.monotonic() - started
        return judge(
            people=people,
            report=report,
            deferred=await count_deferred(stack, report),
            delivered=await read_ledger(stack, text),
            seconds=seconds,
        )


async def put_request(connection_string: str, *, tenant: str, text: str) -> None:
    """Put a broadcast to everybody on the queue, as another service does."""
    request = {
        "version": 1,
        "key": f"demo-{uuid.uuid4()}",
        "tenant": tenant,
        "audience": {"everyone": "installed"},
        "content": {"text": text},
    }
    base64 = read_host_json(ROOT).queues.message_encoding is MessageEncoding.BASE64
    policy = TextBase64EncodePolicy() if base64 else None
    async with QueueClient.from_connection_string(connection_string, QUEUE, message_encode_policy=policy) as queue:
        with suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(json.dumps(request))


async def follow(stack: Stack, view: View, *, until: float) -> Mapping[str, Any]:
    """Follow the only broadcast there is until it has ended, and return its last report."""
    report: Mapping[str, Any] = {}
    async with ClientSession(stack.url, timeout=ClientTimeout(total=30), trust_env=False) as session:
        path = ""
        while report.get("state") not in ENDED:
            if time.monotonic() > until:
                log = stack.hosts[0].child.log_tail()
                raise DemoError(f"the broadcast has not ended in time; its last report: {dict(report)}\n{log}")
            await asyncio.sleep(POLL)
            path = path or await _find(session, tenant=stack.addresses["tenant_id"])
            if path and (latest := await _get(session, path)):
                report = latest
                view.update(report)
    return report


async def count_deferred(stack: Stack, report: Mapping[str, Any]) -> int:
    """Count whom the message reached at a later try than the first."""
    deferred, path = 0, f"/api/broadcasts/{report['id']}/deliveries"
    async with ClientSession(stack.url, timeout=ClientTimeout(total=30), trust_env=False) as session:
        while path:
            if not (page := await _get(session, path)):
                await asyncio.sleep(POLL)
                continue
            deferred += sum(one["state"] == "sent" and one["attempts"] > 1 for one in page["deliveries"])
            path = (page["next"] or "").removeprefix(stack.url)
    return deferred


async def _find(session: ClientSession, *, tenant: str) -> str:
    """Return the path of the newest broadcast, or nothing while there is none."""
    listed = await _get(session, f"/api/broadcasts?tenant={tenant}")
    entries = listed.get("broadcasts") or ()
    return f"/api/broadcasts/{entries[0]['id']}" if entries else ""


async def _get(session: ClientSession, path: str) -> dict[str, Any]:
    async with session.get(path) as answer:
        if answer.status in (429, 503):
            # A busy app asks to come again: the next poll does.
            return {}
        if answer.status != 200:
            raise DemoError(f"GET {path} was answered {answer.status} {await answer.text()}")
        return dict(await answer.json())


async def read_ledger(stack: Stack, text: str) -> Delivered:
    """Read what the ledger holds of the broadcast with a text."""
    summary = await stack.control.ledger_summary()
    contents = await stack.control.ledger_contents()
    ours = [content for content in contents.values() if content["text"] == text]
    span = (summary.last_at or 0.0) - (summary.first_at or 0.0)
    return Delivered(
        reached=sum(content["reached"] for content in ours),
        duplicates=sum(content["duplicates"] for content in ours),
        requests=summary.requests,
        throttled=summary.throttled,
        span=span,
    )


def in_words(verdict: Verdict) -> str:
    """Return the report for people."""
    refused = ", ".join(f"{number} {reason}" for reason, number in verdict.undeliverable.items()) or "none"
    lines = [
        f"{verdict.sent:,} of {verdict.people:,} people have the message, {verdict.deferred:,} of them by a later try",
        f"undeliverable: {refused}; lost: {verdict.lost}; twice: {verdict.duplicates}",
        f"{verdict.rate:.1f} messages per second, {verdict.seconds:.1f} s in all",
        f"{verdict.requests:,} requests, {verdict.throttled:,} of them throttled",
        *(f"DISAGREEMENT: {sentence}" for sentence in verdict.disagreements),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
