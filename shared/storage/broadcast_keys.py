"""The keys of a broadcast's rows. Numbers are padded, so that keys sort as numbers do."""

HEAD, CURSOR, COUNTS = "head", "cursor", "counts"
AFTER = "\x7e"
"""Sorts behind what a key goes on with: a scan from a prefix ends at the prefix with this."""


def batch_key(number: int) -> str:
    """The key of a batch row."""
    return f"batch!{number:08d}"


def lane_key(lane: int, revision: int) -> str:
    """The key of a lane row, which names the batch that the lane works on in a revision."""
    return f"lane!{revision:04d}!{lane:02d}"


def content_key(revision: int) -> str:
    """The key of the row with a revision's encoded activity."""
    return f"content!{revision:04d}"


def due_key(due_at: float, batch: int) -> str:
    """The key of a due marker: by it the tick finds a batch's leftovers at their time (milliseconds)."""
    return f"due!{int(due_at * 1000):013d}!{batch:08d}"


def due_at(key: str) -> float:
    """The time of a due marker, in seconds since the epoch."""
    return int(key.split("!")[1]) / 1000


def share_key(at: int, number: int | None = None) -> str:
    """The key of a row with a share of a parent's recipients, of an instant in seconds since the epoch (milliseconds).

    Without a number it is how the keys of all of the instant's shares begin.
    """
    return f"share!{at * 1000:013d}!" + ("" if number is None else f"{number:08d}")


def parked_key(batch: int) -> str:
    """The key of the marker of a batch that was set aside because its claims bear no fruit."""
    return f"parked!{batch:08d}"
