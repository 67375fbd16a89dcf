"""Windows' names of time zones become IANA names, and names of no zone become nothing."""

from datetime import UTC, datetime

import pytest
from tzlocal.windows_tz import win_tz

from shared.domain.local_time import zone_named
from shared.domain.windows_zones import iana_zone


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("W. Europe Standard Time", "Europe/Berlin"),  # Windows'.
        ("Romance Standard Time", "Europe/Paris"),
        ("GMT Standard Time", "Europe/London"),
        ("Greenwich Standard Time", "Atlantic/Reykjavik"),
        ("Eastern Standard Time", "America/New_York"),
        ("E. South America Standard Time", "America/Sao_Paulo"),
        ("India Standard Time", "Asia/Calcutta"),  # Unicode keeps to a zone's first name.
        ("UTC", "Etc/UTC"),
        ("Europe/Berlin", "Europe/Berlin"),  # IANA's.
        ("Asia/Kolkata", "Asia/Kolkata"),
        (" Tokyo Standard Time ", "Asia/Tokyo"),  # With blanks around it.
        ("Customized Time Zone", None),  # Exchange's, for a zone that somebody made.
        ("tzone://Microsoft/Custom", None),  # Likewise.
        ("Mid-Atlantic Standard Time", None),  # A zone of Windows' in which nobody ever lived.
        ("Berlin", None),  # A city.
        ("../../etc/passwd", None),  # A path.
        ("localtime", None),  # The zone of the machine.
        ("", None),  # Nothing.
    ],
)
def test_a_name_means_an_iana_zone_or_none(name: str, zone: str | None) -> None:
    assert iana_zone(name) == zone


def test_the_table_has_windows_zones() -> None:
    assert len(win_tz) > 130


@pytest.mark.parametrize("name", sorted(win_tz))
def test_each_of_windows_names_means_a_zone_that_stands(name: str) -> None:
    zone = iana_zone(name)

    assert zone is not None
    assert datetime(2026, 11, 23, tzinfo=UTC).astimezone(zone_named(zone)).utcoffset() is not None
