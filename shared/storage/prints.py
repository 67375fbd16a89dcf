"""The index of a broadcast's recipients: fingerprints of many batches in one row.

    prints!<first batch>        sizes and fingerprints of the batches that one step of the planner wrote

A row stands for up to twenty batch rows and is written in one transaction with them, so ten thousand batches are
searched by one page of 500 rows. A broadcast that was planned at its acceptance has one batch and no index.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from shared.domain.batches import Recipient
from shared.domain.fingerprints import fingerprint, fingerprints, places_of
from shared.storage.rows import Operation, Row, insert

PRINTS = "prints!"


def index_of(batches: Sequence[tuple[Recipient, ...]], *, first: int) -> Operation:
    """The operation that writes the index of the batches from number `first` on."""
    sizes = bytes(len(batch) for batch in batches)
    prints = fingerprints(recipient.key for batch in batches for recipient in batch)
    return insert(f"{PRINTS}{first:08d}", {"sizes": sizes, "prints": prints})


def batches_in(row: Row, keys: Sequence[str]) -> Iterator[int]:
    """The numbers of batches that may hold one of these recipients, by one row of the index."""
    first = int(row.key.removeprefix(PRINTS))
    sizes, prints = row.values["sizes"], row.values["prints"]
    if not isinstance(sizes, bytes) or not isinstance(prints, bytes):
        raise TypeError(f"{row.key} is no row of the index")
    ends = list(accumulate(sizes))
    for key in keys:
        for place in places_of(fingerprint(key), prints):
            yield first + bisect_right(ends, place)
