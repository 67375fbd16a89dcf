"""The one place where a run takes the world's chance and clock away from the code under test, and gives both back.

- `random` is seeded, since jitter is drawn from the module itself;
- `secrets` and `os.urandom` (and so `uuid4`) draw from the seed;
- `time.time` is the wall clock of the process that asks, which is off by as much as the scenario says;
- knobs: sizes that the code holds as module constants are made small, so that twenty people fill several batches,
  runs and pages. A knob is found by name and value in every module of the product, wherever it was imported to.
"""

import os
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

KNOBS: Mapping[str, int | timedelta] = {
    "BATCH_SIZE": 100,
    "FIRST_RUN": 1_000,
    "ROWS_PER_STEP": 20,
    "PAGE_KEYS": 1_000,
    "PAGE_ROWS": 1_000,
    "POINT_READS": 100,
    "MOST_DUE": 200,
    "MOST_BATCHES": 12,
    "INSTALL_SIZE": 20,
    "FIRST_INSTALL_SIZE": 5,
    "MOST_NAMES": 15,
    "AT_ONCE": 255,
    "STEP_SECONDS": 20,
    "BUDGET_SECONDS": 60,
    "PLAN_AHEAD": timedelta(minutes=30),
    "GRACE": timedelta(minutes=5),
    "MOST_CAUGHT_UP": 24,
    "MOST_TOLD": 1_000,
    "MOST_NAMED": 4_000,
    "MOST_SHARED": 200,
    "MOST_SHOWN": 20,
}
"""The knobs with their values in the product: where a value has changed, the knob is no longer turned. Names that stand
for several things are those with this value: `AT_ONCE` of named people, `BUDGET_SECONDS` of the planner."""

_HOUSES = ("shared.", "send_worker.", "messages.", "install_worker.", "tests.twins.")


@contextmanager
def seeded(seed: int, *, wall_clock: Callable[[], float], knobs: Mapping[str, int | timedelta]) -> Iterator[None]:
    """Make everything that is random, or of this moment, follow from the seed."""
    dice = random.Random(f"secrets {seed}")
    state = random.getstate()
    kept = {"_sysrand": secrets._sysrand, "urandom": os.urandom, "time": time.time}  # type: ignore[attr-defined]
    turned = list(_turn(knobs))
    random.seed(seed)
    secrets._sysrand = dice  # type: ignore[attr-defined]
    os.urandom = dice.randbytes
    time.time = wall_clock
    try:
        yield
    finally:
        random.setstate(state)
        secrets._sysrand = kept["_sysrand"]  # type: ignore[attr-defined]
        os.urandom = kept["urandom"]
        time.time = kept["time"]
        for module, name, value in turned:
            setattr(sys.modules[module], name, value)


def _turn(knobs: Mapping[str, int | timedelta]) -> Iterator[tuple[str, str, int | timedelta]]:
    """Set the knobs, and tell where which value stood."""
    for name, module in sorted(sys.modules.items()):
        if not name.startswith(_HOUSES):
            continue
        for knob, value in knobs.items():
            if module.__dict__.get(knob) == KNOBS[knob]:
                setattr(module, knob, value)
                yield name, knob, KNOBS[knob]
