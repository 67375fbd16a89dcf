"""Six-field NCRONTAB expressions: `{second} {minute} {hour} {day} {month} {day of week}`.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
Unlike cron on Unix, a day must match both the day of the month and the day of the week. Five fields mean that the
second is zero. Instants are UTC, as on Flex Consumption, which knows no other zone.
"""

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
MONTHS = {name: n for n, name in enumerate(_MONTH_NAMES, start=1)}
DAYS = {name: n for n, name in enumerate(_DAY_NAMES)}

# A 29 February on a given weekday comes back within 40 years even across a century without a leap day.
_HORIZON_YEARS = 40


class BadExpressionError(ValueError):
    """The expression is no NCRONTAB expression: the author of the trigger corrects it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """What one field accepts: its name, its lowest and highest value and the names of its values."""

    name: str
    low: int
    high: int
    names: Mapping[str, int]

    def parse(self, text: str) -> tuple[int, ...]:
        """Parse one field into its sorted values."""
        values: set[int] = set()
        for item in text.split(","):
            values.update(self._parse_item(item))
        return tuple(sorted(values))

    def _parse_item(self, item: str) -> range:
        span, slash, step_text = item.partition("/")
        step = self._number(step_text) if slash else 1
        if step < 1:
            raise BadExpressionError(f"{self.name} {item!r}: a step is 1 or more")
        if span == "*":
            return range(self.low, self.high + 1, step)
        first_text, dash, last_text = span.partition("-")
        first = self._value(first_text)
        # A lone value with a step runs to the end of the field: 5/15 is 5, 20, 35, 50.
        open_end = self.high if slash else first
        last = self._value(last_text) if dash else open_end
        if first > last:
            raise BadExpressionError(f"{self.name} {item!r}: the range ends before it starts")
        return range(first, last + 1, step)

    def _value(self, text: str) -> int:
        named = self.names.get(text.lower()[:3]) if text.isalpha() else None
        value = self._number(text) if named is None else named
        if not self.low <= value <= self.high:
            raise BadExpressionError(f"{self.name} {text!r} is not between {self.low} and {self.high}")
        return value

    def _number(self, text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise BadExpressionError(f"{self.name} {text!r} is not a number")
        return int(text)


FIELDS = (
    FieldRule(name="second", low=0, high=59, names={}),
    FieldRule(name="minute", low=0, high=59, names={}),
    FieldRule(name="hour", low=0, high=23, names={}),
    FieldRule(name="day", low=1, high=31, names={}),
    FieldRule(name="month", low=1, high=12, names=MONTHS),
    FieldRule(name="day of week", low=0, high=6, names=DAYS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A parsed expression: the sorted values of each field, Sunday being weekday 0."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    @classmethod
    def parse(cls, expression: str) -> "Schedule":
        """Parse an expression of five or six fields; raise BadExpressionError with the field at fault."""
        parts = expression.split()
        if len(parts) == 5:
            parts.insert(0, "0")
        if len(parts) != 6:
            raise BadExpressionError(f"{expression!r} has {len(parts)} fields: NCRONTAB has six, second first")
        second, minute, hour, day, month, weekday = (rule.parse(part) for rule, part in zip(FIELDS, parts, strict=True))
        return cls(seconds=second, minutes=minute, hours=hour, days=day, months=month, weekdays=weekday)

    def next_after(self, instant: datetime) -> datetime:
        """Return the first occurrence later than an instant, in UTC; raise BadExpressionError if there is none."""
        start = instant.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        time = self._first_time(start.hour, start.minute, start.second)
        if time is not None and self._matches_day(start):
            return start.replace(hour=time[0], minute=time[1], second=time[2])
        day = self._next_day(start)
        return day.replace(hour=self.hours[0], minute=self.minutes[0], second=self.seconds[0])

    def _first_time(self, hour: int, minute: int, second: int) -> tuple[int, int, int] | None:
        """Return the day's first time at or after the given one."""
        if hour in self.hours:
            if minute in self.minutes:
                found = _at_or_after(self.seconds, second)
                if found is not None:
                    return hour, minute, found
            found = _at_or_after(self.minutes, minute + 1)
            if found is not None:
                return hour, found, self.seconds[0]
        found = _at_or_after(self.hours, hour + 1)
        return None if found is None else (found, self.minutes[0], self.seconds[0])

    def _matches_day(self, day: datetime) -> bool:
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _next_day(self, start: datetime) -> datetime:
        day = start.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        while day.year <= start.year + _HORIZON_YEARS:
            if day.month not in self.months:
                day = day.replace(day=1) + timedelta(days=monthrange(day.year, day.month)[1])
            elif self._matches_day(day):
                return day
            else:
                day += timedelta(days=1)
        raise BadExpressionError("the expression names a day that no calendar has")


def _at_or_after(values: tuple[int, ...], least: int) -> int | None:
    place = bisect_left(values, least)
    return values[place] if place < len(values) else None
