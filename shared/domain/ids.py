"""Ids: time-ordered for broadcasts, by their keys for schedules and for items of digests."""

from datetime import UTC, datetime
from hashlib import sha256

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
CHANCE = 10
"""So many characters at the end of a broadcast's id are chance."""
_LATEST_MS = 10**13 - 1
_SCHEDULE, _CLOCK = "schedule!", "clock!"
OWN_KEYS = (_SCHEDULE, _CLOCK)
"""How the keys begin that Herald gives itself. No caller may take one of them."""


def broadcast_id(*, now: float, randomness: bytes) -> str:
    """Make an id whose order is the order of acceptance: 10 characters of milliseconds and 10 of chance (50 bits)."""
    chance = int.from_bytes(randomness[:7], "big") & ((1 << 50) - 1)
    return _base32(int(now * 1000), 10) + _base32(chance, CHANCE)


def occurrence_id(*, schedule: str, at: float) -> str:
    """The id of the broadcast of a schedule's occurrence: its instant, and a hash of both in the place of chance."""
    return broadcast_id(now=at, randomness=sha256(occurrence_key(schedule=schedule, at=at).encode()).digest())


def occurrence_key(*, schedule: str, at: float) -> str:
    """The idempotency key of the broadcast of a schedule's occurrence."""
    instant = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return f"{_SCHEDULE}{schedule}!{instant.removesuffix('+00:00')}Z"


def child_id(*, parent: str, at: int) -> str:
    """The id of a parent's child: its instant (seconds since the epoch), and a hash of both in the place of chance."""
    return broadcast_id(now=at, randomness=sha256(child_key(parent=parent, at=at).encode()).digest())


def child_key(*, parent: str, at: int) -> str:
    """The idempotency key of a parent's child."""
    return f"{_CLOCK}{parent}!{datetime.fromtimestamp(at, UTC).isoformat().removesuffix('+00:00')}Z"


def schedule_id(*, tenant: str, key: str) -> str:
    """The id of the schedule that a tenant's key stands for: 20 characters of a hash (100 bits)."""
    return _hashed(f"{tenant}!{key}")


def item_id(name: str) -> str:
    """The id of the item that a key, or the receipt of a request, stands for: likewise."""
    return _hashed(name)


def newest_first(now: float) -> str:
    """A key part by which later instants sort first: tables only read upwards."""
    return f"{_LATEST_MS - int(now * 1000):013d}"


def _hashed(name: str) -> str:
    return _base32(int.from_bytes(sha256(name.encode()).digest()[:13], "big"), 20)


def _base32(number: int, width: int) -> str:
    characters = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        characters.append(_ALPHABET[digit])
    return "".join(reversed(characters))
