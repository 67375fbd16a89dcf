"""Cron expressions: five fields, read against the local time of a zone.

`cronsim` reads the fields as Debian's cron does: a day must match both the day of the month and the day of the week
where one of them begins with a star, and either of them otherwise. It is asked for local times without a zone; what
they mean where the clocks are turned is said here, since its own word for that sends 02:30 to 03:00, and goes astray
where they are turned by half an hour.

- An expression that names minutes and hours names local times: `shared.domain.local_time` has the rule for them.
- One whose minute or hour begins with a star means "every so often": it comes whenever the clock on the wall shows such
  a time. Where the clocks go back that is twice, where they go forward not at all, and nobody waits an hour longer.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from cronsim import CronSim, CronSimError

from shared.domain.local_time import instant_of

EXAMPLE = "0 9 * * MON-FRI"
LONGEST_EXPRESSION = 200
FIELDS = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, L for the last day, LW for the last weekday"),
    ("month", "1 to 12, JAN to DEC"),
    ("day of the week", "0 to 7 (0 and 7 are Sunday), SUN to SAT, MON#2 for the second Monday, 5L for the last Friday"),
)
_ANY_MOMENT = datetime(2000, 1, 1)  # noqa: DTZ001 - A local time.
_A_DAY = timedelta(days=1)


class BadExpression(ValueError):
    """A cron expression that cannot be read, or that never comes. The message says what would be right."""


def check_expression(expression: str) -> None:
    """Refuse what is no cron expression of five fields. Raises BadExpression."""
    fields = expression.split()
    if len(fields) != len(FIELDS) or len(expression) > LONGEST_EXPRESSION:
        raise BadExpression(
            "a cron expression has five fields (minute, hour, day of the month, month, day of the week) in at most "
            f"{LONGEST_EXPRESSION} characters, such as {EXAMPLE}"
        )
    for place, (given, (name, allowed)) in enumerate(zip(fields, FIELDS, strict=True)):
        alone = ["*"] * len(FIELDS)
        alone[place] = given
        if not _is_read(" ".join(alone)):
            raise BadExpression(
                f"the {name} {given!r} cannot be read: {allowed}, *, lists (1,3), ranges (1-5) and steps (*/2)"
            )
    if not _is_read(expression):
        raise BadExpression(f"this never comes: no month {fields[3]!r} has a day {fields[2]!r}")


def matches(expression: str, zone: tzinfo, *, after: datetime) -> Iterator[datetime]:
    """The instants later than `after`, in UTC and in order, that an expression means in a zone."""
    is_every_so_often = any(field.startswith("*") for field in expression.split()[:2])
    behind: list[datetime] = []
    for wall in CronSim(expression, _earliest_wall(after, zone)):
        first = instant_of(wall, zone)
        if first.astimezone(zone).replace(tzinfo=None) == wall:
            while behind and behind[0] <= first:
                at = behind.pop(0)
                if after < at < first:
                    yield at
            if first > after:
                yield first
            second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
            if is_every_so_often and second != first:
                behind.append(second)
        elif not is_every_so_often:
            behind.append(first)
    yield from behind


def _earliest_wall(after: datetime, zone: tzinfo) -> datetime:
    """The earliest local time that can mean an instant later than `after`: near a change two offsets hold."""
    offsets = (moment.astimezone(zone).utcoffset() for moment in (after - _A_DAY, after, after + _A_DAY))
    return (after + min(offset for offset in offsets if offset is not None)).replace(tzinfo=None)


def _is_read(expression: str) -> bool:
    try:
        CronSim(expression, _ANY_MOMENT)
    except CronSimError:
        return False
    return True
