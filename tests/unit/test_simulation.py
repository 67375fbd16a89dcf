"""The deterministic simulation: five hundred small storms, the seeds that once failed, and bugs that must be found."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.simulation.draws import draw_storm
from tests.simulation.planted import MOST_SEEDS, PLANTED, find
from tests.simulation.runner import Summary, run_here
from tests.simulation.storm import FAULTS, WISHES
from tests.simulation.world import run_storm

ROOT = Path(__file__).parents[2]
SEEDS = ROOT / "tests" / "seeds" / "seeds.txt"
FIRST, CHUNKS, CHUNK = 30_200, 10, 50
TIMED = 30_275
so_far = Summary()


def kept_seeds() -> Sequence[object]:
    """The seeds of the file; an open one may fail until its bug is mended."""
    cases = []
    for line in SEEDS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        seed, state, unknown, sentence = (part.strip() for part in line.split("|"))
        marks = [pytest.mark.xfail(strict=False, reason=sentence)] if state == "open" else []
        cases.append(pytest.param(int(seed), unknown.split(), id=f"{seed}-{sentence[:40]}", marks=marks))
    return cases


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_promise_is_kept_in_fifty_storms(chunk: int) -> None:
    first = FIRST + chunk * CHUNK

    summary = run_here(range(first, first + CHUNK))

    so_far.join(summary)
    # To replay one: python3 dev.py simulate --seeds 1 --from SEED --trace
    assert summary.broken == {}


def test_every_fault_fired_in_them() -> None:
    if so_far.seeds < CHUNKS * CHUNK:
        pytest.skip("only some of the storms were run")

    assert [fault for fault in (*FAULTS, *WISHES) if not so_far.fired[fault]] == []


@pytest.mark.parametrize(("seed", "unknown"), kept_seeds())
def test_a_seed_that_once_failed_keeps_every_promise(seed: int, unknown: Sequence[str]) -> None:
    assert run_storm(draw_storm(seed, excluded=unknown)).broken == ()


# An ordinary storm; one whose installs are let go on in two scopes at once; one with schedules and moments.
@pytest.mark.parametrize("seed", [FIRST, 34, TIMED])
def test_the_same_seed_makes_the_same_trace_in_any_process(seed: int) -> None:
    here = [run_storm(draw_storm(seed)).trace.digest for _ in range(2)]
    script = (
        "from tests.simulation.draws import draw_storm\n"
        "from tests.simulation.world import run_storm\n"
        f"print(run_storm(draw_storm({seed})).trace.digest)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": str(ROOT)}

    there = subprocess.run(  # noqa: S603 - this Python, and a script of our own
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert {*here, there.stdout.strip()} == {here[0]}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found(name: str) -> None:
    found = find(name, seeds=range(MOST_SEEDS))

    assert found is not None
