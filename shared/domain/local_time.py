"""Local times: what a calendar and a clock on the wall mean as an instant.

Twice a year many zones turn their clocks, so a local time may exist twice or not at all. One rule holds wherever
somebody gives a local time:

- a time that exists twice (the clocks go back) means the first one;
- a time that does not exist (the clocks go forward) means as many minutes after the gap began: where 02:00 becomes
  03:00, 02:30 means 03:30.

Both say the same: a local time is read by the offset that held before the change.
"""

from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

MOST_SIMILAR = 3
NOT_ZONES = {"Factory", "localtime"}
"""Names that some systems list, but that say nothing of a place."""


class UnknownZone(ValueError):
    """No IANA time zone has this `name`; `similar` are the names that come nearest, the nearest first."""

    def __init__(self, name: str, similar: tuple[str, ...]) -> None:
        hint = f"did you mean {' or '.join(similar)}?" if similar else "a name is such as Europe/Berlin"
        super().__init__(f"there is no time zone of this name in the IANA database; {hint}")
        self.name = name
        self.similar = similar


def zone_named(name: str) -> ZoneInfo:
    """The time zone of an IANA name such as `Europe/Berlin`, capitals and all. Raises UnknownZone."""
    if not is_zone(name):
        raise UnknownZone(name, _similar(name))
    return ZoneInfo(name)


def is_zone(name: str) -> bool:
    """Whether the IANA database has a time zone of this name."""
    return name in _names()


def instant_of(local: datetime, zone: tzinfo) -> datetime:
    """The instant, in UTC, that a local time without a zone means in this one."""
    if local.tzinfo is not None:
        raise ValueError("a local time has no zone of its own")
    # `fold=0` is Python's word for the offset before a change, in a gap as well: PEP 495.
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones() - NOT_ZONES)


def _similar(name: str) -> tuple[str, ...]:
    """Names that look alike as a whole or by their city, whatever their capitals."""
    known = _names()
    wanted = name.strip().casefold().replace(" ", "_")
    by_folded = {one.casefold(): one for one in known}
    if wanted in by_folded:
        return (by_folded[wanted],)
    by_city: dict[str, list[str]] = {}
    for one in sorted(known):
        by_city.setdefault(one.rpartition("/")[2].casefold(), []).append(one)
    cities = get_close_matches(wanted.rpartition("/")[2], by_city, n=MOST_SIMILAR, cutoff=0.8)
    whole = get_close_matches(wanted, by_folded, n=MOST_SIMILAR, cutoff=0.8)
    found = [by_folded[one] for one in whole] + [one for city in cities for one in by_city[city]]
    return tuple(dict.fromkeys(found))[:MOST_SIMILAR]
