"""The demo's verdict: what the app reports against what the stand-in's ledger holds. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a broadcast.

    `sent`, `duplicates`, `requests`, `throttled` and `rate` (messages per second up to the 99.9th percentile)
    come from the ledger; `deferred` (people whose message took more than one try) and `undeliverable` by reason from
    the app. `lost` people have neither a message nor a reason. `installed_now` people were given the app by Herald.
    """

    people: int
    sent: int
    deferred: int
    undeliverable: Mapping[str, int]
    lost: int
    duplicates: int
    requests: int
    throttled: int
    rate: float
    seconds: float
    installed_now: int
    disagreements: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "people": self.people,
            "installed_now": self.installed_now,
            "sent": self.sent,
            "deferred_and_sent": self.deferred,
            "undeliverable": dict(self.undeliverable),
            "lost": self.lost,
            "duplicates": self.duplicates,
            "requests": self.requests,
            "throttled": self.throttled,
            "rate": round(self.rate, 2),
            "seconds": round(self.seconds, 2),
            "agrees": not self.disagreements,
            "disagreements": list(self.disagreements),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What the ledger holds of one broadcast; `rate` as in `Verdict`."""

    reached: int
    duplicates: int
    requests: int
    throttled: int
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Installs:
    """What the stand-in's Graph installed for how many people, `now` and `twice`, and what was `wanted`.

    `refused` are those who cannot be given the app, by the reason that the app must report.
    """

    wanted: int
    refused: Mapping[str, int]
    now: int
    twice: int


def judge(
    *,
    people: int,
    report: Mapping[str, Any],
    deferred: int,
    delivered: Delivered,
    seconds: float,
    installs: Installs | None = None,
) -> Verdict:
    """Compare the app's report of a broadcast with the ledger; every difference becomes a sentence."""
    counts: Mapping[str, int] = report.get("counts", {})
    undeliverable = {reason: number for reason, number in dict(report.get("reasons", {})).items() if number}
    refused = counts.get("undeliverable", 0)
    lost = people - delivered.reached - refused
    facts = {
        f"the app's broadcast is {report.get('state')}, not finished": report.get("state") == "finished",
        f"the app counts {report.get('total')} people, there are {people}": report.get("total") == people,
        f"the app's counts add up to {sum(counts.values())}": sum(counts.values()) == people,
        f"the app sent {counts.get('sent', 0)}, {delivered.reached} arrived": counts.get("sent", 0)
        == delivered.reached,
        f"{lost} people have neither a message nor a reason": lost == 0,
        f"{delivered.duplicates} messages arrived twice": delivered.duplicates == 0,
    }
    if installs is not None:
        facts |= {
            f"Graph installed the app for {installs.now} people, {installs.wanted} were to get it": installs.now
            == installs.wanted,
            f"{installs.twice} people were given the app twice": installs.twice == 0,
            f"the app's reasons are {undeliverable}, not {dict(installs.refused)}": undeliverable == installs.refused,
        }
    return Verdict(
        people=people,
        sent=delivered.reached,
        deferred=deferred,
        undeliverable=undeliverable,
        lost=lost,
        duplicates=delivered.duplicates,
        requests=delivered.requests,
        throttled=delivered.throttled,
        rate=delivered.rate,
        seconds=seconds,
        installed_now=installs.now if installs else 0,
        disagreements=tuple(sentence for sentence, holds in facts.items() if not holds),
    )
