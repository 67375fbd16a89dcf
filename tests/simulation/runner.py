"""Runs many seeds on all cores, and tells which broke a promise, how often each fault fired, and how long it took."""

import gc
import os
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from multiprocessing import get_context

from tests.simulation.draws import SMALL, draw_storm
from tests.simulation.storm import EXCLUDED, FAULTS, WISHES
from tests.simulation.world import Result, run_storm

CHUNK = 25
ENOUGH_SEEDS = 500
"""In a run of so many seeds every fault must have fired."""


@dataclass(slots=True)
class Summary:
    """What many runs came to."""

    seeds: int = 0
    broken: dict[int, str] = field(default_factory=dict)
    """The first promise that each failed seed broke."""
    fired: Counter[str] = field(default_factory=Counter)
    deliveries: int = 0
    doubled: int = 0
    virtual_seconds: float = 0.0
    steps: int = 0
    seconds: float = 0.0

    def add(self, result: Result) -> None:
        """Count a run."""
        self.seeds += 1
        if result.broken:
            self.broken[result.seed] = result.broken[0]
        self.fired.update(result.trace.fired)
        self.deliveries += result.deliveries
        self.doubled += result.doubled
        self.virtual_seconds += result.virtual_seconds
        self.steps += result.steps

    def join(self, other: "Summary") -> None:
        """Count what another process has counted."""
        self.seeds += other.seeds
        self.broken |= other.broken
        self.fired.update(other.fired)
        self.deliveries += other.deliveries
        self.doubled += other.doubled
        self.virtual_seconds += other.virtual_seconds
        self.steps += other.steps

    @property
    def silent(self) -> list[str]:
        """Faults and wishes that never came about, once there were enough runs to expect each."""
        return [fault for fault in (*FAULTS, *WISHES) if not self.fired[fault]] if self.seeds >= ENOUGH_SEEDS else []


def run_here(seeds: Iterable[int], *, people: int = SMALL, excluded: Collection[str] = EXCLUDED) -> Summary:
    """Run seeds in this process."""
    summary = Summary()
    gc.collect()
    gc.freeze()
    for seed in seeds:
        summary.add(run_storm(draw_storm(seed, people=people, excluded=excluded)))
    return summary


def run_everywhere(seeds: Sequence[int], *, people: int = SMALL, excluded: Collection[str] = EXCLUDED) -> Summary:
    """Run seeds on all cores, with progress on standard error."""
    started = time.perf_counter()
    summary = Summary()
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for part in pool.map(_run_chunk, chunks, repeat(people), repeat(excluded)):
            summary.join(part)
            took = time.perf_counter() - started
            sys.stderr.write(f"\r{summary.seeds} seeds, {len(summary.broken)} broken, {took:.0f} s ")
            sys.stderr.flush()
    sys.stderr.write("\n")
    summary.seconds = time.perf_counter() - started
    return summary


def _run_chunk(seeds: Sequence[int], people: int, excluded: Collection[str]) -> Summary:
    return run_here(seeds, people=people, excluded=excluded)
