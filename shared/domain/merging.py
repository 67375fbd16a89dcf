"""Merging sorted keys, one at a time: whoever walks through many of them never has them all at hand. Pure."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby


def union(sorted_keys: Iterable[Iterable[str]]) -> Iterator[str]:
    """Each key that any of them has, once, in order."""
    return (key for key, _ in groupby(heapq.merge(*sorted_keys)))


def without(keys: Iterator[str], left_out: Iterator[str]) -> Iterator[str]:
    """The keys, in order, that `left_out` does not have; both are sorted."""
    barred = next(left_out, None)
    for key in keys:
        while barred is not None and barred < key:
            barred = next(left_out, None)
        if key != barred:
            yield key


def places_by_key(sorted_keys: Sequence[Iterator[str]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Each key that any of them has, in order, with the places of those that have it."""
    placed = heapq.merge(*(_at(place, keys) for place, keys in enumerate(sorted_keys)))
    return ((key, tuple(place for _, place in found)) for key, found in groupby(placed, key=lambda pair: pair[0]))


def _at(place: int, keys: Iterator[str]) -> Iterator[tuple[str, int]]:
    return ((key, place) for key in keys)
