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


INSTALLS = Installs(wanted=30, refused={"blocked_by_user": 2}, now=30, twice=0)


def test_those_who_were_given_the_app_are_told() -> None:
    verdict = judge(people=100, report=a_report(), deferred=0, delivered=a_ledger(), seconds=3.0, installs=INSTALLS)

    assert verdict.disagreements == ()
    assert verdict.to_json()["installed_now"] == 30


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
