"""The verdict on a chaos run: it believes what agrees, and finds each planted lie."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from localhost.chaos.causes import Cause, unexplained
from localhost.chaos.facts import Evidence, Traced
from localhost.chaos.kinds import Kind
from localhost.chaos.plan import Injection
from localhost.chaos.sums import faults_of
from localhost.chaos.verdict import Verdict, judge
from simulator.graph.installations import Holding

SENT, REFUSED = ("sent", None), ("undeliverable", "blocked_by_user")
ONCE = (100.0,)


def a_broadcast(
    delivery: str = "at_least_once",
    *,
    states: dict[str, tuple[str, str | None]] | None = None,
    arrivals: dict[str, tuple[float, ...]] | None = None,
    expected: Sequence[str] = ("ann", "bob", "eve"),
    **changes: Any,
) -> Traced:
    """A broadcast to three people, of whom Eve refuses; `states` and `arrivals` change some of them."""
    told = {"ann": SENT, "bob": SENT, "eve": REFUSED} | (states or {})
    counts: dict[str, int] = {"sent": 0, "pending": 0}
    for state, _ in told.values():
        counts[state] = counts.get(state, 0) + 1
    broadcast = Traced(
        key="one",
        delivery=delivery,
        expected=frozenset(expected),
        report={"state": "finished", "counts": counts},
        deliveries=tuple((person, state, reason) for person, (state, reason) in told.items()),
        arrivals={
            person: moments for person, moments in ({"ann": ONCE, "bob": ONCE} | (arrivals or {})).items() if moments
        },
    )
    return replace(broadcast, **changes)


def evidence(*broadcasts: Traced, **changes: Any) -> Evidence:
    found = Evidence(
        asked=frozenset({"one"}),
        listed=frozenset({"one"}),
        broadcasts=broadcasts or (a_broadcast(),),
        causes=(),
        polls=10,
        wrong=(),
        surprises=(),
        refused={"eve": "blocked_by_user"},
        strangers=frozenset({"bob"}),
        holdings={"ann": a_holding("ann", installs=0, install_requests=0), "bob": a_holding("bob")},
        requests=2_000,
        throttled=0,
        struck={Kind.HOST_KILLED: 1},
        all_must_strike=True,
    )
    return replace(found, **changes)


def a_holding(person: str = "bob", **changes: Any) -> Holding:
    """What Graph did for somebody: it installed the app at the first request, and lists showed it at once."""
    holding = Holding(holder=person, scope="personal", tenant_id="contoso", given_at=90.0, listed_at=90.0)
    return replace(holding, **{"installs": 1, "install_requests": 1, **changes})


def broken(verdict: Verdict) -> set[str]:
    """The promises that did not hold, by their first words."""
    return {one.name.split(":")[0].split(",")[0] for one in verdict.promises if not one.held}


def a_kill(since: float = 95.0, until: float = 105.0, **changes: Any) -> Cause:
    return Cause(
        **{"kind": Kind.HOST_KILLED, "since": since, "until": until, "doubled": 100, "uncertain": 100, **changes}
    )


def test_where_all_agrees_every_promise_holds() -> None:
    verdict = judge(evidence())

    assert verdict.holds
    assert (verdict.recipients, verdict.sent, verdict.lost, verdict.doubled) == (3, 2, 0, 0)
    assert verdict.undeliverable == {"blocked_by_user": 1}
    assert verdict.given == 1


@pytest.mark.parametrize(
    ("lie", "promises"),
    [
        # The app calls sent what nobody has.
        (evidence(a_broadcast(arrivals={"bob": ()})), {"nobody is lost"}),
        # Somebody is still open at the end.
        (
            evidence(a_broadcast(states={"bob": ("deferred", None)}, arrivals={"bob": ()})),
            {"each recipient ends once", "nobody is lost"},
        ),
        # Somebody has the message and is called untried.
        (
            evidence(a_broadcast(states={"bob": ("pending", None)})),
            {"each recipient ends once", "who has the message is called sent or uncertain"},
        ),
        # Somebody has the message and is called refused.
        (
            evidence(a_broadcast(states={"bob": REFUSED})),
            {"who has the message is called sent or uncertain", "undeliverable is who was refused"},
        ),
        # Somebody is given up who would have taken it.
        (evidence(a_broadcast(states={"bob": REFUSED}, arrivals={"bob": ()})), {"undeliverable is who was refused"}),
        # Somebody is in no delivery.
        (
            evidence(a_broadcast(expected=("ann", "bob", "eve", "dan"))),
            {"each recipient ends once", "nobody is lost"},
        ),
        # Somebody got it who was never meant to.
        (
            evidence(a_broadcast(arrivals={"dan": ONCE})),
            {"who has the message is called sent or uncertain"},
        ),
        # A person has two deliveries.
        (
            evidence(a_broadcast(deliveries=(("ann", *SENT), ("ann", *SENT), ("bob", *SENT), ("eve", *REFUSED)))),
            {"each recipient ends once"},
        ),
        # The sums at the end are not those of the deliveries.
        (
            evidence(a_broadcast(report={"state": "finished", "counts": {"sent": 3}})),
            {"each recipient ends once"},
        ),
        # It never finished.
        (
            evidence(a_broadcast(report={"state": "sending", "counts": {"sent": 2, "undeliverable": 1}})),
            {"each recipient ends once"},
        ),
        # No report was ever read of it.
        (evidence(a_broadcast(report={})), {"each recipient ends once"}),
        # Twice, and nothing had happened.
        (evidence(a_broadcast(arrivals={"bob": (100.0, 130.0)})), {"at_least_once"}),
        # Twice, and the kill was at another time.
        (evidence(a_broadcast(arrivals={"bob": (80.0, 100.0)}), causes=(a_kill(),)), {"at_least_once"}),
        # Twice, at a kill that explains one only.
        (
            evidence(a_broadcast(arrivals={"ann": (100.0, 130.0), "bob": (100.0, 130.0)}), causes=(a_kill(doubled=1),)),
            {"at_least_once"},
        ),
        # Three times, at a kill that explains the second copy alone.
        (evidence(a_broadcast(arrivals={"bob": (100.0, 130.0, 131.0)}), causes=(a_kill(),)), {"at_least_once"}),
        # Twice at a kill, which at_most_once forbids.
        (
            evidence(a_broadcast("at_most_once", arrivals={"bob": (100.0, 130.0)}), causes=(a_kill(),)),
            {"at_most_once"},
        ),
        # Uncertain, and nothing had happened.
        (
            evidence(a_broadcast("at_most_once", states={"bob": ("uncertain", None)})),
            {"uncertain is only what a fault left open"},
        ),
        # Uncertain, where it should have been sent again.
        (
            evidence(a_broadcast(states={"bob": ("uncertain", None)}), causes=(a_kill(),)),
            {"uncertain is only what a fault left open"},
        ),
        # Somebody is refused for another reason than Graph's.
        (evidence(refused={"eve": "no_teams_license"}), {"undeliverable is who was refused"}),
        # Somebody whom Graph refused is called uncertain, though no message was ever posted.
        (
            evidence(
                a_broadcast("at_most_once", states={"eve": ("uncertain", None)}),
                refused={"eve": "no_teams_license"},
                causes=(a_kill(),),
            ),
            {"undeliverable is who was refused"},
        ),
        # A stranger has the message and not the app.
        (evidence(holdings={}), {"strangers are given the app once"}),
        # A stranger was given it anew.
        (evidence(holdings={"bob": a_holding(installs=2)}), {"strangers are given the app once"}),
        # Somebody was given it who has it, or cannot have it.
        (evidence(holdings={"bob": a_holding(), "eve": a_holding("eve")}), {"strangers are given the app once"}),
        # Two asked Graph at a time to install it.
        (evidence(holdings={"bob": a_holding(install_requests=2)}), {"who has the app is not given it again"}),
        # A request that was never accepted.
        (evidence(asked=frozenset({"one", "two"})), {"each request is one broadcast"}),
        # Rubbish became a broadcast.
        (evidence(listed=frozenset({"one", "garbage"})), {"each request is one broadcast"}),
        (evidence(wrong=("3 of 4",)), {"sums add up"}),
        (evidence(polls=0), {"sums add up"}),
        (evidence(surprises=("GET / was answered 500",)), {"a caller meets nothing worse than 503"}),
        # Two refusals of Teams' own limit are 0.1 % of two thousand; three are more.
        (evidence(throttled=3), {"Teams' own limit refuses at most 0.1 %"}),
        (evidence(struck={Kind.HOST_KILLED: 0}), {"each kind of fault struck"}),
    ],
)
def test_a_lie_breaks_the_promise_that_it_is_about(lie: Evidence, promises: set[str]) -> None:
    verdict = judge(lie)

    assert broken(verdict) == promises
    assert verdict.to_json()["holds"] is False


@pytest.mark.parametrize(
    "truth",
    [
        # Twice, as a kill explains.
        evidence(a_broadcast(arrivals={"bob": (100.0, 130.0)}), causes=(a_kill(),)),
        # Uncertain at a kill, whether it arrived or not.
        evidence(a_broadcast("at_most_once", states={"bob": ("uncertain", None)}), causes=(a_kill(),)),
        evidence(
            a_broadcast("at_most_once", states={"bob": ("uncertain", None)}, arrivals={"bob": ()}), causes=(a_kill(),)
        ),
        # A refusal whose answer was lost.
        evidence(a_broadcast("at_most_once", states={"eve": ("uncertain", None)}), causes=(a_kill(),)),
        evidence(throttled=2),
        # Asked for again while Graph's list did not show it yet.
        evidence(holdings={"bob": a_holding(install_requests=3, listed_at=95.0)}),
        # A short run need not have every kind.
        evidence(struck={Kind.HOST_KILLED: 0}, all_must_strike=False),
    ],
)
def test_what_a_fault_explains_breaks_nothing(truth: Evidence) -> None:
    assert judge(truth).holds


def test_each_copy_goes_to_the_cause_that_ends_first() -> None:
    early, late = a_kill(0.0, 10.0, doubled=1), a_kill(5.0, 20.0, doubled=1)

    # The copy of 7 could take either, and only the later one could take that of 15.
    assert unexplained([15.0, 7.0], [late, early]) == []
    assert unexplained([15.0, 7.0, 8.0], [late, early]) == [15.0]


def test_an_interruption_explains_what_was_staked_shortly_before() -> None:
    cause = Cause.of_interruption(Kind.STORAGE_STOPPED, since=100.0, until=104.0, processes=3)

    assert (cause.doubled, cause.uncertain) == (300, 300)
    assert (cause.since, cause.until) == (90.0, 109.0)


@pytest.mark.parametrize(
    ("kind", "doubled", "uncertain"),
    [
        (Kind.ANSWER_LOST, 7, 7),  # Delivered, and the sender does not know.
        (Kind.ANSWER_FALSE, 7, 7),
        (Kind.ANSWER_LATE, 7, 7),
        (Kind.CONNECTION_RESET, 0, 7),  # Nothing was delivered, and the sender cannot know.
        (Kind.SERVER_ERROR, 0, 7),
        (Kind.THROTTLED, 0, 0),  # Nothing was delivered, and the sender knows.
        (Kind.ANSWER_SLOW, 0, 0),
        (Kind.INSTALL_ANSWER_LOST, 0, 0),  # No message has a part in it.
    ],
)
def test_a_burst_explains_as_many_as_it_struck(kind: Kind, doubled: int, uncertain: int) -> None:
    cause = Cause.of_burst(Injection(at=0.0, kind=kind, for_s=3.0), since=100.0, hits=7)

    assert (cause.doubled, cause.uncertain) == (doubled, uncertain)


def a_report(**counts: int) -> dict[str, Any]:
    all_counts = {"pending": 0, "sent": 0, "undeliverable": 0, **counts}
    reasons = {"blocked_by_user": all_counts["undeliverable"]}
    return {
        "key": "one",
        "state": "sending",
        "total": sum(all_counts.values()),
        "counts": all_counts,
        "reasons": reasons,
    }


def test_a_report_in_order_has_no_faults() -> None:
    assert faults_of(a_report(pending=2, sent=1), before=None) == []
    assert faults_of(a_report(sent=2, undeliverable=1), before=a_report(pending=2, sent=1)) == []


@pytest.mark.parametrize(
    ("report", "before"),
    [
        ({**a_report(sent=3), "total": 4}, None),  # One is in no state.
        ({**a_report(undeliverable=2), "reasons": {"blocked_by_user": 1}}, None),  # One has no reason.
        (a_report(pending=2, sent=1), a_report(pending=3, sent=1)),  # A recipient went.
        (a_report(pending=2, sent=1), a_report(pending=1, sent=2)),  # What was sent is pending again.
    ],
)
def test_a_report_out_of_order_is_told(report: dict[str, Any], before: dict[str, Any] | None) -> None:
    assert len(faults_of(report, before=before)) == 1
