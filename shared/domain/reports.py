"""What a broadcast has come to: sums over its batch rows, which add up since nothing is counted beside them."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta

from shared.domain.broadcasts import BatchSummary, Broadcast, count_as, unpack_counts
from shared.domain.outcomes import Outcome, Reason, State, count_reasons, count_states
from shared.domain.revisions import Revised, count_revised, unpack_revised

RECENT = timedelta(seconds=60)
"""A running broadcast's rate is taken over so much of its past."""
LIVE_BATCHES = 1_000
"""Up to so many rows are summed up for each look at a broadcast; of larger ones the sums are stored once a minute."""
TRIED = frozenset({State.SENT, State.INSTALLED, State.REMOVED, State.UNDELIVERABLE, State.UNCERTAIN})
"""The ends of deliveries that took a share of a pace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The sums of a broadcast. `rate` is in deliveries per second: of late while it runs, over all of it at the end.

    `counted_at` is in seconds since the epoch.
    """

    outcomes: Counter[Outcome]
    rate: float
    counted_at: float
    revision: int = 0
    revised: Counter[Revised] = field(default_factory=Counter)
    """What became of what was sent in the latest revision; empty before the first."""

    @property
    def total(self) -> int:
        """Deliveries in all rows so far."""
        return self.outcomes.total()

    @property
    def still_open(self) -> int:
        """Deliveries of which something is still to come."""
        return sum(number for outcome, number in self.outcomes.items() if outcome.is_open)

    @property
    def states(self) -> dict[State, int]:
        """Every state with its number, zeros included."""
        return count_states(self.outcomes)

    @property
    def reasons(self) -> dict[Reason, int]:
        """The undeliverable ones by reason, without zeros."""
        return count_reasons(self.outcomes)

    def is_of(self, broadcast: Broadcast) -> bool:
        """Whether sums that were stored tell of the broadcast's latest revision."""
        return self.revision == broadcast.revision

    def stopped(self, ends_as: Outcome | None) -> "Report":
        """The same sums as they count once the broadcast was stopped, which may have been after they were taken."""
        if ends_as is None:
            return self
        outcomes: Counter[Outcome] = Counter()
        for outcome, number in self.outcomes.items():
            outcomes[Outcome(count_as(outcome.value, held=True, ends_as=ends_as))] += number
        return replace(self, outcomes=outcomes)

    def ends_at(self, broadcast: Broadcast, *, now: float, pace: float | None) -> float | None:
        """When the open deliveries will be done if it goes on like this; None where nothing tells.

        Never sooner than the tenant's pace allows, and never after the expiry.
        """
        rate = self.rate if pace is None else min(self.rate, pace)
        if not self.still_open or rate <= 0:
            return None
        end = now + self.still_open / rate
        return end if broadcast.expires_at is None else min(end, broadcast.expires_at)


class Tally:
    """Sums up a broadcast's rows one by one, so that none of them is kept. `now` is in seconds since the epoch."""

    def __init__(self, broadcast: Broadcast, *, now: float) -> None:
        self._broadcast = broadcast
        self._now = now
        self._ends_as = broadcast.ends_open_as(now)
        self._characters: Counter[str] = Counter()
        self._revised: Counter[Revised] = Counter()
        self._recently_tried = 0

    def add(self, row: BatchSummary) -> None:
        """Count one row as it counts by now."""
        characters = Counter(count_as(row.outcomes, held=row.held, ends_as=self._ends_as))
        self._characters.update(characters)
        self._revised.update(count_revised(row, revision=self._broadcast.revision))
        # A row is worked on for seconds, so one that was written of late was also tried of late.
        if self._now - row.written_at <= RECENT.total_seconds():
            self._recently_tried += sum(characters[one] for one in _TRIED_CHARACTERS)

    def report(self) -> Report:
        """The sums of what was added."""
        outcomes = Counter({Outcome(one): number for one, number in self._characters.items()})
        seconds = min(RECENT.total_seconds(), max(1.0, self._now - self._broadcast.began_at))
        rate = self._recently_tried / seconds
        return Report(
            outcomes=outcomes,
            rate=rate,
            counted_at=self._now,
            revision=self._broadcast.revision,
            revised=self._revised,
        )


def final_report(broadcast: Broadcast) -> Report:
    """The report of a closed broadcast, from the sums that were stored at its end."""
    outcomes = unpack_counts(broadcast.final_outcomes)
    tried = sum(number for outcome, number in outcomes.items() if outcome.state in TRIED)
    ended_at = broadcast.finished_at or 0.0
    seconds = max(1.0, ended_at - broadcast.began_at)
    revised = unpack_revised(broadcast.final_revised)
    return Report(outcomes=outcomes, rate=tried / seconds, counted_at=ended_at, revised=revised)


_TRIED_CHARACTERS = tuple(outcome.value for outcome in Outcome if outcome.state in TRIED)
