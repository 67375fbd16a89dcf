"""A broadcast as a whole: what was asked for, the state it is in, and how its deliveries are counted.

Cancel and expiry are fields of the broadcast, not rewrites of ten thousand rows: from ten seconds after the moment
open deliveries *count* as cancelled or expired.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from shared.domain.lanes import LanePlan
from shared.domain.modes import Mode
from shared.domain.outcomes import Outcome
from shared.domain.own_clocks import SPLIT_AHEAD, OwnClock
from shared.domain.rehearsals import Ramp

PLAN_AHEAD = timedelta(minutes=30)
"""So long before its moment a broadcast is planned, and people without the app are given it."""
SETTLING = timedelta(seconds=10)
"""After a cancel or an expiry, how long groups that were under way may still be answered."""
LEASE_SECONDS = 45.0
"""A batch row that was not written for so long is held by nobody."""


class BroadcastState(StrEnum):
    """The states of a broadcast; the last three are ends."""

    ACCEPTED = "accepted"
    SCHEDULED = "scheduled"
    PLANNING = "planning"
    SENDING = "sending"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class PauseReason(StrEnum):
    """Why a broadcast stands still.

    `blocked_auth` ends by itself when tokens work again, `tenant_stopped` with the tenant's stop, the others by a
    resume.
    """

    BY_REQUEST = "by_request"
    BLOCKED_AUTH = "blocked_auth"
    MESSAGE_REJECTED = "message_rejected"
    REFUSALS = "refusals"
    TENANT_STOPPED = "tenant_stopped"
    """All of the tenant's sending is stopped. It stands in the tenant's pace row, never in a head."""


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
    mode: Mode = Mode.SEND
    ramp: Ramp | None = None
    digest: str = ""
    """The name of the digest whose letters it sends; empty where all are told the same. Its content is a sheet."""
    lanes: LanePlan
    accepted_at: float
    starts_at: float = 0.0
    """Nothing is sent before this moment; zero where it was to be sent at once. Of a parent, the earliest moment that
    there can be for anybody."""
    own_clock: OwnClock | None = None
    """Of a parent: the local time. It has no deliveries itself; those are its children's."""
    expires_after: float | None = None
    """Of a parent: how many seconds after its moment each child expires."""
    parent: str = ""
    """Of a child: whose it is. Its revision is that of the parent's to which it has come."""
    expires_at: float | None = None
    cancelled_at: float | None = None
    paused: PauseReason | None = None
    paused_at: float | None = None
    """When it was last paused; only of meaning while `paused` is set."""
    refusals_seen: bool = False
    """Whether a person let it go on after it was held for refusals."""
    revision: int = 0
    """How often what was sent has been edited or recalled."""
    recalled: bool = False
    """Whether the latest revision takes back what was sent; such a broadcast sends nothing more."""
    finished_at: float | None = None
    final_outcomes: str = ""
    """The sums at the end, packed by `pack_counts`; empty before."""
    final_revised: str = ""
    """The sums of the latest revision at the end, packed alike."""

    @property
    def content_revision(self) -> int:
        """The revision with the newest words; a recall has none of its own."""
        return self.revision - self.recalled

    def under(self, *, tenant_stopped: bool) -> "Broadcast":
        """The broadcast as it stands while its tenant's sending is stopped, or is not: a dry run goes on."""
        is_held = tenant_stopped and self.mode is not Mode.DRY_RUN
        if not is_held or self.paused is not None or self.finished_at is not None:
            return self
        return replace(self, paused=PauseReason.TENANT_STOPPED)

    @property
    def began_at(self) -> float:
        """Since when there has been something to do."""
        return max(self.accepted_at, self.starts_at)

    @property
    def plan_at(self) -> float:
        """When its plan is due, half an hour before its moment, or that of a parent, two hours before the first one."""
        ahead = PLAN_AHEAD if self.own_clock is None else SPLIT_AHEAD
        return self.starts_at - ahead.total_seconds()

    def wait(self, now: float) -> float:
        """Seconds until its moment; zero once that has come, and for what was to be sent at once."""
        return max(0.0, self.starts_at - now)

    def sleeps(self, now: float) -> bool:
        """Whether its moment is so far away that nothing is done for it yet, not even planned."""
        return now < self.plan_at and self.stopped_at(now) is None

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

    number: int = 0
    outcomes: str
    held: bool
    """Whether a live lease is on it."""
    written_at: float
    revision: int = 0
    revised: str = ""
    """As in `Progress`."""


def count_as(outcomes: str, *, held: bool, ends_as: Outcome | None) -> str:
    """How a row counts once its broadcast was stopped: nobody resends what stands `sending` without a holder."""
    if ends_as is None:
        return outcomes
    if not held:
        outcomes = outcomes.replace(Outcome.SENDING.value, Outcome.UNCERTAIN.value)
    for still_open in (Outcome.PENDING, Outcome.DEFERRED, Outcome.AWAITING_INSTALL):
        outcomes = outcomes.replace(still_open.value, ends_as.value)
    return outcomes


def pack_counts(counts: Counter[Outcome]) -> str:
    """Counted outcomes as one short string, such as `S4980 07 120`."""
    return " ".join(f"{outcome.value}{number}" for outcome, number in sorted(counts.items()))


def unpack_counts(packed: str) -> Counter[Outcome]:
    """Read what `pack_counts` wrote."""
    return Counter({Outcome(part[0]): int(part[1:]) for part in packed.split()})


def state_of(
    broadcast: Broadcast, *, planned: bool, has_batches: bool, now: float, started: bool = True
) -> BroadcastState:
    """The one word for where a broadcast stands; `planned` when its plan is finished, `started` when it has begun."""
    stop = broadcast.stopped_at(now)
    if broadcast.finished_at is not None and (stop is None or _ended_before(broadcast, stop)):
        return BroadcastState.FINISHED
    if stop is not None:
        return BroadcastState.CANCELLED if stop == broadcast.cancelled_at else BroadcastState.EXPIRED
    if broadcast.paused is not None:
        return BroadcastState.PAUSED
    if broadcast.wait(now):
        return BroadcastState.SCHEDULED
    if has_batches or planned:
        return BroadcastState.SENDING
    return BroadcastState.PLANNING if started else BroadcastState.ACCEPTED


def _ended_before(broadcast: Broadcast, stop: float) -> bool:
    """Whether a broadcast that is closed had nothing left to do when it was cancelled or expired."""
    if broadcast.finished_at is not None and broadcast.finished_at < stop:
        return True
    # Closing comes up to minutes after the last delivery, so an expiry in between has ended nothing.
    return stop != broadcast.cancelled_at and Outcome.EXPIRED not in unpack_counts(broadcast.final_outcomes)
