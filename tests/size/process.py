"""A planner as a process of its own: `python -m tests.size.process BROADCAST PEOPLE`, its storage in SIZE_STORAGE.

It answers one nudge after the other, as the host would have it do, until the plan is finished, and writes a line of
JSON for each step and each nudge for a send: `event`, `planned` (recipients with a row), `seconds` since it began, and
`peak`, the most memory that it has had, in bytes.
"""

import asyncio
import json
import os
import sys
import time

from localhost.memory import peak_memory
from send_worker.pipeline import build_pipeline
from tests.size.planning import app_of
from tests.twins.storage_servers import account_at

STORAGE = "SIZE_STORAGE"


async def plan(broadcast: str, people: int) -> None:
    """Plan a broadcast to its end."""
    account = account_at(os.environ[STORAGE])
    began = time.monotonic()

    def tell(event: str, planned: int) -> None:
        told = {"event": event, "planned": planned, "seconds": time.monotonic() - began, "peak": peak_memory()}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()

    try:
        app = app_of(account, people=people, tell=tell)
        planner = build_pipeline(app).planner
        while not (await app.broadcasts.cursor(broadcast)).cursor.is_finished:
            await planner.handle(broadcast)
    finally:
        await account.close()


if __name__ == "__main__":
    asyncio.run(plan(sys.argv[1], int(sys.argv[2])))
