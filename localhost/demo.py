"""`dev.py demo`: a broadcast to N people, on this machine, from the queue to the people's chats.

The people install the bot through signed activities of the stand-in for Teams; a request is put on the queue as any
other service would; the stand-in's ledger then says who got the message. With `--installed` only a share of them has
the app, and the others get it from Herald first. With `--digest` items are put on a queue, and each person gets one
card with what gathered for them. Exit code 0 means that ledger and app agree.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
import uuid

from localhost.asking import EVERYONE, DemoError, audiences_of, put_requests
from localhost.crowd import Crowd, count_installs, gather_crowd
from localhost.digest_demo import tell_digest
from localhost.following import add_up, count_deferred, follow
from localhost.memory import MemoryWatch
from localhost.processes import ChildDiedError
from localhost.progress import View, open_view
from localhost.stack import Stack
from localhost.tools import ToolError
from localhost.verdict import Delivered, Verdict, judge
from localhost.words import in_words

INSTALLS_PER_SECOND = 8.0
"""Of people who must be given the app, with room to spare: Graph's limits allow Herald about twelve."""


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="dev.py demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=1000, metavar="N", help="how many install the bot")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--installed", type=_share, metavar="S", help="what share of them has; the others are given it")
    kind.add_argument("--digest", action="store_true", help="drop items, and tell each person what gathered for them")
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
    strangers = 0.0 if arguments.installed is None else arguments.people * (1 - arguments.installed)
    patience = arguments.timeout or 120 + arguments.people / 20 + strangers / INSTALLS_PER_SECOND
    with open_view(people=arguments.people, live=live) as view:
        return await run(
            people=arguments.people,
            installed=arguments.installed,
            hosts=arguments.hosts,
            digest=arguments.digest,
            unlimited=arguments.unlimited,
            patience=patience,
            view=view,
        )


async def run(
    *, people: int, installed: float | None, hosts: int, digest: bool, unlimited: bool, patience: float, view: View
) -> Verdict:
    """Start the stack, install, broadcast, follow, and judge; `patience` in seconds is for the broadcast.

    Without a share `installed` everybody has the app, and nobody is named one by one.
    """
    view.step("starting")
    environment = {"HERALD_PACE": "unlimited", "HERALD_GRAPH_PACE": "unlimited"} if unlimited else {}
    limits = ("--rate", "0", "--no-graph-limits") if unlimited else ()
    installs = installed is not None
    async with Stack(hosts=hosts, environment=environment, simulator=limits, installs=installs) as stack:
        crowd = await install(stack, view, people=people, installed=installed)
        if digest:
            return await tell_digest(stack, crowd, view=view, patience=patience)
        view.step("broadcasting")
        memory = MemoryWatch([host.child.pid for host in stack.hosts], people=people)
        memory.pass_by(0)
        started = time.monotonic()
        text = f"Hello from Herald ({uuid.uuid4()})"
        keys = await put_requests(
            stack.connection_string,
            tenant=stack.addresses["tenant_id"],
            text=text,
            audiences=audiences_of(crowd.names) if installs else [EVERYONE],
        )
        reports = await follow(stack, keys, view=view, memory=memory, until=started + patience)
        seconds = time.monotonic() - started
        return judge(
            people=people,
            report=add_up({report["key"]: report for report in reports}),
            deferred=await count_deferred(stack, reports),
            delivered=await read_ledger(stack, text),
            installs=await count_installs(stack.control, crowd, text=text) if installs else None,
            unlimited=unlimited,
            seconds=seconds,
            memory=memory.readings,
        )


async def install(stack: Stack, view: View, *, people: int, installed: float | None) -> Crowd:
    """Have people install the bot: a share `installed` of them, or all; the crowd that comes of it."""
    share = "" if installed is None else f"{installed:.0%} of "
    view.step(f"{share}{people} people install the bot")
    crowd = await gather_crowd(stack.control, people, installed=1.0 if installed is None else installed)
    if crowd.tally.failed:
        log = stack.hosts[0].child.log_tail()
        raise DemoError(f"{crowd.tally.failed} of {people} installs were refused: {crowd.tally.by_status}\n{log}")
    # A bot may greet whom it meets: what it says then is no part of the broadcast.
    await stack.control.wait_until_quiet(for_s=0.5)
    await stack.control.clear_ledger()
    if installed is not None:
        lacking = ", ".join(f"{number} {reason}" for reason, number in crowd.drawn.refused.items())
        view.step(f"{crowd.drawn.strangers} are to be given it; others cannot be: {lacking}")
    return crowd


async def read_ledger(stack: Stack, text: str) -> Delivered:
    """Read what the ledger holds of the broadcast with a text."""
    summary = await stack.control.ledger_summary()
    contents = await stack.control.ledger_contents()
    ours = [content for content in contents.values() if content["text"] == text]
    return Delivered(
        reached=sum(content["reached"] for content in ours),
        duplicates=sum(content["duplicates"] for content in ours),
        requests=summary.requests,
        throttled=summary.throttled,
        rate=summary.rate or 0.0,
    )


def _share(text: str) -> float:
    """A share of people, from 0 to 1. Raises ValueError, which argparse tells."""
    share = float(text)
    if not 0 <= share <= 1:
        raise ValueError(text)
    return share


if __name__ == "__main__":
    sys.exit(main())
