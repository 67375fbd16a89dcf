"""The kinds of Graph requests that Microsoft limits separately, and how many of each Herald allows itself.

Source: "Microsoft Teams service limits", "Identity and access service limits" and "Outlook service limits" on
https://learn.microsoft.com/graph/throttling-limits. All numbers are per app and tenant.
"""

from enum import StrEnum, auto


class Kind(StrEnum):
    """What a request counts as. Its value names its pace row, `graph!<kind>`, so it never changes."""

    INSTALLS_READ = auto()
    """`GET installedApps` of a user, team or chat."""
    INSTALLS_WRITE = auto()
    """`POST installedApps`."""
    INSTALLS_DELETE = auto()
    """`DELETE installedApps`."""
    CATALOG = auto()
    """`GET /appCatalogs/teamsApps`."""
    DIRECTORY = auto()
    """Users, groups and their members: Entra's directory, which counts in resource units."""
    MAILBOX = auto()
    """`GET` of people's mailbox settings: Outlook's part of Graph."""
    TEAM_READ = auto()
    """`GET` of a team's channels or members."""
    OTHER_READ = auto()
    """Every other `GET` of Teams' part of Graph, such as the chat of an installation."""
    OTHER_WRITE = auto()
    """Every other `POST`, `PUT` and `PATCH`, such as the upgrade of an installation."""
    OTHER_DELETE = auto()
    """Every other `DELETE`."""


DOCUMENTED_RATES = {
    Kind.INSTALLS_READ: 30.0,
    Kind.INSTALLS_WRITE: 30.0,
    Kind.INSTALLS_DELETE: 15.0,
    Kind.CATALOG: 30.0,
    # Not documented in requests but in resource units: the smallest tenant (under 50 users) has 3,500 in ten seconds,
    # 350 a second. The dearest read in use, a group's transitive members, costs 5, and an `$expand` 1 more. At 10 a
    # request, 35 a second keep within every tenant's limit, and bring 35,000 people by pages of 999: more is no use.
    Kind.DIRECTORY: 35.0,
    # Not documented for an app in a tenant: Outlook limits an app in each mailbox by itself, to 10,000 requests in ten
    # minutes and four at once, and Herald asks each of them one thing. With 100 a second, Herald's own choice, 100,000
    # people are asked in 20 minutes. Graph takes 130,000 requests in ten seconds from an app.
    Kind.MAILBOX: 100.0,
    Kind.TEAM_READ: 60.0,
    Kind.OTHER_READ: 30.0,
    Kind.OTHER_WRITE: 30.0,
    Kind.OTHER_DELETE: 15.0,
}
"""Requests per second for one app in one tenant."""
SUSTAINED_SHARE = 0.83
"""Teams also holds "a sustained limit of about 83 %" of each value: steady traffic has to stay below it (same page)."""
MOST_IN_BATCH = 20
"""Requests in one JSON batch: https://learn.microsoft.com/graph/json-batching."""


def sustained_rate(kind: Kind) -> float:
    """Requests per second that Herald allows itself for a kind, in one tenant, over all instances."""
    return DOCUMENTED_RATES[kind] * SUSTAINED_SHARE


def most_at_once(kind: Kind) -> int:
    """How many requests of a kind may leave together in one batch.

    At most half of a documented second: two batches that meet in one second then still keep within it (but for the
    quarter of a second that a start may catch up). Each part of a batch counts against the limit by itself, so larger
    ones would bring nothing but fewer calls.
    """
    return min(MOST_IN_BATCH, int(DOCUMENTED_RATES[kind] / 2))
