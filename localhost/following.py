"""Following what becomes of broadcasts over HTTP, until all have ended."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from aiohttp import ClientSession

from localhost.asking import DemoError, open_session, read
from localhost.memory import MemoryWatch
from localhost.progress import View, done_in
from localhost.stack import Stack

ENDED = frozenset({"finished", "cancelled", "expired"})
POLL = 0.5


async def follow(
    stack: Stack, keys: Sequence[str], *, view: View, memory: MemoryWatch, until: float
) -> list[Mapping[str, Any]]:
    """Follow the broadcasts of these requests until all have ended; their last reports.

    Their sums are shown at each look, and the hosts' memory is read. `until` is monotonic.
    """
    reports: dict[str, Mapping[str, Any]] = {}
    async with open_session(stack) as session:
        while len(reports) < len(keys) or any(report["state"] not in ENDED for report in reports.values()):
            if time.monotonic() > until:
                log = stack.hosts[0].child.log_tail()
                raise DemoError(f"the broadcast has not ended in time; its last report: {add_up(reports)}\n{log}")
            await asyncio.sleep(POLL)
            for path in await _open_paths(session, keys, reports, tenant=stack.addresses["tenant_id"]):
                if report := await read(session, path):
                    reports[report["key"]] = report
            if reports:
                together = add_up(reports)
                view.update(together)
                memory.pass_by(done_in(together))
    memory.end()
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
    for report in reports:
        async for one in entries(stack, f"/api/broadcasts/{report['id']}/deliveries", "deliveries"):
            deferred += one["state"] == "sent" and one["attempts"] > 1
    return deferred


async def entries(stack: Stack, path: str, name: str) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the entries of a list that the app tells, page by page; `name` is what a page calls them."""
    async with open_session(stack) as session:
        while path:
            if not (page := await read(session, path)):
                await asyncio.sleep(POLL)
                continue
            for entry in page[name]:
                yield entry
            path = (page["next"] or "").removeprefix(stack.url)


async def _open_paths(
    session: ClientSession, keys: Sequence[str], reports: Mapping[str, Mapping[str, Any]], *, tenant: str
) -> list[str]:
    """The paths of the broadcasts that have not ended, as far as the app knows them by now."""
    ids = {key: report["id"] for key, report in reports.items() if report["state"] not in ENDED}
    if len(reports) < len(keys):
        listed = await read(session, f"/api/broadcasts?tenant={tenant}&limit=100")
        found = {entry["key"]: entry["id"] for entry in listed.get("broadcasts") or ()}
        ids |= {key: found[key] for key in keys if key in found and key not in reports}
    return [f"/api/broadcasts/{broadcast}" for broadcast in ids.values()]
