"""The demo with `--digest`: what other services drop on a queue becomes one card for each person.

Items are put on the queue `digest-items`, for single people and for audiences, with some that are replaced, some that
expire, and a wrong one. A schedule with this digest is made and run. The ledger's cards then say who was told what.
"""

import asyncio
import json
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import ClientSession

from localhost.asking import DemoError, ask, open_queue, open_session
from localhost.crowd import Crowd
from localhost.digest_drops import EXPIRES_AFTER, Draw, Drop, gathered
from localhost.digest_verdict import Message, judge_digest
from localhost.following import POLL, count_deferred, entries, follow
from localhost.memory import MemoryWatch
from localhost.progress import View
from localhost.stack import Stack
from localhost.verdict import Delivered, Verdict, judge
from simulator.config import Config

QUEUE = "digest-items"
DIGEST, AUDIENCE, HEADING = "daily", "fire-wardens", "Your day"
PORTION = 400
"""Messages that are put on the queue at once: Azurite slows down with the depth of its queues."""
PUTTING = 16
PORTION_WITHIN = 120.0
"""Seconds in which the app takes up a portion, with room to spare."""


async def tell_digest(stack: Stack, crowd: Crowd, *, view: View, patience: float) -> Verdict:
    """Drop items, have the digest told, follow it, and judge; `patience` in seconds is for the broadcast."""
    tenant = str(stack.addresses["tenant_id"])
    dice = random.Random(f"digest {Config().seed}")  # noqa: S311 - a demo is drawn to be repeated.
    draw = Draw(crowd.names, tenant=tenant, digest=DIGEST, audience=AUDIENCE, dice=dice)
    drops = draw.drops()
    async with open_session(stack) as session:
        saved = {"version": 1, "tenant": tenant, "audience": {"users": draw.saved}}
        await ask(session, "PUT", f"/api/audiences/{AUDIENCE}", saved)
        await drop_all(stack, drops, view=view)
        recipients = len(gathered(drops))
        view.step(f"telling {recipients} of {len(crowd.names)} people what gathered")
        memory = MemoryWatch([host.child.pid for host in stack.hosts], people=recipients)
        memory.pass_by(0)
        started = time.monotonic()
        key = await run_schedule(session, tenant)
    reports = await follow(stack, [key], view=view, memory=memory, until=started + patience)
    seconds = time.monotonic() - started
    messages = await read_messages(stack)
    number, summary = sum(map(len, messages.values())), await stack.control.ledger_summary()
    return judge(
        people=len(crowd.names),
        report=reports[0],
        deferred=await count_deferred(stack, reports),
        delivered=Delivered(
            reached=len(messages),
            duplicates=number - len(messages),
            requests=summary.requests,
            throttled=summary.throttled,
            rate=summary.rate or 0.0,
        ),
        digest=judge_digest(
            drops,
            messages,
            heading=HEADING,
            rejected=await _count_rejected(stack, tenant),
            waiting=await _count_waiting(stack, tenant),
        ),
        seconds=seconds,
        memory=memory.readings,
    )


async def drop_all(stack: Stack, drops: Sequence[Drop], *, view: View) -> None:
    """Put all items on the queue, wave by wave, until the app has taken them up and short lives are over."""
    done = 0
    for wave in (0, 1):
        ours = [json.dumps(drop.document) for drop in drops if drop.wave == wave]
        for start in range(0, len(ours), PORTION):
            await put_items(stack, ours[start : start + PORTION])
            done += len(ours[start : start + PORTION])
            view.step(f"{done} of {len(drops)} items were dropped")
        # What replaces is to be later by any host's clock.
        await asyncio.sleep(EXPIRES_AFTER + 1)


async def put_items(stack: Stack, messages: Sequence[str]) -> None:
    """Put items on the queue, and wait until the app has taken them up."""
    async with open_queue(stack.connection_string, QUEUE) as queue:
        waiting, until = iter(messages), time.monotonic() + PORTION_WITHIN

        async def work() -> None:
            for message in waiting:
                await queue.send_message(message)

        await asyncio.gather(*(work() for _ in range(PUTTING)))
        while (await queue.get_queue_properties()).approximate_message_count:
            if time.monotonic() > until:
                raise DemoError(f"the items were not taken up in time\n{stack.hosts[0].child.log_tail()}")
            await asyncio.sleep(POLL / 5)


async def run_schedule(session: ClientSession, tenant: str) -> str:
    """Make a schedule that tells the digest each morning from tomorrow on, and run it now; its broadcast's key."""
    document: dict[str, Any] = {
        "version": 1,
        "key": "daily-digest",
        "tenant": tenant,
        "timetable": {
            "cron": "0 9 * * *",
            "zone": "Europe/Berlin",
            "starts_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds"),
        },
        "digest": {"name": DIGEST, "heading": HEADING},
    }
    schedule = await ask(session, "POST", "/api/schedules", document)
    run = await ask(session, "POST", f"/api/schedules/{schedule['id']}/run", {})
    at = run["broadcasts"][0]["at"]
    return f"schedule!{schedule['id']}!{at}"


async def read_messages(stack: Stack) -> dict[str, list[Message]]:
    """What the ledger holds of each person's messages, by object id."""
    contents = await stack.control.ledger_contents()
    found = defaultdict[str, list[Message]](list)
    async for entry in stack.control.ledger_entries(event="sent"):
        found[entry.person or entry.conversation].append(contents[entry.digest]["attachments"])
    return dict(found)


async def _count_rejected(stack: Stack, tenant: str) -> int:
    found = [one async for one in entries(stack, f"/api/rejections?tenant={tenant}&limit=100", "rejections")]
    return sum(one["source"] == "digest-item" for one in found)


async def _count_waiting(stack: Stack, tenant: str) -> int:
    path = f"/api/digests/{DIGEST}/items?tenant={tenant}&limit=1000"
    return len([one async for one in entries(stack, path, "items")])
