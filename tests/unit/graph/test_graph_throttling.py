"""Throttling by Graph: a lone 429 is its own request's, several are the app's."""

import pytest

from shared.graph.protocol import Response
from shared.graph.throttling import MEMORY, UNTOLD_WAIT, Answers, Throttling

FINE = Response(status=200)


def throttled(retry_after: float | None = 5.0) -> Response:
    return Response(status=429, retry_after=retry_after)


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ([FINE] * 15, None),  # Nothing to tell.
        ([throttled()], None),  # One request alone: perhaps this user's own limit.
        ([FINE] * 14 + [throttled()], None),  # One part of a batch.
        ([FINE] * 13 + [throttled()] * 2, Throttling(share=2 / 15, retry_after=5.0)),  # From 12 % on, and two.
        ([FINE] * 18 + [throttled()] * 2, None),  # A tenth.
        ([throttled()] * 15, Throttling(share=1.0, retry_after=5.0)),  # The whole batch.
        ([throttled(3.0), throttled(9.0)], Throttling(share=1.0, retry_after=9.0)),  # The longest wait.
        ([throttled(None)] * 2, Throttling(share=1.0, retry_after=UNTOLD_WAIT)),  # No wait was told.
    ],
)
def test_a_batch_tells_by_its_share(answers: list[Response], found: Throttling | None) -> None:
    assert Answers().note(answers, now=0.0) == found


def test_requests_that_come_singly_tell_together() -> None:
    answers = Answers()

    assert answers.note([throttled()], now=0.0) is None
    assert answers.note([throttled()], now=4.0) == Throttling(share=1.0, retry_after=5.0)


def test_old_answers_do_not_tell() -> None:
    answers = Answers()
    answers.note([throttled()], now=0.0)

    assert answers.note([throttled()], now=MEMORY + 0.1) is None


def test_what_was_told_is_forgotten() -> None:
    answers = Answers()
    answers.note([throttled()] * 5, now=0.0)

    assert answers.note([throttled()], now=1.0) is None
