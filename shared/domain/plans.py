"""The planner's pure half: where a plan stands, and how sorted keys become batches.

A plan works in sorted runs. It collects pages of an audience into a run (a set of keys, sorted), then walks the run,
leaves out what an earlier run holds, and writes batch rows. Runs are sets, so repeated and reshuffled pages vanish;
rows and the cursor are one transaction, so a second planner writes nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.batches import Recipient
from shared.domain.lanes import BATCH_BYTES, BATCH_SIZE

FIRST_RUN, LARGEST_RUN = 1_000, 65_536
ROWS_PER_STEP = 20
"""Batch rows in one transaction with the cursor's step, fewer where its 3 MiB would be passed."""
BYTES_PER_STEP = 2 * 1024 * 1024


class Phase(StrEnum):
    """What a plan does next."""

    COLLECT = "collect"
    EMIT = "emit"
    RAMP = "ramp"
    """A slow start: the first people are planned, and the others wait."""
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a plan stands. Every step of a plan changes it, in one transaction with what the step wrote."""

    phase: Phase = Phase.COLLECT
    source: int = 0
    """Which source of the audience is being read."""
    token: str = ""
    """Where in that source to go on; empty for its start."""
    runs: str = ""
    """The names of the runs collected so far, oldest first; the last one is walked. A name is random, so that a planner
    that loses the cursor's step cannot have written over the winner's run."""
    kind: str = ""
    """The kind of keys of the last run: `user` for object ids, `text` for conversations."""
    after: str = ""
    """The last key of the run that is planned already."""
    batches: int = 0
    """Batch rows written so far: the number of the next one."""
    recipients: int = 0
    """Deliveries in them; of a dry run, recipients that were counted."""
    goes_on_at: float = 0.0
    """When a slow start is over, in seconds since the epoch; zero until its first people were tried."""
    prospects: str = ""
    """What a dry run has counted, as `add_prospects` packs it."""

    @property
    def run_names(self) -> list[str]:
        """The names of the runs, oldest first."""
        return self.runs.split()

    @property
    def waits_for_lanes(self) -> bool:
        """Whether nothing is planned before all lanes are through."""
        return self.phase in (Phase.RAMP, Phase.FINISHED)

    @property
    def is_finished(self) -> bool:
        """Whether every recipient has a batch row."""
        return self.phase is Phase.FINISHED


def run_capacity(run: int) -> int:
    """How many keys a run may collect: 1,000 for the first, so that sending starts early, doubling to 65,536."""
    return min(LARGEST_RUN, FIRST_RUN << min(run, 16))


def leave_out(keys: Sequence[str], earlier: Iterable[Sequence[str]]) -> list[str]:
    """The keys of a run, in order, without those that any earlier run holds."""
    left = set(keys)
    for run in earlier:
        left.difference_update(run)
    return [key for key in keys if key in left]


def cut(recipients: Iterable[Recipient]) -> Iterator[tuple[Recipient, ...]]:
    """Cut recipients into batches of at most 100 deliveries and 256 KiB."""
    batch: list[Recipient] = []
    size = 0
    for recipient in recipients:
        weight = _weight(recipient)
        if batch and (len(batch) == BATCH_SIZE or size + weight > BATCH_BYTES):
            yield tuple(batch)
            batch, size = [], 0
        batch.append(recipient)
        size += weight
    if batch:
        yield tuple(batch)


def by_transaction(batches: Iterable[tuple[Recipient, ...]]) -> Iterator[list[tuple[Recipient, ...]]]:
    """Put as many batches together as one transaction takes."""
    step: list[tuple[Recipient, ...]] = []
    size = 0
    for batch in batches:
        weight = sum(map(_weight, batch))
        if step and (len(step) == ROWS_PER_STEP or size + weight > BYTES_PER_STEP):
            yield step
            step, size = [], 0
        step.append(batch)
        size += weight
    if step:
        yield step


def _weight(recipient: Recipient) -> int:
    """Upper bound of a packed recipient's bytes: its strings, plus punctuation."""
    strings = (recipient.key, recipient.conversation, recipient.member, recipient.service_url)
    return sum(len(string.encode()) for string in strings) + 16
