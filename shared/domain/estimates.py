"""What an audience would come to: its parts with their counts, and who of all of them can be expected. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from shared.domain.rehearsals import Prospect


class Counted(StrEnum):
    """What the count of a part counts."""

    PEOPLE = "people"
    MEMBERS = "members"
    """People, and groups, devices and apps among them: Graph cannot count the people alone."""
    CONVERSATIONS = "conversations"
    DELIVERIES = "deliveries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Some of a part: the keys of those who would get the message, among so many that were looked at."""

    keys: Sequence[str]
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One source of an audience, or one group of it. What is expected of it is known, or follows from its sample."""

    source: str
    id: str | None = None
    count: int | None
    """None where it cannot be told before the source is read."""
    counted: Counted = Counted.PEOPLE
    known: Mapping[Prospect, int] = field(default_factory=dict)
    sample: Sample = Sample(keys=(), size=0)

    @property
    def is_extrapolated(self) -> bool:
        """Whether its sample stands for more than itself."""
        return 0 < self.sample.size < (self.count or 0)


def at_most(parts: Sequence[Part]) -> int | None:
    """The sum of all counts, which nobody can tell where one of them is unknown. Parts may have people in common."""
    counts = [part.count for part in parts if part.count is not None]
    return sum(counts) if len(counts) == len(parts) else None


def sampled(parts: Sequence[Part]) -> int | None:
    """From how many people others were extrapolated; None where nobody had to be."""
    sizes = [part.sample.size for part in parts if part.is_extrapolated]
    return sum(sizes) or None


def share_up_to(object_id: str) -> float:
    """Which share of all people have ids up to this one, more than 0 and at most 1: Entra's object ids are random."""
    return (int(object_id[:8], 16) + 1) / 2**32


def expect(parts: Sequence[Part], prospects: Mapping[str, Prospect]) -> Counter[Prospect]:
    """How many people to expect of each prospect; `prospects` are those of all people in samples."""
    totals: defaultdict[Prospect, float] = defaultdict(float)
    for part in parts:
        for prospect, number in part.known.items():
            totals[prospect] += number
        for key in part.sample.keys:
            totals[prospects[key]] += (part.count or 0) / part.sample.size
    return Counter({prospect: round(number) for prospect, number in totals.items()})
