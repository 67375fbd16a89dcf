"""The planner's pure half: how sorted keys become batches.

A plan works in sorted runs. It collects pages of an audience into a run (a set of keys, sorted), then walks the run,
leaves out what an earlier run holds, and writes batch rows. Runs are sets, so repeated and reshuffled pages vanish;
rows and the cursor are one transaction, so a second planner writes nothing.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import orjson

from shared.domain.batches import Recipient
from shared.domain.cursors import Cursor
from shared.domain.lanes import BATCH_BYTES, BATCH_SIZE, FIRST_INSTALL, INSTALL_SIZE, install_size
from shared.domain.recipients import kind_of

FIRST_RUN, LARGEST_RUN = 1_000, 65_536
ROWS_PER_STEP = 20
"""Batch rows in one transaction with the cursor's step, fewer where its 3 MiB would be passed."""
BYTES_PER_STEP = 2 * 1024 * 1024


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
