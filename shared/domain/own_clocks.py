"""A moment on each recipient's own clock: one local time is many instants, one for each offset that zones have then.

A broadcast with such a moment is a *parent*. Its plan, the *split*, sorts the recipients by their instants, and each
instant has a broadcast of its own, a *child*.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from shared.domain.local_time import instant_of

SPLIT_AHEAD = timedelta(hours=2)
"""So long before the first clock can show the local time a parent is split: zones may have to be asked for."""
FIRST_OFFSET, LAST_OFFSET = timedelta(hours=14), timedelta(hours=-12)
"""The first clocks on Earth to show a local time are those of UTC+14, the last ones those of UTC-12."""
SPLIT_CLOCK = timezone(FIRST_OFFSET + SPLIT_AHEAD)
"""A clock that runs ahead of all others: when it shows a local time, the split for that time is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnClock:
    """A local time, without a zone, that is meant on each recipient's own clock.

    `default_zone` is for whose zone nobody told, and for channels and chats: an IANA name, or empty where a request
    leaves it to the app's setting.
    """

    at: datetime
    default_zone: str

    @property
    def first(self) -> float:
        """The earliest instant, in seconds since the epoch, at which anybody's clock shows the local time."""
        return self.at.replace(tzinfo=UTC).timestamp() - FIRST_OFFSET.total_seconds()

    @property
    def last(self) -> float:
        """Likewise, the latest instant."""
        return self.at.replace(tzinfo=UTC).timestamp() - LAST_OFFSET.total_seconds()

    def instant(self, zone: str) -> int:
        """The instant, in whole seconds since the epoch, at which the clocks of an IANA zone show the local time."""
        return int(instant_of(self.at, ZoneInfo(zone)).timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One instant, in whole seconds since the epoch, at which so many recipients of a parent get the message."""

    at: int
    people: int


def add_moments(packed: str, people: Mapping[int, int]) -> str:
    """Count people by their instants on top of packed moments such as `1795503600:12 1795507200:3`; empty is none."""
    counts = Counter({one.at: one.people for one in unpack_moments(packed)}) + Counter(people)
    return " ".join(f"{at}:{counts[at]}" for at in sorted(counts))


def unpack_moments(packed: str) -> tuple[Moment, ...]:
    """Read what `add_moments` wrote: the earliest moment first."""
    pairs = (part.split(":") for part in packed.split())
    return tuple(Moment(at=int(at), people=int(people)) for at, people in pairs)


def sort_out(keys: Iterable[str], instant_by_key: Mapping[str, int]) -> dict[int, list[str]]:
    """The shares of some recipients: their keys by instant, in the order in which they come."""
    shares: dict[int, list[str]] = {}
    for key in keys:
        shares.setdefault(instant_by_key[key], []).append(key)
    return shares
