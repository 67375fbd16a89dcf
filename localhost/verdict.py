"""The demo's verdict: what the app reports against what the stand-in's ledger holds. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localhost.digest_verdict import Digest

MANY_STRANGERS = 1_000
"""From so many people without the app on the first message must not wait for long."""
LATEST_FIRST = 100
"""Installs, at the last of which the first message has arrived, where no limit holds anything up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a broadcast.

    `sent`, `duplicates`, `requests`, `throttled` and `rate` (messages per second up to the 99.9th percentile)
    come from the ledger; `deferred` (people whose message took more than one try) and `undeliverable` by reason from
    the app. `lost` people have neither a message nor a reason. `installed_now` people were given the app by Herald:
    `installed_twice` of them at more than one request, and `before_first` before the first message arrived. `memory` is
    what the largest host had, in MiB, at the start, a tenth, a half and the end of the broadcast. A `digest` goes only
    to those for whom something gathered.
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
    installed_twice: int
    before_first: int
    memory: Sequence[float | None]
    disagreements: tuple[str, ...]
    digest: Digest | None = None

    @property
    def memory_ratio(self) -> float | None:
        """What the host had at the end, of what it had at a tenth: about 1 where memory is flat."""
        if len(self.memory) < 2 or not (tenth := self.memory[1]) or not (end := self.memory[-1]):
            return None
        return round(end / tenth, 3)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "people": self.people,
            "installed_now": self.installed_now,
            "installed_twice": self.installed_twice,
            "installs_before_first_message": self.before_first,
            "sent": self.sent,
            "deferred_and_sent": self.deferred,
            "undeliverable": dict(self.undeliverable),
            "lost": self.lost,
            "duplicates": self.duplicates,
            "requests": self.requests,
            "throttled": self.throttled,
            "rate": round(self.rate, 2),
            "seconds": round(self.seconds, 2),
            "memory_mib": list(self.memory),
            "memory_ratio": self.memory_ratio,
            **({"digest": self.digest.to_json()} if self.digest else {}),
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

    For `twice` of them Graph was asked to install it more than once; `before_first` were given it before the first
    message arrived. `refused` are those who cannot be given the app, by the reason that the app must report.
    """

    wanted: int
    refused: Mapping[str, int]
    now: int
    twice: int
    before_first: int


def judge(
    *,
    people: int,
    report: Mapping[str, Any],
    deferred: int,
    delivered: Delivered,
    seconds: float,
    installs: Installs | None = None,
    digest: Digest | None = None,
    unlimited: bool = False,
    memory: Sequence[float | None] = (),
) -> Verdict:
    """Compare the app's report of a broadcast with the ledger; every difference becomes a sentence.

    `unlimited` says that nothing but the app itself held installs and messages up.
    """
    counts: Mapping[str, int] = report.get("counts", {})
    undeliverable = {reason: number for reason, number in dict(report.get("reasons", {})).items() if number}
    refused = counts.get("undeliverable", 0)
    wanted = people if digest is None else digest.recipients
    lost = wanted - delivered.reached - refused
    facts = {
        f"the app's broadcast is {report.get('state')}, not finished": report.get("state") == "finished",
        f"the app counts {report.get('total')} people, there are {wanted}": report.get("total") == wanted,
        f"the app's counts add up to {sum(counts.values())}": sum(counts.values()) == wanted,
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
            f"the first message came after {installs.before_first} installs": not unlimited
            or installs.wanted < MANY_STRANGERS
            or installs.before_first < LATEST_FIRST,
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
        installed_twice=installs.twice if installs else 0,
        before_first=installs.before_first if installs else 0,
        memory=memory,
        disagreements=(
            *(sentence for sentence, holds in facts.items() if not holds),
            *(digest.disagreements() if digest else ()),
        ),
        digest=digest,
    )
