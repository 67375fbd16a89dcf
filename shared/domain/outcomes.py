"""What became of a delivery. One character stands for each outcome, so that a batch's outcomes are one short string.

The states of a batch sum to its size at any moment because they *are* its string; nothing is counted beside it.
"""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum


class State(StrEnum):
    """The states of a delivery: the first four are open, the others final."""

    PENDING = "pending"
    AWAITING_INSTALL = "awaiting_install"
    SENDING = "sending"
    DEFERRED = "deferred"
    SENT = "sent"
    INSTALLED = "installed"
    REMOVED = "removed"
    UNDELIVERABLE = "undeliverable"
    UNCERTAIN = "uncertain"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    OPTED_OUT = "opted_out"


OPEN_STATES = frozenset({State.PENDING, State.AWAITING_INSTALL, State.SENDING, State.DEFERRED})


class Reason(StrEnum):
    """Why a delivery is undeliverable."""

    NOT_INSTALLED = "not_installed"
    BLOCKED_BY_USER = "blocked_by_user"
    BLOCKED_BY_ADMIN = "blocked_by_admin"
    USER_NOT_FOUND = "user_not_found"
    NO_TEAMS_LICENSE = "no_teams_license"
    CONVERSATION_GONE = "conversation_gone"
    MESSAGE_REJECTED = "message_rejected"
    MESSAGE_TOO_LARGE = "message_too_large"
    SERVICE_ERROR = "service_error"
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"


class Outcome(StrEnum):
    """A state together with its reason, as the one character that a batch row stores."""

    PENDING = "p"
    AWAITING_INSTALL = "w"
    SENDING = "s"
    DEFERRED = "d"
    SENT = "S"
    INSTALLED = "I"
    """The app is there, and no message was to follow."""
    REMOVED = "R"
    """The app is not there any more."""
    UNCERTAIN = "U"
    EXPIRED = "E"
    CANCELLED = "C"
    OPTED_OUT = "O"
    NOT_INSTALLED = "0"
    BLOCKED_BY_USER = "1"
    BLOCKED_BY_ADMIN = "2"
    USER_NOT_FOUND = "3"
    NO_TEAMS_LICENSE = "4"
    CONVERSATION_GONE = "5"
    MESSAGE_REJECTED = "6"
    MESSAGE_TOO_LARGE = "7"
    SERVICE_ERROR = "8"
    ATTEMPTS_EXHAUSTED = "9"

    @property
    def reason(self) -> Reason | None:
        """Why it is undeliverable; None for every other outcome."""
        return Reason[self.name] if self.name in Reason.__members__ else None

    @property
    def state(self) -> State:
        """The state in which the delivery stands."""
        return State.UNDELIVERABLE if self.reason else State[self.name]

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self.state in OPEN_STATES


def count_outcomes(rows: Iterable[str]) -> Counter[Outcome]:
    """Sum the outcomes of many batches, each given as its string."""
    characters: Counter[str] = Counter()
    for outcomes in rows:
        characters.update(outcomes)
    return Counter({Outcome(character): number for character, number in characters.items()})


def count_states(outcomes: Counter[Outcome]) -> dict[State, int]:
    """Every state with its number of deliveries, zeros included, in the order of `State`."""
    counts = dict.fromkeys(State, 0)
    for outcome, number in outcomes.items():
        counts[outcome.state] += number
    return counts


def count_reasons(outcomes: Counter[Outcome]) -> dict[Reason, int]:
    """The undeliverable ones by reason, without zeros, in the order of `Reason`."""
    counts = {outcome.reason: number for outcome, number in outcomes.items() if outcome.reason and number}
    return {reason: counts[reason] for reason in Reason if reason in counts}
