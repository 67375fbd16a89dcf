"""The planner's pure half: where a plan stands, and how sorted keys become batches.

A plan works in sorted runs. It collects pages of an audience into a run (a set of keys, sorted), then walks the run,
leaves out what an earlier run holds, and writes batch rows. Runs are sets, so repeated and reshuffled pages vanish;
rows and the cursor are one transaction, so a second planner writes nothing.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby

import orjson

from shared.domain.batches import Recipient
from shared.domain.lanes import BATCH_BYTES, BATCH_SIZE, FIRST_INSTALL, INSTALL_SIZE, install_size, is_install
from shared.domain.recipients import kind_of

FIRST_RUN, LARGEST_RUN = 1_000, 65_536
ROWS_PER_STEP = 20
"""Batch rows in one transaction with the cursor's step, fewer where its 3 MiB would be passed."""
BYTES_PER_STEP = 2 * 1024 * 1024


class Wait(StrEnum):
    """What a plan waits for where its audience cannot be read. It goes on by itself."""

    DIRECTORY = "directory"
    """Graph, or the Connector, is throttling, failing or away."""
    EXCEPTION = "exception"
    """A group or a roster that is to be left out is not there: going on could reach those who must not be."""
    CONSENT = "consent"
    """One of them refuses: a permission, the credentials, or the request. Somebody has to mend that."""
    DIGEST = "digest"
    """An earlier broadcast of the same digest is still being planned."""


class Phase(StrEnum):
    """What a plan does next."""

    FREEZE = "freeze"
    """A digest: items for audiences are to be taken up."""
    COLLECT = "collect"
    EMIT = "emit"
    RAMP = "ramp"
    """A slow start: the first people are planned, and the others wait."""
    FINISHED = "finished"


_SET_ASIDE = "-"
MOST_PARTS = 32_000
"""Characters of `Cursor.parts`: a table's string has 32 Ki, and audiences that are set aside take two each."""


@dataclass(frozen=True, slots=True)
class PartRuns:
    """The names of the runs of one audience of a digest: of its people, and of those who are left out."""

    runs: tuple[str, ...]
    except_runs: tuple[str, ...]


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
    installs: int = 0
    """Likewise, for those whom the installer sees to first, counted from `FIRST_INSTALL`."""
    recipients: int = 0
    """Deliveries in them; of a dry run, recipients that were counted."""
    goes_on_at: float = 0.0
    """When a slow start is over, in seconds since the epoch; zero until its first people were tried."""
    prospects: str = ""
    """What a dry run has counted, as `add_prospects` packs it."""
    skipped_runs: str = ""
    """The names of the runs of people who were left out: by them each is counted once, on however many pages."""
    skipped: str = ""
    """How many people were left out, as `add_skipped` packs it."""
    except_runs: str = ""
    """The names of the runs of those who are to be left out at an author's word."""
    unknown_exceptions: str = ""
    """Places in the audience's exceptions of those that the directory does not know; the plan waits for them."""
    unknown_groups: str = ""
    """Places in the audience's groups of those that are not in the directory, as `add_places` packs them."""
    unknown_rosters: str = ""
    """Likewise in the audience's rosters, of those that the bot is not in."""
    shares: int = 0
    """Of a parent: rows with shares written so far, the number of the next one."""
    moments: str = ""
    """Of a parent: how many recipients were found for each instant, as `add_moments` packs it."""
    guessed: int = 0
    """Of a parent: people whose zone nobody told."""
    children: int = 0
    """Of a parent: of how many of its moments, in their order, there is a child, or will be one in any case."""
    waits_for: str = ""
    """What the plan waits for before it reads on, one of `Wait`; empty while it goes on."""
    rests_until: float = 0.0
    """No page is read before this instant, in seconds since the epoch."""
    parts: str = ""
    """Of a digest: the runs of those of its audiences that are collected, as `behind_part` packs them."""

    @property
    def run_names(self) -> list[str]:
        """The names of the runs, oldest first."""
        return self.runs.split()

    @property
    def rows(self) -> int:
        """Batch rows of both sorts."""
        return self.batches + self.installs

    @property
    def part_runs(self) -> list[PartRuns | None]:
        """The runs of each audience of a digest that is collected; None for one that cannot be."""
        return [_unpack_part(packed) for packed in self.parts.split(";")[:-1]]

    def behind_part(self, *, is_set_aside: bool = False) -> "Cursor":
        """The cursor behind the audience of a digest that was collected, or that is set aside.

        So is one whose runs are too many: a plan that cannot take its step would stand still for ever.
        """
        packed = f"{self.runs}/{self.except_runs}"
        if is_set_aside or len(self.parts) + len(packed) > MOST_PARTS:
            packed = _SET_ASIDE
        kept = Cursor(phase=Phase.COLLECT, parts=f"{self.parts}{packed};")
        return replace(kept, skipped_runs=self.skipped_runs, skipped=self.skipped)

    def holds(self, batch: int) -> bool:
        """Whether this batch is planned."""
        return batch - FIRST_INSTALL < self.installs if is_install(batch) else batch < self.batches

    @property
    def waits_for_lanes(self) -> bool:
        """Whether nothing is planned before all lanes are through."""
        return self.phase in (Phase.RAMP, Phase.FINISHED)

    @property
    def is_finished(self) -> bool:
        """Whether every recipient has a batch row."""
        return self.phase is Phase.FINISHED


def _unpack_part(packed: str) -> PartRuns | None:
    runs, _, except_runs = packed.partition("/")
    return None if packed == _SET_ASIDE else PartRuns(tuple(runs.split()), tuple(except_runs.split()))


def run_capacity(run: int) -> int:
    """How many keys a run may collect: 1,000 for the first, so that sending starts early, doubling to 65,536."""
    return min(LARGEST_RUN, FIRST_RUN << min(run, 16))


def leave_out(keys: Sequence[str], earlier: Iterable[Sequence[str]]) -> list[str]:
    """The keys of a run, in order, without those that any earlier run holds."""
    left = set(keys)
    for run in earlier:
        left.difference_update(run)
    return [key for key in keys if key in left]


def cut(
    recipients: Iterable[Recipient], size_of: Callable[[int], int] = lambda _: BATCH_SIZE
) -> Iterator[tuple[Recipient, ...]]:
    """Cut recipients into batches of at most 256 KiB; `size_of` tells how many the one at a place (from 0) may have."""
    batch: list[Recipient] = []
    weights, place = 0, 0
    for recipient in recipients:
        weight = _weight(recipient)
        if batch and (len(batch) == size_of(place) or weights + weight > BATCH_BYTES):
            yield tuple(batch)
            batch, weights, place = [], 0, place + 1
        batch.append(recipient)
        weights += weight
    if batch:
        yield tuple(batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatches:
    """Batches of one sort that are written at once: their recipients, from number `first` on."""

    first: int
    batches: tuple[tuple[Recipient, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Recipients in the order of their keys that one transaction plans."""

    known: tuple[Recipient, ...]
    strangers: tuple[Recipient, ...]
    """Whom the installer is to see to first."""

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """All of them."""
        return self.known + self.strangers

    def _installs(self, first: int) -> Iterator[tuple[Recipient, ...]]:
        """The strangers in small batches, of which the first one of all has the place `first`.

        Each has one kind of recipients, since what keeps the app from one kind need not keep it from another.
        """
        place = first
        for _, alike in groupby(self.strangers, key=lambda one: kind_of(one.key)):
            for batch in cut(alike, lambda ahead, first=place: install_size(first + ahead)):  # type: ignore[misc]
                yield batch
                place += 1

    def step(self, cursor: Cursor) -> tuple[Cursor, list[NewBatches]]:
        """The cursor behind this portion, and its batches."""
        batches = tuple(cut(self.known))
        installs = tuple(self._installs(cursor.installs))
        new = [
            NewBatches(first=cursor.batches, batches=batches),
            NewBatches(first=FIRST_INSTALL + cursor.installs, batches=installs),
        ]
        step = replace(
            cursor,
            batches=cursor.batches + len(batches),
            installs=cursor.installs + len(installs),
            recipients=cursor.recipients + len(self.recipients),
            after=max(recipient.key for recipient in self.recipients),
        )
        return step, [one for one in new if one.batches]


def portions(recipients: Iterable[Recipient], *, is_stranger: Callable[[Recipient], bool]) -> Iterator[Portion]:
    """Put as many recipients together as one transaction takes; `is_stranger` tells whom the installer sees to first.

    The first strangers have smaller rows than are reckoned with here, and no row has two kinds: seven more at most.
    """
    known, strangers, weights = list[Recipient](), list[Recipient](), 0
    for recipient in recipients:
        weight, strange = _weight(recipient), is_stranger(recipient)
        rows = math.ceil((len(known) + (not strange)) / BATCH_SIZE) + math.ceil(
            (len(strangers) + strange) / INSTALL_SIZE
        )
        if (known or strangers) and (rows > ROWS_PER_STEP or weights + weight > BYTES_PER_STEP):
            yield Portion(known=tuple(known), strangers=tuple(strangers))
            known, strangers, weights = [], [], 0
        (strangers if strange else known).append(recipient)
        weights += weight
    if known or strangers:
        yield Portion(known=tuple(known), strangers=tuple(strangers))


def _weight(recipient: Recipient) -> int:
    """Upper bound of a packed recipient's bytes: its strings, plus punctuation."""
    strings = (recipient.key, recipient.conversation, recipient.member, recipient.group, recipient.service_url)
    # A letter is JSON within JSON, so its quotes are escaped.
    letter = len(orjson.dumps(recipient.letter)) if recipient.letter else 0
    return sum(len(string.encode()) for string in strings) + letter + 16
