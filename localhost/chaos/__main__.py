"""`dev.py chaos`: Herald for real under random faults, and whether its promises held.

Azurite, the stand-in for Teams with its limits, and two or three hosts of the app run for --seconds, the first two
thirds of them under faults that are drawn from --seed. Then everything must end within three minutes. The exit code is
0 only if every promise held.
"""

import argparse
import asyncio
import json
import random
import signal
import sys

from localhost.chaos.kinds import Kind
from localhost.chaos.run import SETTLING, ChaosError, run
from localhost.chaos.table import show
from localhost.chaos.verdict import Verdict
from localhost.processes import ChildDiedError
from localhost.tools import ToolError


def main() -> int:
    """Run and return the exit code."""
    parser = argparse.ArgumentParser(prog="dev.py chaos", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=300.0, metavar="N", help="how long the run is; 300 by default")
    parser.add_argument("--seed", type=int, metavar="S", help="of all chance; drawn, and told, unless given")
    parser.add_argument("--hosts", type=int, default=2, metavar="N", help="how many instances of the app run")
    parser.add_argument("--only", type=Kind, choices=list(Kind), nargs="+", metavar="KIND", help="kinds of faults")
    parser.add_argument("--json", action="store_true", help="end with one JSON object on stdout")
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(1_000_000)
    _say(
        f"seed {seed}: faults for {arguments.seconds * 2 / 3:.0f} s; everything must have ended "
        f"{arguments.seconds + SETTLING:.0f} s after the first request"
    )
    code, verdict = 0, None
    try:
        verdict = asyncio.run(_interruptible(arguments, seed))
    except* (ChildDiedError, ToolError, ChaosError) as errors:
        print(*errors.exceptions, sep="\n", file=sys.stderr)
        code = 1
    except* asyncio.CancelledError:
        code = 130
    if verdict is None:
        return code
    if arguments.json:
        print(json.dumps({"seed": seed, "seconds": arguments.seconds, "hosts": arguments.hosts, **verdict.to_json()}))
    else:
        show(verdict)
    return 0 if verdict.holds else 1


async def _interruptible(arguments: argparse.Namespace, seed: int) -> Verdict:
    """Run so that SIGTERM, like SIGINT, unwinds it and thereby ends every process."""
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await run(
        seconds=arguments.seconds,
        seed=seed,
        hosts=arguments.hosts,
        say=_say,
        kinds=arguments.only or tuple(Kind),
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
