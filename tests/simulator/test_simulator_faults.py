"""Faults: whom they meet, when, and how often."""

import random

import pytest

from simulator.faults import Action, Fault, Faults
from simulator.refusals import Refusal, Shape


def struck(faults: Faults, *, kind: str = "send", person: str | None = "adele", now: float = 0.0) -> bool:
    verdict = faults.judge(kind=kind, person=person, conversation="a:1", now=now)
    return verdict is not None and verdict.fault is not None


def faults_with(*faults: Fault, seed: int = 1) -> Faults:
    found = Faults(random.Random(seed))
    for fault in faults:
        found.add(fault, now=0.0)
    return found


def test_without_faults_all_is_well() -> None:
    assert faults_with().judge(kind="send", person="adele", conversation="a:1", now=0.0) is None


@pytest.mark.parametrize(
    ("fault", "meets"),
    [
        (Fault(), True),  # An unspecific fault meets every call.
        (Fault(people=frozenset({"adele"})), True),
        (Fault(people=frozenset({"bruno"})), False),
        (Fault(kinds=frozenset({"send", "reply"})), True),
        (Fault(kinds=frozenset({"create"})), False),
        (Fault(conversations=frozenset({"a:1"})), True),
        (Fault(conversations=frozenset({"a:2"})), False),
        (Fault(probability=0.0), False),
        (Fault(count=0), False),
    ],
)
def test_fault_meets_the_calls_it_names(fault: Fault, meets: bool) -> None:
    assert struck(faults_with(fault)) is meets


def test_count_ends_a_fault() -> None:
    faults = faults_with(Fault(count=2))

    assert [struck(faults) for _ in range(4)] == [True, True, False, False]


def test_count_each_ends_a_fault_per_person() -> None:
    faults = faults_with(Fault(count_each=1))

    assert [struck(faults, person=name) for name in ("adele", "adele", "bruno", "bruno")] == [True, False, True, False]


def test_skip_each_spares_the_first_calls_of_a_person() -> None:
    faults = faults_with(Fault(skip_each=1, count_each=1))

    assert [struck(faults) for _ in range(3)] == [False, True, False]


@pytest.mark.parametrize(
    ("fault", "moments"),
    [
        (Fault(for_s=2), [True, True, False, False, False, False]),  # A burst of two seconds.
        (Fault(after_s=1, for_s=2), [False, True, True, False, False, False]),  # One that starts later.
        (Fault(for_s=1, every_s=3), [True, False, False, True, False, False]),  # One that comes again.
    ],
)
def test_span_of_a_fault(fault: Fault, moments: list[bool]) -> None:
    faults = faults_with(fault)

    assert [struck(faults, now=float(second)) for second in range(6)] == moments


def test_chance_is_repeatable_by_the_seed() -> None:
    first, second = (faults_with(Fault(probability=0.3), seed=7) for _ in range(2))
    outcomes = [struck(first) for _ in range(1000)]

    assert outcomes == [struck(second) for _ in range(1000)]
    assert 250 < sum(outcomes) < 350


def test_delays_add_up_and_the_first_other_fault_decides() -> None:
    slow = Fault(action=Action.DELAY, delay_s=0.5)
    faults = faults_with(slow, slow, Fault(code="Throttled"), Fault(code="ServiceError"))

    verdict = faults.judge(kind="send", person="adele", conversation="a:1", now=0.0)

    assert verdict is not None
    assert verdict.delay_s == 1.0
    assert verdict.fault is not None
    assert verdict.fault.code == "Throttled"


def test_fault_that_is_taken_back_strikes_no_more() -> None:
    faults = faults_with(Fault())
    faults.remove(1)

    assert not struck(faults)


@pytest.mark.parametrize(
    ("refusal", "status", "body", "headers"),
    [
        (
            Refusal("Throttled", retry_after=3),
            429,
            {"error": {"code": "Throttled", "message": "Too many requests."}},
            {"Retry-After": "3"},
        ),
        (
            Refusal("BotDisabledByAdmin", "Blocked."),
            403,
            {"error": {"code": "BotDisabledByAdmin", "message": "Blocked."}},
            {},
        ),
        (Refusal("ServiceError", status=503, shape=Shape.EMPTY), 503, None, {}),
        (Refusal("Unauthorized", "No.", shape=Shape.PLAIN), 401, {"message": "No."}, {}),
    ],
)
def test_shape_of_a_refusal(refusal: Refusal, status: int, body: object, headers: dict[str, str]) -> None:
    assert (refusal.status, refusal.body(), refusal.headers()) == (status, body, headers)
