"""The demo's verdict: agreement is exit code 0, and every difference is named."""

from dataclasses import replace
from typing import Any

import pytest

from localhost.verdict import Delivered, Installs, judge


def test_agreement_has_no_disagreements() -> None:
    verdict = judge(people=100, report=a_report(), deferred=0, delivered=a_ledger(), seconds=3.0)

    assert verdict.disagreements == ()
    assert (verdict.sent, verdict.lost, verdict.undeliverable) == (98, 0, {"blocked_by_user": 2})
    assert verdict.rate == pytest.approx(48.5)


@pytest.mark.parametrize(
    ("report", "ledger", "sentence"),
    [
        ({"state": "sending"}, {}, "sending, not finished"),
        ({"total": 99}, {}, "counts 99 people"),
        ({"counts": {"sent": 98}}, {}, "add up to 98"),
        ({}, {"reached": 97}, "sent 98, 97 arrived"),
        ({}, {"reached": 97}, "1 people have neither"),
        ({}, {"duplicates": 3}, "3 messages arrived twice"),
    ],
)
def test_difference_becomes_a_sentence(report: dict[str, Any], ledger: dict[str, Any], sentence: str) -> None:
    verdict = judge(people=100, report=a_report(**report), deferred=0, delivered=a_ledger(**ledger), seconds=3.0)

    assert any(sentence in disagreement for disagreement in verdict.disagreements)
    assert verdict.to_json()["agrees"] is False


INSTALLS = Installs(wanted=30, refused={"blocked_by_user": 2}, now=30, twice=0, before_first=12)


def test_those_who_were_given_the_app_are_told() -> None:
    verdict = judge(people=100, report=a_report(), deferred=0, delivered=a_ledger(), seconds=3.0, installs=INSTALLS)

    assert verdict.disagreements == ()
    told = verdict.to_json()
    assert (told["installed_now"], told["installed_twice"], told["installs_before_first_message"]) == (30, 0, 12)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"now": 29}, "for 29 people, 30 were to get it"),
        ({"twice": 1}, "1 people were given the app twice"),
        ({"refused": {"user_not_found": 2}}, "reasons are {'blocked_by_user': 2}, not {'user_not_found': 2}"),
    ],
)
def test_difference_in_installs_becomes_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    installs = replace(INSTALLS, **changes)

    verdict = judge(people=100, report=a_report(), deferred=0, delivered=a_ledger(), seconds=3.0, installs=installs)

    assert any(sentence in disagreement for disagreement in verdict.disagreements)


MANY = replace(INSTALLS, wanted=1_000, now=1_000)


@pytest.mark.parametrize(
    ("installs", "unlimited", "agrees"),
    [
        (replace(MANY, before_first=99), True, True),  # The hundredth was under way.
        (replace(MANY, before_first=100), True, False),  # The hundredth had been given the app.
        (replace(MANY, before_first=100), False, True),  # Graph's limits and Teams' own had a part in it.
        (replace(INSTALLS, before_first=30), True, True),  # Too few people to tell.
    ],
)
def test_the_first_message_comes_before_the_hundredth_install(
    installs: Installs, unlimited: bool, agrees: bool
) -> None:
    verdict = judge(
        people=100,
        report=a_report(),
        deferred=0,
        delivered=a_ledger(),
        seconds=3.0,
        installs=installs,
        unlimited=unlimited,
    )

    assert (verdict.disagreements == ()) is agrees
    assert agrees or verdict.disagreements == ("the first message came after 100 installs",)


@pytest.mark.parametrize(
    ("memory", "ratio"),
    [
        ((80.0, 100.0, 104.0, 105.0), 1.05),  # The end by the tenth: what starting took is left out.
        ((None, None, None, None), None),  # Where nobody tells.
        ((), None),  # Nobody looked.
    ],
)
def test_memory_is_told_with_how_it_grew(memory: tuple[float | None, ...], ratio: float | None) -> None:
    verdict = judge(people=100, report=a_report(), deferred=0, delivered=a_ledger(), seconds=3.0, memory=memory)

    assert verdict.to_json()["memory_mib"] == list(memory)
    assert verdict.memory_ratio == ratio


def a_report(**changes: Any) -> dict[str, Any]:
    report = {
        "state": "finished",
        "total": 100,
        "counts": {"sent": 98, "undeliverable": 2},
        "reasons": {"blocked_by_user": 2, "user_not_found": 0},
    }
    return {**report, **changes}


def a_ledger(**changes: Any) -> Delivered:
    return Delivered(**{"reached": 98, "duplicates": 0, "requests": 100, "throttled": 0, "rate": 48.5, **changes})
