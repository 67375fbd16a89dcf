"""A page of an audience's source: whom it brings, whom it leaves out and why, and where the source goes on."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto


class Skip(StrEnum):
    """Why a member of a group, a roster or the tenant is left out. Who is both counts as a guest."""

    GUESTS = "guests"
    DISABLED = "disabled"
    """Accounts that cannot sign in."""


class Trouble(StrEnum):
    """Why a page could not be read."""

    WAITING = auto()
    """The same request may work later."""
    REFUSED = auto()
    """A permission is missing, the credentials are wrong, or the request is: an operator or an admin mends it."""
    NOT_FOUND = auto()
    """There is no such group or roster, or the bot is not in it."""
    LINK_EXPIRED = auto()
    """What led to this page leads nowhere any more: the list begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some recipient keys in any order; pages may repeat each other."""

    keys: Sequence[str] = ()
    token: str = ""
    """Where the source goes on; empty at its end."""
    skipped: Mapping[str, Skip] = field(default_factory=dict)
    """The keys of those who are left out."""
    unknown: str = ""
    """A group that is not in the directory, or a roster that the bot is not in: nobody is read of it."""


def start_after(one: str, sorted_names: Sequence[str]) -> str:
    """The token of the group or roster behind this one; empty behind the last."""
    place = bisect_right(sorted_names, one)
    return f"{sorted_names[place]} " if place < len(sorted_names) else ""


def add_skipped(packed: str, reasons: Iterable[Skip]) -> str:
    """Count people on top of a packed count such as `guests=12 disabled=3`; empty is none."""
    counts = unpack_skipped(packed) + Counter(reasons)
    return " ".join(f"{skip}={counts[skip]}" for skip in Skip if counts[skip])


def unpack_skipped(packed: str) -> Counter[Skip]:
    """Read what `add_skipped` wrote."""
    pairs = (part.split("=") for part in packed.split())
    return Counter({Skip(name): int(number) for name, number in pairs})


def add_places(packed: str, places: Collection[int]) -> str:
    """Add places in a list to a packed set of them, such as `0 7`: ids would be too long for a row's property."""
    return " ".join(map(str, sorted({*unpack_places(packed), *places})))


def unpack_places(packed: str) -> list[int]:
    """Read what `add_places` wrote, in order."""
    return [int(place) for place in packed.split()]
