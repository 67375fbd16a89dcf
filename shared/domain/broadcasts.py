"""A broadcast as a whole: what was asked for, the state it is in, and how its deliveries are counted.

Cancel and expiry are fields of the broadcast, not rewrites of ten thousand rows: from ten seconds after the moment
open deliveries *count* as cancelled or expired.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from shared.domain.outcomes import Outcome, State, count_outcomes, count_reasons, count_states

SETTLING = timedelta(seconds=10)
"""After a cancel or an expiry, how long groups that were under way may still be answered."""


class BroadcastState(StrEnum):
    """The states of a broadcast; the last three are ends."""

    ACCEPTED = "accepted"
    PLANNING = "planning"
    SENDING = "sending"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class DeliveryMode(StrEnum):
    """What happens to a delivery whose answer was lost: sent again, or reported as uncertain."""

    AT_LEAST_ONCE = "at_least_once"
    AT_MOST_ONCE = "at_most_once"


class Priority(StrEnum):
    """Urgent messages have a cursor of their own, a fifth of the pace."""

    NORMAL = "normal"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broadcast:
    """The head of a broadcast. Instants are seconds since the epoch by storage's clock."""

    id: str
    tenant: str
    key: str
    body_hash: str
    delivery: DeliveryMode = DeliveryMode.AT_LEAST_ONCE
    priority: Priority = Priority.NORMAL
    lanes: int
    accepted_at: float
    expires_at: float | None = None
    cancelled_at: float | None = None
    finished_at: float | None = None
    final_outcomes: str = ""
    """The sums at the end, packed by `pack_counts`; empty before."""

    def stopped_at(self, now: float) -> float | None:
        """Since when nothing more may be sent, for a cancel or an expiry; None while it goes on."""
        stops = [self.cancelled_at, self.expires_at]
        reached = [stop for stop in stops if stop is not None and stop <= now]
        return min(reached, default=None)

    def ends_open_as(self, now: float) -> Outcome | None:
        """As what an open delivery counts by now: cancelled, expired, or (None) as what it is."""
        stop = self.stopped_at(now)
        if stop is None or now < stop + SETTLING.total_seconds():
            return None
        return Outcome.CANCELLED if stop == self.cancelled_at else Outcome.EXPIRED


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSummary:
    """What a report needs of one batch row."""

    outcomes: str
    held: bool
    """Whether a live lease is on it."""
    written_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The sums of a broadcast over its rows at one moment."""

    total: int
    states: dict[State, int]
    reasons: dict[str, int]
    rate: float
    """Deliveries made final in a second, over all of its time so far."""


def count_as(outcomes: str, *, held: bool, ends_as: Outcome | None) -> str:
    """How a row counts once its broadcast was stopped: nobody resends what stands `sending` without a holder."""
    if ends_as is None:
        return outcomes
    if not held:
        outcomes = outcomes.replace(Outcome.SENDING.value, Outcome.UNCERTAIN.value)
    for still_open in (Outcome.PENDING, Outcome.DEFERRED, Outcome.AWAITING_INSTALL):
        outcomes = outcomes.replace(still_open.value, ends_as.value)
    return outcomes


def sum_up(broadcast: Broadcast, summaries: list[BatchSummary], *, now: float) -> Report:
    """Sum a broadcast's rows; a total is always such a sum, never a counter beside it."""
    ends_as = broadcast.ends_open_as(now)
    counts = count_outcomes(count_as(row.outcomes, held=row.held, ends_as=ends_as) for row in summaries)
    last_at = max((row.written_at for row in summaries), default=now)
    return report_of(counts, seconds=min(now, last_at) - broadcast.accepted_at)


def report_of(counts: Counter[Outcome], *, seconds: float) -> Report:
    """Turn counted outcomes into a report; `seconds` is the time that they took."""
    settled = sum(number for outcome, number in counts.items() if not outcome.is_open)
    return Report(
        total=counts.total(),
        states=count_states(counts),
        reasons={str(reason): number for reason, number in count_reasons(counts).items()},
        rate=settled / seconds if seconds > 0 else 0.0,
    )


def pack_counts(counts: Counter[Outcome]) -> str:
    """Counted outcomes as one short string, such as `S4980 07 120`."""
    return " ".join(f"{outcome.value}{number}" for outcome, number in sorted(counts.items()))


def unpack_counts(packed: str) -> Counter[Outcome]:
    """Read what `pack_counts` wrote."""
    return Counter({Outcome(part[0]): int(part[1:]) for part in packed.split()})


def state_of(broadcast: Broadcast, *, planned: bool, has_batches: bool, now: float) -> BroadcastState:
    """The one word for where a broadcast stands; `planned` when its plan is finished."""
    stop = broadcast.stopped_at(now)
    if broadcast.finished_at is not None and (stop is None or broadcast.finished_at < stop):
        return BroadcastState.FINISHED
    if stop is not None:
        return BroadcastState.CANCELLED if stop == broadcast.cancelled_at else BroadcastState.EXPIRED
    if has_batches or planned:
        return BroadcastState.SENDING
    return BroadcastState.PLANNING
