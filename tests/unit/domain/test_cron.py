"""Cron expressions: what is read, what is refused and how, and which instants they mean."""

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.cron import BadExpression, check_expression, matches

BERLIN = ZoneInfo("Europe/Berlin")


def local_matches(expression: str, zone: str, after: str, number: int) -> list[str]:
    instants = matches(expression, ZoneInfo(zone), after=datetime.fromisoformat(after).replace(tzinfo=UTC))
    return [one.astimezone(ZoneInfo(zone)).strftime("%m-%dT%H:%M%z") for one in islice(instants, number)]


@pytest.mark.parametrize(
    "expression",
    [
        "0 9 * * *",  # Each day.
        "0 9 * * MON-FRI",  # Names of days.
        "0 9 * * 1-5",  # Numbers of days.
        "0 9 * JAN,JUL 7",  # Names of months; 7 is Sunday.
        "*/15 8-17 * * *",  # Steps and ranges.
        "0 9 L * *",  # The last day of each month.
        "0 9 LW * *",  # The last weekday of each month.
        "0 9 * * MON#2",  # The second Monday.
        "0 9 * * 5L",  # The last Friday.
        "0 9 29 2 *",  # Every leap year.
        "0 9 30 2 MON",  # February's Mondays: neither day begins with a star, so either will do.
        "  0   9 * * *  ",  # Spaces.
        "0 9 * * mon",  # Small letters.
    ],
)
def test_an_expression_of_five_fields_is_read(expression: str) -> None:
    check_expression(expression)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "five fields"),  # Nothing.
        ("0 9 * *", "five fields"),  # One too few.
        ("0 0 9 * * *", "five fields"),  # Seconds, as Azure's timers have them.
        ("@daily", "such as 0 9 "),  # A word of other crons.
        ("0," * 100 + "0 9 * * *", "at most 200 characters"),  # Too long.
        ("60 9 * * *", "minute '60' cannot be read: 0 to 59"),
        ("0 24 * * *", "hour '24' cannot be read: 0 to 23"),
        ("0 9 0 * *", "day of the month '0' cannot be read: 1 to 31"),
        ("0 9 * 13 *", "month '13' cannot be read: 1 to 12"),
        ("0 9 * * 8", "day of the week '8' cannot be read: 0 to 7"),
        ("0 9 * * MO", "day of the week 'MO' cannot be read"),
        ("0 9 * * 5-1", "day of the week '5-1' cannot be read"),  # A range that runs backwards.
        ("*/0 9 * * *", "minute '\\*/0' cannot be read"),
        ("0 9 ? * *", "day of the month '\\?' cannot be read"),  # Quartz' sign.
        ("0 9 30 2 *", "never comes: no month '2' has a day '30'"),
        ("0 9 31 4,6,9,11 *", "never comes: no month '4,6,9,11' has a day '31'"),
    ],
)
def test_what_is_wrong_with_an_expression_is_told(expression: str, words: str) -> None:
    with pytest.raises(BadExpression, match=words):
        check_expression(expression)


fields = st.text(alphabet="012357*/,-#LWMON²", min_size=1, max_size=4)


@given(st.tuples(*[fields | st.just("*")] * 5).map(" ".join) | st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        check_expression(text)
    except BadExpression:
        return

    next(matches(text, BERLIN, after=datetime(2026, 1, 1, tzinfo=UTC)), None)


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        # The minute itself is not later than itself.
        ("0 9 * * *", "UTC", "2026-01-01T09:00", ["01-02T09:00+0000"]),
        ("0 9 * * *", "UTC", "2026-01-01T08:59:59.9", ["01-01T09:00+0000"]),
        # Named times: none, and as far behind the gap.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["03-29T03:30+0200", "03-30T02:30+0200"]),
        # Two named times may mean one instant, which comes once; those in the gap come in their order.
        ("0,30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00", ["03-29T03:00+0200", "03-29T03:30+0200"]),
        ("45 2 * * *", "Europe/Berlin", "2026-03-29T01:30", ["03-29T03:45+0200"]),  # Asked from behind the gap's begin.
        # Named times: twice, and the first counts.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", ["10-25T02:30+0200", "10-26T02:30+0100"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30", ["10-26T02:30+0100"]),  # From the first one on.
        # Every so often: nothing in the gap, and twice where the hour comes twice.
        ("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00", ["03-29T01:30+0100", "03-29T03:00+0200"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00", ["10-25T02:30+0200", "10-25T02:00+0100"]),
        ("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:31", ["10-25T02:00+0100", "10-25T02:30+0100"]),
        # Half an hour, which cronsim's own zones get wrong.
        ("0 */2 * * *", "Australia/Lord_Howe", "2026-04-04T13:30", ["04-05T02:00+1030", "04-05T04:00+1030"]),
        # Midnight does not exist.
        ("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00", ["04-24T01:00+0300", "04-25T00:00+0300"]),
        # Days as in Debian's cron: either day, but both where one begins with a star.
        ("0 0 1 * MON", "UTC", "2026-01-01T12:00", ["01-05T00:00+0000", "01-12T00:00+0000"]),
        ("0 0 1 * */7", "UTC", "2026-01-01T12:00", ["02-01T00:00+0000", "03-01T00:00+0000"]),
        ("0 0 29 2 *", "UTC", "2026-01-01T12:00", ["02-29T00:00+0000"]),
    ],
)
def test_an_expression_means_instants(expression: str, zone: str, after: str, expected: list[str]) -> None:
    assert local_matches(expression, zone, after, len(expected)) == expected


def test_what_never_comes_ends() -> None:
    assert list(matches("0 0 LW * */7", BERLIN, after=datetime(2026, 1, 1, tzinfo=UTC))) == []
