"""`python3 dev.py simulate`: runs seeds, replays one, or shows that planted bugs are found."""

import argparse
import sys

from tests.simulation.draws import SMALL, draw_storm
from tests.simulation.planted import MOST_SEEDS, PLANTED, find
from tests.simulation.runner import Summary, run_everywhere
from tests.simulation.storm import EXCLUDED, LEAVABLE, Storm
from tests.simulation.world import run_storm


def main() -> int:
    """Run what was asked for; 1 where a promise was broken or a fault never fired."""
    parser = argparse.ArgumentParser(prog="dev.py simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=500, metavar="N", help="how many seeds (default: 500)")
    parser.add_argument("--from", type=int, default=0, dest="first", metavar="S", help="the first of them")
    parser.add_argument("--people", type=int, default=SMALL, help=f"at most so many; above {SMALL} with real sizes")
    parser.add_argument("--trace", action="store_true", help="tell each event of each run")
    parser.add_argument(
        "--without",
        nargs="*",
        choices=LEAVABLE,
        default=EXCLUDED,
        help="leave these out, or nothing; seeds of the file name what was not drawn yet when they were found",
    )
    parser.add_argument("--planted", action="store_true", help="show after how many seeds each planted bug is found")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    excluded = frozenset[str](arguments.without)
    if arguments.planted:
        return _plant(range(arguments.first, arguments.first + MOST_SEEDS))
    if arguments.trace:
        return max(_replay(draw_storm(seed, people=arguments.people, excluded=excluded)) for seed in seeds)
    summary = run_everywhere(seeds, people=arguments.people, excluded=excluded)
    _tell(summary)
    return 1 if summary.broken or summary.silent else 0


def _replay(storm: Storm) -> int:
    _say(repr(storm))
    result = run_storm(storm)
    _say(*result.trace.lines(), *(f"BROKEN: {sentence}" for sentence in result.broken))
    _say(f"{result.virtual_seconds:.0f} virtual seconds, {result.steps} steps, trace {result.trace.digest}")
    return 1 if result.broken else 0


def _plant(seeds: range) -> int:
    missed = 0
    for name in PLANTED:
        found = find(name, seeds=seeds)
        missed += found is None
        _say(f"{name:<24} {f'seed {found.seed}, after {found.seeds}: {found.promise}' if found else 'NOT FOUND'}")
    return 1 if missed else 0


def _tell(summary: Summary) -> None:
    for seed, sentence in sorted(summary.broken.items()):
        _say(f"seed {seed}: {sentence}")
    _say(
        f"{summary.seeds} seeds in {summary.seconds:.1f} s ({summary.seeds / summary.seconds:.1f}/s): "
        f"{len(summary.broken)} broken; {summary.deliveries} deliveries, {summary.doubled} doubled for a reason; "
        f"{summary.virtual_seconds / 3600:.0f} virtual hours",
        "faults: " + ", ".join(f"{fault} {number}" for fault, number in sorted(summary.fired.items())),
    )
    if summary.silent:
        _say(f"never fired: {', '.join(summary.silent)}")


def _say(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
