"""What Herald promises under faults, promise by promise. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from localhost.chaos.causes import Cause, unexplained
from localhost.chaos.facts import Evidence, Traced
from localhost.chaos.sums import FINAL

REFUSED = "blocked_by_user"
"""Why Teams refuses the messages of some who have the app."""
THROTTLED_SHARE = 0.001
FEWEST_THROTTLED = 2
"""So many are allowed in a run however short: a machine that is busy with something else lets calls come in a heap."""
SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A promise: whether it held, and what was seen."""

    name: str
    held: bool
    seen: str


def accepted(evidence: Evidence) -> Promise:
    """Rubbish makes no broadcast either."""
    accepted = Counter(one.key for one in evidence.broadcasts)
    return Promise(
        name="each request is one broadcast, and nothing else is",
        held=evidence.asked == evidence.listed == accepted.keys() and set(accepted.values()) == {1},
        seen=f"{len(evidence.asked)} asked for, {len(accepted)} accepted, {len(evidence.listed)} listed",
    )


def ended(broadcasts: Sequence[Traced]) -> Promise:
    told = sum(len(one.deliveries) for one in broadcasts)
    open_ = sum(state not in FINAL for one in broadcasts for _, state, _ in one.deliveries)
    odd = [
        one.key
        for one in broadcasts
        if one.report.get("state") != "finished"
        or sorted(person for person, _, _ in one.deliveries) != sorted(one.expected)
        or {state: number for state, number in one.report["counts"].items() if number}
        != Counter(state for _, state, _ in one.deliveries)
    ]
    return Promise(
        name="each recipient ends once, in time, as the sums say",
        held=not odd and not open_,
        seen=f"{told - open_:,} of {sum(len(one.expected) for one in broadcasts):,} ended{_named(odd)}",
    )


def nobody_lost(broadcasts: Sequence[Traced]) -> Promise:
    missing = [f"{one.key} {person}" for one in broadcasts for person in one.those("sent") - one.arrivals.keys()]
    lost = [f"{one.key} {person}" for one in broadcasts for person in one.lost()]
    return Promise(
        name="nobody is lost",
        held=not missing and not lost,
        seen=f"{len(lost)} without message and reason, {len(missing)} called sent without one{_named(missing + lost)}",
    )


def nobody_unreported(broadcasts: Sequence[Traced]) -> Promise:
    odd = [
        f"{one.key} {person}" for one in broadcasts for person in one.arrivals.keys() - one.those("sent", "uncertain")
    ]
    return Promise(
        name="who has the message is called sent or uncertain",
        held=not odd,
        seen=f"{len(odd)} called otherwise{_named(odd)}",
    )


def refused(broadcasts: Sequence[Traced], refused: Mapping[str, str]) -> Promise:
    told = {(one.key, person, reason) for one in broadcasts for person, _, reason in one.deliveries if reason}
    due = {(one.key, person, refused[person]) for one in broadcasts for person in one.expected & refused.keys()}
    # With `at_most_once` a lost connection leaves open what Teams would have said.
    open_ = {(one.key, person, REFUSED) for one in broadcasts for person in one.those("uncertain")}
    return Promise(
        name="undeliverable is who was refused, each for the reason, and nobody else",
        held=told <= due and due - open_ <= told,
        seen=f"{len(told)} undeliverable, {len(due)} refused{_named(map(str, (told ^ due) - open_))}",
    )


def given_once(evidence: Evidence) -> Promise:
    """Who could not be given the app does not have it either."""
    times = Counter({person: holding.installs for person, holding in evidence.holdings.items() if holding.installs})
    without = evidence.strangers - times.keys()
    odd = [*without, *times.keys() - evidence.strangers, *(person for person, number in times.items() if number > 1)]
    return Promise(
        name="strangers are given the app once, and nobody else is",
        held=not odd,
        seen=f"{len(times)} of {len(evidence.strangers)} were given it{_named(odd)}",
    )


def asked_once(evidence: Evidence) -> Promise:
    """Graph refuses to install what is there, so `given_once` cannot tell whether two asked for it at a time."""
    lagging = {person for person, one in evidence.holdings.items() if one.listed_at > one.given_at}
    again = {
        person: holding.install_requests
        for person, holding in evidence.holdings.items()
        if person in evidence.strangers and holding.install_requests > 1
    }
    odd = sorted(again.keys() - lagging)
    return Promise(
        name="who has the app is not given it again, unless Graph's lists lag",
        held=not odd,
        seen=f"{len(again)} more than once, {len(odd)} of them though the list was right{_named(odd)}",
    )


def sums(evidence: Evidence) -> Promise:
    return Promise(
        name="sums add up, and final ones never shrink, at each look",
        held=evidence.polls > 0 and not evidence.wrong,
        seen=f"{evidence.polls:,} looks, {len(evidence.wrong)} wrong{_named(evidence.wrong)}",
    )


def answered(evidence: Evidence) -> Promise:
    return Promise(
        name="a caller meets nothing worse than 503",
        held=not evidence.surprises,
        seen=f"{len(evidence.surprises)} other answers{_named(evidence.surprises)}",
    )


def at_least_once(broadcasts: Sequence[Traced], causes: Sequence[Cause]) -> Promise:
    doubled = [moment for one in broadcasts if one.delivery == "at_least_once" for moment in one.doubled_at()]
    left = unexplained(doubled, causes)
    return Promise(
        name="at_least_once: twice only what a fault left open",
        held=not left,
        seen=f"{len(doubled)} twice of {sum(cause.doubled for cause in causes):,} allowed, "
        f"{len(left)} at a moment without a fault{_named(f'{moment:.1f}' for moment in left)}",
    )


def at_most_once(broadcasts: Sequence[Traced]) -> Promise:
    doubled = [one.key for one in broadcasts if one.delivery == "at_most_once" for _ in one.doubled_at()]
    return Promise(name="at_most_once: nobody twice", held=not doubled, seen=f"{len(doubled)} twice{_named(doubled)}")


def uncertain(broadcasts: Sequence[Traced], causes: Sequence[Cause]) -> Promise:
    allowed = sum(cause.uncertain for cause in causes)
    by_mode = Counter(one.delivery for one in broadcasts for _ in one.those("uncertain"))
    return Promise(
        name="uncertain is only what a fault left open, with at_most_once",
        held=by_mode.keys() <= {"at_most_once"} and by_mode.total() <= allowed,
        seen=f"{by_mode['at_most_once']} of {allowed:,} allowed, {by_mode['at_least_once']} with at_least_once",
    )


def throttled(evidence: Evidence) -> Promise:
    allowed = max(FEWEST_THROTTLED, int(evidence.requests * THROTTLED_SHARE))
    return Promise(
        name="Teams' own limit refuses at most 0.1 %",
        held=evidence.throttled <= allowed,
        seen=f"{evidence.throttled} of {evidence.requests:,} requests, {allowed} allowed",
    )


def struck(evidence: Evidence) -> Promise:
    idle = [kind.value for kind, number in evidence.struck.items() if not number]
    return Promise(
        name="each kind of fault struck" + ("" if evidence.all_must_strike else " (not asked of a short run)"),
        held=not idle or not evidence.all_must_strike,
        seen=f"{len(evidence.struck) - len(idle)} of {len(evidence.struck)}{_named(idle)}",
    )


def _named(found: Iterable[str]) -> str:
    """The first few of these, for a person to look at."""
    names = list(found)
    more = ", ..." if len(names) > SHOWN else ""
    return f": {', '.join(names[:SHOWN])}{more}" if names else ""
