"""The verdict on a chaos run: its numbers, and whether each promise held. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localhost.chaos import promises
from localhost.chaos.facts import Evidence
from localhost.chaos.kinds import Kind
from localhost.chaos.promises import Promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The numbers of a run over all broadcasts, and its promises.

    `doubled` are surplus copies in the ledger. `given` people were given the app.
    """

    recipients: int
    sent: int
    uncertain: int
    undeliverable: Mapping[str, int]
    given: int
    lost: int
    doubled: int
    doubled_allowed: int
    struck: Mapping[Kind, int]
    promises: tuple[Promise, ...]

    @property
    def holds(self) -> bool:
        """Whether every promise held."""
        return all(promise.held for promise in self.promises)

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""
        return {
            "holds": self.holds,
            "faults": {kind.value: number for kind, number in self.struck.items()},
            "recipients": self.recipients,
            "sent": self.sent,
            "uncertain": self.uncertain,
            "undeliverable": dict(self.undeliverable),
            "given_the_app": self.given,
            "lost": self.lost,
            "duplicates": {"seen": self.doubled, "allowed": self.doubled_allowed},
            "promises": [{"name": one.name, "held": one.held, "seen": one.seen} for one in self.promises],
        }


def judge(evidence: Evidence) -> Verdict:
    """Compare what the app tells with the ledger, promise by promise."""
    broadcasts = evidence.broadcasts
    states = Counter(state for one in broadcasts for _, state, _ in one.deliveries)
    reasons = Counter(reason for one in broadcasts for _, _, reason in one.deliveries if reason)
    return Verdict(
        recipients=sum(len(one.expected) for one in broadcasts),
        sent=states["sent"],
        uncertain=states["uncertain"],
        undeliverable=dict(reasons),
        given=sum(holding.installs > 0 for holding in evidence.holdings.values()),
        lost=sum(len(one.lost()) for one in broadcasts),
        doubled=sum(len(one.doubled_at()) for one in broadcasts),
        doubled_allowed=sum(cause.doubled for cause in evidence.causes),
        struck=evidence.struck,
        promises=(
            promises.accepted(evidence),
            promises.ended(broadcasts),
            promises.nobody_lost(broadcasts),
            promises.nobody_unreported(broadcasts),
            promises.refused(broadcasts, evidence.refused),
            promises.given_once(evidence),
            promises.asked_once(evidence),
            promises.sums(evidence),
            promises.answered(evidence),
            promises.at_least_once(broadcasts, evidence.causes),
            promises.at_most_once(broadcasts),
            promises.uncertain(broadcasts, evidence.causes),
            promises.throttled(evidence),
            promises.struck(evidence),
        ),
    )
