"""Local times become instants, also where the clocks are turned."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.local_time import NOT_ZONES, UnknownZone, instant_of, zone_named

zones = st.sampled_from(sorted(available_timezones() - NOT_ZONES)).map(ZoneInfo)
local_times = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2037, 12, 31))  # noqa: DTZ001 - local


@pytest.mark.parametrize(
    ("zone", "local", "instant"),
    [
        ("Europe/Berlin", "2026-01-15T09:00", "2026-01-15T08:00"),  # Winter.
        ("Europe/Berlin", "2026-07-15T09:00", "2026-07-15T07:00"),  # Summer.
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:30"),  # In the gap: 03:30 by the new offset.
        ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00"),  # The gap's first minute: 03:00.
        ("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00"),  # The minute after the gap is the same instant.
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30"),  # Twice: the first one, still summer time.
        ("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00"),  # Once again.
        ("America/New_York", "2026-03-08T02:30", "2026-03-08T07:30"),  # A gap west of Greenwich.
        ("Australia/Lord_Howe", "2026-10-04T02:10", "2026-10-03T15:40"),  # A gap of half an hour: 02:40.
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45"),  # Twice, for half an hour.
        ("Africa/Cairo", "2026-04-24T00:00", "2026-04-23T22:00"),  # Midnight does not exist: 01:00.
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T22:00"),  # A whole day that was skipped: noon of the next.
        ("Asia/Kolkata", "2026-06-01T09:00", "2026-06-01T03:30"),  # Half an hour of offset, and no changes.
        ("UTC", "2026-06-01T09:00", "2026-06-01T09:00"),  # No offset at all.
    ],
)
def test_a_local_time_means_an_instant(zone: str, local: str, instant: str) -> None:
    meant = instant_of(datetime.fromisoformat(local), zone_named(zone))

    assert meant == datetime.fromisoformat(instant).replace(tzinfo=UTC)
    assert meant.tzinfo is UTC


@given(zones, local_times)
def test_a_local_time_is_the_first_instant_that_shows_it_or_as_far_behind_the_gap(
    zone: ZoneInfo, local: datetime
) -> None:
    meant = instant_of(local, zone)

    # Every offset of the days around it: which of them show this local time, and when first?
    offsets = {(meant + timedelta(hours=hours)).astimezone(zone).utcoffset() for hours in range(-48, 49)}
    instants = sorted(local.replace(tzinfo=UTC) - offset for offset in offsets if offset is not None)
    showing = [one for one in instants if one.astimezone(zone).replace(tzinfo=None) == local]
    if showing:
        assert meant == showing[0]
    else:
        shift = meant.astimezone(zone).replace(tzinfo=None) - local
        before = (meant - shift).astimezone(zone).utcoffset()
        assert shift > timedelta()
        assert before is not None
        assert meant == local.replace(tzinfo=UTC) - before


@given(zones, local_times)
def test_the_fold_of_a_value_says_nothing(zone: ZoneInfo, local: datetime) -> None:
    assert instant_of(local.replace(fold=1), zone) == instant_of(local, zone)


def test_a_time_with_a_zone_is_no_local_time() -> None:
    with pytest.raises(ValueError, match="no zone of its own"):
        instant_of(datetime.combine(date(2026, 1, 1), time(9), tzinfo=UTC), zone_named("Europe/Berlin"))


def test_every_zone_is_known_by_its_name() -> None:
    assert all(zone_named(name).key == name for name in available_timezones() - NOT_ZONES)


@pytest.mark.parametrize(
    ("name", "similar"),
    [
        ("Europe/Berlni", "Europe/Berlin"),  # Two letters changed places.
        ("europe/berlin", "Europe/Berlin"),  # Small letters.
        ("America/New York", "America/New_York"),  # A space.
        ("Berlin", "Europe/Berlin"),  # A city alone.
        ("Asia/Berlin", "Europe/Berlin"),  # Another continent.
    ],
)
def test_the_nearest_right_name_comes_first(name: str, similar: str) -> None:
    with pytest.raises(UnknownZone, match=similar) as raised:
        zone_named(name)

    assert raised.value.name == name
    assert raised.value.similar[0] == similar


@pytest.mark.parametrize(
    "name", ["", "Middle-earth/Hobbiton", "../etc/passwd", "/etc/localtime", "localtime", "\0", "é" * 9_999]
)
def test_a_name_like_no_other_is_answered_with_an_example(name: str) -> None:
    with pytest.raises(UnknownZone, match="such as Europe/Berlin") as raised:
        zone_named(name)

    assert raised.value.similar == ()
