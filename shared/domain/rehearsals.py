"""Rehearsals and slow starts: how a broadcast is tried out before everybody has it. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.batches import Recipient, not_found
from shared.domain.outcomes import Outcome


class Prospect(StrEnum):
    """What a dry run expects of a recipient."""

    REACHABLE = "reachable"
    BLOCKED = "blocked"
    """The last answer was that the person, or an admin, blocked the bot. One try is made all the same."""
    TO_INSTALL = "to_install"
    """The app is not known to be there: it has to be installed first."""
    NOT_FOUND = "user_not_found"
    """The directory knows nobody of this name."""
    GONE = "conversation_gone"
    """There is no such team or channel, or the bot is not in the team whose channel was named."""
    OPTED_OUT = "opted_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """A slow start: so many people first, and after these were tried a wait, in seconds, before all others."""

    people: int
    wait: float


def room_in_ramp(ramp: Ramp | None, *, planned: int, is_over: bool) -> int | None:
    """How many more recipients may be planned before the wait of a slow start; None where nothing limits them."""
    return None if ramp is None or is_over else max(0, ramp.people - planned)


def prospect_of(recipient: Recipient) -> Prospect:
    """What is to be expected of a recipient, as far as Herald's own references tell."""
    if missing := not_found(recipient.key):
        return Prospect.NOT_FOUND if missing is Outcome.USER_NOT_FOUND else Prospect.GONE
    if recipient.is_blocked:
        return Prospect.BLOCKED
    return Prospect.TO_INSTALL if recipient.lacks_app else Prospect.REACHABLE


def add_prospects(packed: str, recipients: Iterable[Recipient]) -> str:
    """Count recipients on top of a packed count such as `reachable=980 to_install=20`; empty is none."""
    counts = unpack_prospects(packed) + Counter(map(prospect_of, recipients))
    return " ".join(f"{prospect}={counts[prospect]}" for prospect in Prospect if counts[prospect])


def unpack_prospects(packed: str) -> Counter[Prospect]:
    """Read what `add_prospects` wrote."""
    pairs = (part.split("=") for part in packed.split())
    return Counter({Prospect(name): int(number) for name, number in pairs})


def requests_for(counts: Counter[Prospect]) -> int:
    """How many requests to the Connector the recipients take: a chat that must be created takes two."""
    return counts.total() + counts[Prospect.TO_INSTALL] - counts[Prospect.NOT_FOUND] - counts[Prospect.GONE]
