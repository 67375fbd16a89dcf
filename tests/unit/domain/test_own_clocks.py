"""A local time on each recipient's own clock, against clocks that are watched half an hour by half an hour."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest

from shared.domain.local_time import NOT_ZONES
from shared.domain.own_clocks import Moment, OwnClock, add_moments, sort_out, unpack_moments
from shared.storage.rows import MAX_TRANSACTION_ROWS

STEP, DAY = timedelta(minutes=30), timedelta(days=1)
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def shown(zone: ZoneInfo, at: datetime) -> datetime:
    """What a clock on a wall shows at an instant."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


@cache
def ways_of_zones() -> dict[str, list[str]]:
    """All zones by one of those whose clocks go alike on each day of the year."""
    alike: dict[tuple[timedelta | None, ...], list[str]] = {}
    days = [BEGIN + number * DAY for number in range(-1, 368)]
    for name in sorted(available_timezones() - NOT_ZONES):
        alike.setdefault(tuple(at.astimezone(ZoneInfo(name)).utcoffset() for at in days), []).append(name)
    return {names[0]: names for names in alike.values()}


def watch(zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """Each local time of the year with the instant that it means, by the eyes alone."""
    at, following = BEGIN - DAY, shown(zone, BEGIN - DAY)
    seen: set[datetime] = set()
    while at < END + DAY:
        now, missed = shown(zone, at), at
        while following < now:
            # The clock jumped over these times: each means as many minutes behind the jump.
            yield following, missed
            following, missed = following + STEP, missed + STEP
        if now not in seen:
            seen.add(now)
            yield now, at
        at, following = at + STEP, now + STEP


@pytest.mark.parametrize("name", sorted(ways_of_zones()))
def test_each_local_time_of_a_year_is_one_instant_in_each_zone(name: str) -> None:
    wrong = [
        (local, at)
        for local, at in watch(ZoneInfo(name))
        if OwnClock(at=local, default_zone="").instant(name) != at.timestamp()
    ]

    assert wrong == []


def test_no_local_time_has_more_instants_than_a_transaction_takes_nor_any_outside_its_bounds() -> None:
    most = 0
    local = datetime.fromisoformat("2026-01-01T00:30")
    while local.year == 2026:
        clock = OwnClock(at=local, default_zone="")
        instants = {clock.instant(name) for name in ways_of_zones()}
        most = max(most, len(instants))
        assert clock.first <= min(instants)
        assert max(instants) <= clock.last
        local += timedelta(hours=1)

    assert 30 < most < MAX_TRANSACTION_ROWS // 2


def test_moments_are_counted_in_the_order_of_time() -> None:
    packed = add_moments(add_moments("", {2000: 3, 1000: 1}), Counter({1000: 4, 1500: 2}))

    assert packed == "1000:5 1500:2 2000:3"
    assert unpack_moments(packed) == (
        Moment(at=1000, people=5),
        Moment(at=1500, people=2),
        Moment(at=2000, people=3),
    )
    assert unpack_moments("") == ()


def test_recipients_are_sorted_out_by_their_instants() -> None:
    assert sort_out(["a", "b", "c"], {"a": 2, "b": 1, "c": 2}) == {2: ["a", "c"], 1: ["b"]}
