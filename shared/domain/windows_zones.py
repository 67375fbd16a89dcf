"""Windows' names of time zones, such as `W. Europe Standard Time`, as IANA names by Unicode's table.

Source: https://github.com/unicode-org/cldr/blob/main/common/supplemental/windowsZones.xml, in the copy that tzlocal
keeps up to date. Nothing else of tzlocal is used.
"""

from tzlocal.windows_tz import win_tz

from shared.domain.local_time import is_zone


def iana_zone(name: str) -> str | None:
    """The IANA zone that a name of either kind means; None for one that nobody knows, such as `Customized Time Zone`.

    What comes back is a name that `zone_named` takes.
    """
    given = name.strip()
    zone = win_tz.get(given, given)
    return zone if is_zone(zone) else None
