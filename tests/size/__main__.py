"""`python3 dev.py size`: plans for very many people in Azurite, undisturbed and killed, and tells what it took."""

import argparse
import asyncio
import json
import sys

from localhost.azurite import Azurite
from tests.size.planning import recipients_of
from tests.size.promises import broken_by
from tests.size.run import Plan, run_plan

MIB = 1024 * 1024
LINE = "{:<28}{:>16}{:>16}\n"


def main() -> int:
    """Plan twice and tell; 1 where a promise did not hold."""
    parser = argparse.ArgumentParser(prog="dev.py size", description=__doc__)
    parser.add_argument("--people", type=int, default=100_000, metavar="N", help="how many have the app, from 1,000 on")
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="how often the second planner is killed")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="draws the moments of the kills")
    parser.add_argument("--json", action="store_true", help="end with one JSON object on stdout")
    arguments = parser.parse_args()
    undisturbed = asyncio.run(_in_azurite(arguments.people, kills=0, seed=0))
    killed = asyncio.run(_in_azurite(arguments.people, kills=arguments.kills, seed=arguments.seed))
    broken = [*broken_by(undisturbed), *broken_by(killed)]
    plans = {"undisturbed": figures(undisturbed), "killed": figures(killed)}
    if arguments.json:
        sys.stdout.write(json.dumps({"people": arguments.people, **plans, "broken": broken}) + "\n")
        return 1 if broken else 0
    sys.stdout.write(LINE.format(f"{recipients_of(arguments.people):,} recipients", *plans))
    for name, value in plans["undisturbed"].items():
        sys.stdout.write(LINE.format(name.replace("_", " "), f"{value:,}", f"{plans['killed'][name]:,}"))
    sys.stdout.writelines(f"BROKEN: {sentence}\n" for sentence in broken)
    return 1 if broken else 0


async def _in_azurite(people: int, *, kills: int, seed: int) -> Plan:
    async with Azurite() as azurite:
        return await run_plan(azurite.connection_string, people=people, kills=kills, seed=seed)


def figures(plan: Plan) -> dict[str, float]:
    """A plan in figures, seconds without the starts of processes."""
    register = plan.register
    return {
        "kills": plan.kills,
        "lost": register.lost,
        "doubled": register.doubled,
        "batch_rows": register.rows,
        "seconds": round(plan.seconds, 1),
        "recipients_per_second": round(register.people / plan.seconds),
        "first_nudge_seconds": round(plan.first_nudge, 2),
        "planned_at_first_nudge": plan.planned_at_first_nudge,
        "MiB_at_the_start": round(plan.peak_by(0) / MIB),
        "MiB_at_a_tenth": round(plan.peak_by(register.people // 10) / MIB),
        "MiB_at_a_half": round(plan.peak_by(register.people // 2) / MIB),
        "MiB_at_the_end": round(plan.peak_by(register.people) / MIB),
    }


if __name__ == "__main__":
    sys.exit(main())
