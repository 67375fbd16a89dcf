"""Time-ordered ids for broadcasts."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LATEST_MS = 10**13 - 1


def broadcast_id(*, now: float, randomness: bytes) -> str:
    """Make an id whose order is the order of acceptance: 10 characters of milliseconds and 10 of chance (50 bits)."""
    milliseconds = int(now * 1000)
    chance = int.from_bytes(randomness[:7], "big") & ((1 << 50) - 1)
    return _base32(milliseconds, 10) + _base32(chance, 10)


def newest_first(now: float) -> str:
    """A key part by which later instants sort first: tables only read upwards."""
    return f"{_LATEST_MS - int(now * 1000):013d}"


def _base32(number: int, width: int) -> str:
    characters = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        characters.append(_ALPHABET[digit])
    return "".join(reversed(characters))
