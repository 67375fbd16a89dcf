"""NCRONTAB: https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions."""

from datetime import UTC, datetime

import pytest

from localhost.ncrontab import BadExpressionError, Schedule

START = "2026-11-21T10:07:30"  # A Saturday.


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 * * * * *", "2026-11-21T10:08:00"),  # each minute
        ("*/15 * * * * *", "2026-11-21T10:07:45"),  # a step from the field's start
        ("30 7 10 * * *", "2026-11-22T10:07:30"),  # an occurrence at the very instant is not after it
        ("31 7 10 * * *", "2026-11-21T10:07:31"),  # one second later is
        ("0 */5 * * * *", "2026-11-21T10:10:00"),
        ("0 5/15 * * * *", "2026-11-21T10:20:00"),  # a lone value with a step runs to the end of the field
        ("0 0,8,59 * * * *", "2026-11-21T10:08:00"),  # a list
        ("0 0 5-10 * * *", "2026-11-22T05:00:00"),  # a range, whose last hour has begun
        ("0 30 9 * * 1-5", "2026-11-23T09:30:00"),  # weekdays by number
        ("0 30 9 * * Mon-Fri", "2026-11-23T09:30:00"),  # weekdays by name
        ("0 0 0 * * sunday", "2026-11-22T00:00:00"),  # a full name
        ("0 0 0 1 Jan *", "2027-01-01T00:00:00"),  # a month by name
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),  # a leap day
        ("0 0 0 13 * 5", "2027-08-13T00:00:00"),  # day and weekday must both match, unlike cron on Unix
        ("*/10 * * * *", "2026-11-21T10:10:00"),  # five fields: the second is zero
        ("0 0 0 31 * *", "2026-12-31T00:00:00"),  # months without a 31st are skipped
        ("0 59 23 31 12 *", "2026-12-31T23:59:00"),
    ],
)
def test_next_occurrence_is_the_first_one_later(expression: str, expected: str) -> None:
    found = Schedule.parse(expression).next_after(_utc(START))

    assert found == _utc(expected)


def test_each_occurrence_follows_the_one_before() -> None:
    schedule = Schedule.parse("*/20 59 23 * * *")
    seen = [_utc("2026-12-31T23:58:00")]

    for _ in range(4):
        seen.append(schedule.next_after(seen[-1]))

    assert [instant.isoformat() for instant in seen[1:]] == [
        "2026-12-31T23:59:00+00:00",
        "2026-12-31T23:59:20+00:00",
        "2026-12-31T23:59:40+00:00",
        "2027-01-01T23:59:00+00:00",
    ]


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("* * *", "has 3 fields"),
        ("60 * * * * *", "second '60' is not between 0 and 59"),
        ("0 * * 0 * *", "day '0'"),
        ("0 * * * * 7", "day of week '7'"),  # Sunday is 0 only
        ("0 */0 * * * *", "a step is 1 or more"),
        ("0 30-10 * * * *", "ends before it starts"),
        ("0 x * * * *", "minute 'x' is not a number"),
        ("0 * * * Foo *", "month 'Foo'"),
    ],
)
def test_wrong_expression_is_refused_with_the_field_at_fault(expression: str, fault: str) -> None:
    with pytest.raises(BadExpressionError, match=fault.replace("*", r"\*")):
        Schedule.parse(expression)


def test_day_that_no_calendar_has_is_refused() -> None:
    schedule = Schedule.parse("0 0 0 30 2 *")

    with pytest.raises(BadExpressionError, match="no calendar"):
        schedule.next_after(_utc(START))


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
