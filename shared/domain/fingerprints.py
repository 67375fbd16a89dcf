"""Fingerprints: a few bytes for each recipient, by which one person is found among a million without reading them all.

A fingerprint can be two people's: whoever finds one reads the delivery itself, and compares the whole key.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b

WIDTH = 3
"""Bytes of one fingerprint: among a million recipients one look-up in seventeen reads one batch in vain."""


def fingerprint(key: str) -> bytes:
    """The fingerprint of a recipient's key."""
    return blake2b(key.encode(), digest_size=WIDTH).digest()


def fingerprints(keys: Iterable[str]) -> bytes:
    """The fingerprints of recipients, one behind the other."""
    return b"".join(map(fingerprint, keys))


def places_of(mark: bytes, packed: bytes) -> Iterator[int]:
    """At which places among packed fingerprints one of them stands."""
    found = packed.find(mark)
    while found >= 0:
        if found % WIDTH == 0:
            yield found // WIDTH
        found = packed.find(mark, found + 1)
