"""Route templates of HTTP triggers: `literal/{name}/{name:constraint}/{name?}/{*rest}`.

https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-constraints lists the constraints. Literals match
without regard to case. Where two templates match, the one with the literal, then the constrained segment, wins.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from localhost.functions import BadAppError

_PARAMETER = re.compile(r"\{(\*{0,2})([A-Za-z_]\w*)((?::[^{}?]+)*)(\?)?\}")


def _passes(convert: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            convert(text)
        except ValueError:
            return False
        return True

    return check


def _int_of(bits: int) -> Callable[[str], bool]:
    bound = 1 << (bits - 1)
    return lambda text: re.fullmatch(r"[+-]?\d+", text) is not None and -bound <= int(text) < bound


_PLAIN: dict[str, Callable[[str], bool]] = {
    "int": _int_of(32),
    "long": _int_of(64),
    "guid": _passes(UUID),
    "bool": lambda text: text.lower() in ("true", "false"),
    "alpha": lambda text: re.fullmatch(r"[A-Za-z]*", text) is not None,
    "decimal": _passes(float),
    "double": _passes(float),
    "float": _passes(float),
    "required": lambda text: text != "",
}


def _constraint(text: str) -> Callable[[str], bool]:
    """Return the check that a constraint such as `int` or `length(2,5)` names."""
    name, _, rest = text.partition("(")
    arguments = rest.removesuffix(")")
    if not rest and name in _PLAIN:
        return _PLAIN[name]
    if name == "regex":
        pattern = re.compile(arguments, re.IGNORECASE)
        return lambda value: pattern.search(value) is not None
    if re.fullmatch(r"-?\d+(,-?\d+)?", arguments):
        low, high = int(arguments.split(",")[0]), int(arguments.split(",")[-1])
        bounded: dict[str, Callable[[str], bool]] = {
            "length": lambda value: low <= len(value) <= high,
            "minlength": lambda value: len(value) >= low,
            "maxlength": lambda value: len(value) <= low,
            "min": lambda value: _PLAIN["long"](value) and int(value) >= low,
            "max": lambda value: _PLAIN["long"](value) and int(value) <= low,
            "range": lambda value: _PLAIN["long"](value) and low <= int(value) <= high,
        }
        if name in bounded:
            return bounded[name]
    raise BadAppError(f"the local host does not know the route constraint {text!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One segment of a template: a literal, or a parameter with its checks."""

    literal: str = ""
    parameter: str = ""
    checks: tuple[Callable[[str], bool], ...] = ()
    optional: bool = False
    rest: bool = False

    @property
    def rank(self) -> int:
        """Return the segment's place in the order of precedence, the most exact first."""
        if not self.parameter:
            return 1
        return (3 if not self.checks else 2) + (2 if self.rest else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A parsed template."""

    template: str
    segments: tuple[Segment, ...]

    @classmethod
    def parse(cls, template: str) -> "Route":
        """Parse a template; raise BadAppError where the host would not start."""
        parts = [part for part in template.split("/") if part]
        if parts and parts[0].lower() in ("admin", "runtime"):
            raise BadAppError(f"the route {template!r} is reserved by the host")
        return cls(template=template, segments=tuple(_parse_segment(part, template) for part in parts))

    @property
    def precedence(self) -> tuple[int, ...]:
        """Return the key by which routes are tried in order."""
        return tuple(segment.rank for segment in self.segments)

    def match(self, path: Iterable[str]) -> dict[str, str] | None:
        """Return the parameters where the decoded segments of a path match, else nothing."""
        given = list(path)
        parameters: dict[str, str] = {}
        for place, segment in enumerate(self.segments):
            if segment.rest:
                return self._bind(parameters, segment, "/".join(given[place:]))
            if place >= len(given):
                if segment.optional:
                    continue
                return None
            if not segment.parameter:
                if segment.literal.lower() != given[place].lower():
                    return None
            elif self._bind(parameters, segment, given[place]) is None:
                return None
        return parameters if len(given) <= len(self.segments) else None

    @staticmethod
    def _bind(parameters: dict[str, str], segment: Segment, value: str) -> dict[str, str] | None:
        if not all(check(value) for check in segment.checks):
            return None
        parameters[segment.parameter] = value
        return parameters


def _parse_segment(text: str, template: str) -> Segment:
    if "{" not in text and "}" not in text:
        return Segment(literal=text)
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise BadAppError(f"the route {template!r} has a segment {text!r} that the local host cannot read")
    stars, name, constraints, optional = found.groups()
    checks = tuple(_constraint(item) for item in constraints.split(":") if item)
    return Segment(parameter=name, checks=checks, optional=optional is not None, rest=bool(stars))
