"""The plan of a chaos run: the same from the same seed, and what every run needs is in it."""

from collections import Counter
from itertools import pairwise

import pytest

from localhost.chaos.asks import MEET_WITHIN, MOST_NAMED, Ask, Way
from localhost.chaos.kinds import HARMLESS, REQUESTS, STORAGE, Kind
from localhost.chaos.plan import Plan, draw_plan
from localhost.crowd import REFUSED

SEEDS = range(40)


def a_plan(seed: int = 1, *, seconds: float = 300.0, hosts: int = 2) -> Plan:
    return draw_plan(seed=seed, seconds=seconds, hosts=hosts)


def test_the_same_seed_is_the_same_plan() -> None:
    assert a_plan(seed=7) == a_plan(seed=7)
    assert a_plan(seed=7) != a_plan(seed=8)


@pytest.mark.parametrize("seconds", [20.0, 120.0, 300.0, 1800.0])
def test_each_kind_of_fault_is_planned(seconds: float) -> None:
    for seed in SEEDS:
        plan = a_plan(seed, seconds=seconds)

        planned = {one.kind for one in plan.injections} | {ask.mishap for ask in plan.asks}
        assert planned >= set(Kind)


def test_only_the_kinds_that_are_wanted_are_planned() -> None:
    plan = draw_plan(seed=1, seconds=60.0, hosts=2, kinds=HARMLESS)

    planned = {one.kind for one in plan.injections} | {ask.mishap for ask in plan.asks if ask.mishap}
    assert planned == HARMLESS


def test_faults_begin_and_end_in_the_first_two_thirds() -> None:
    for seed in SEEDS:
        plan = a_plan(seed)

        assert plan.faulty_s == pytest.approx(200.0)
        assert all(one.at >= 0.0 and one.at + one.for_s <= 200.0 for one in plan.injections)
        assert all(one.at <= 200.0 for one in plan.asks)


def test_outages_of_storage_do_not_meet() -> None:
    for seed in SEEDS:
        outages = [one for one in a_plan(seed, seconds=900.0).injections if one.kind in STORAGE]

        assert all(one.at + one.for_s <= other.at for one, other in pairwise(outages))


def test_both_ways_and_both_modes_are_asked_for() -> None:
    for seed in SEEDS:
        plan = a_plan(seed)

        combinations = {(ask.way, ask.delivery) for ask in plan.asks}
        assert len(combinations) == 4
        assert {ask.mishap for ask in plan.asks if ask.way is Way.QUEUE} >= set(REQUESTS)
        assert {ask.mishap for ask in plan.asks if ask.way is Way.HTTP} == {None}


def test_each_stranger_is_named_by_two_requests_that_come_together() -> None:
    for seed in SEEDS:
        plan = a_plan(seed)

        by_stranger: dict[int, list[Ask]] = {}
        for ask in plan.asks:
            for stranger in ask.strangers:
                by_stranger.setdefault(stranger, []).append(ask)
        pairs = [asks for asks in by_stranger.values() if len(asks) == 2]
        assert by_stranger.keys() == set(range(len(plan.strangers)))
        # Of an odd number of requests the last is alone.
        assert len(pairs) == len(by_stranger) or len(plan.asks) % 2
        assert all(second.at - first.at <= MEET_WITHIN for first, second in pairs)
        assert all(len(ask.people) + len(ask.strangers) <= MOST_NAMED for ask in plan.asks)


def test_some_strangers_cannot_be_given_the_app_for_each_reason() -> None:
    for seed in SEEDS:
        reasons = Counter(a_plan(seed, seconds=180.0).strangers)

        assert reasons.keys() == {"", *REFUSED}
        assert reasons[""] > 120


def test_sending_takes_about_half_of_the_time() -> None:
    for seed in SEEDS:
        plan = a_plan(seed)

        deliveries = sum((len(ask.people) or plan.people) + len(ask.strangers) for ask in plan.asks)
        assert 0.35 * 300 * 49.75 < deliveries < 0.51 * 300 * 49.75
        assert plan.people <= 1000
        assert all(len(set(ask.people)) == len(ask.people) for ask in plan.asks)
        assert len({ask.text for ask in plan.asks}) == len(plan.asks)
