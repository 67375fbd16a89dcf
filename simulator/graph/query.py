"""The query options of a list: `$select`, and the part of `$filter` that Graph takes for users."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from simulator.graph.errors import GraphError, bad_request

Test = Callable[[Any], bool]
Fields = Mapping[str, Callable[[Any], object]]
"""What can be filtered by, and how it is read from a thing."""

CLAUSES_MAX = 15
WORD = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[A-Za-z][\w/]*)|(?P<sign>[(),]))")


def select(resource: dict[str, Any], wanted: str | None, usual: Collection[str], kind: str) -> dict[str, Any]:
    """The chosen properties, the usual ones where none are chosen."""
    if not wanted:
        return {name: resource[name] for name in usual}
    names = [name.strip() for name in wanted.split(",")]
    unknown = next((name for name in names if name not in resource), None)
    if unknown is not None:
        text = f"Parsing OData Select and Expand failed: Could not find a property named '{unknown}' on type '{kind}'."
        raise bad_request(text)
    return {name: resource[name] for name in dict.fromkeys((*names, "id"))}


def condition(text: str, fields: Fields) -> Test:
    """A test for `eq` and `in`, joined by `and`, `or` and parentheses. Strings are compared without regard to case."""
    reader = _Reader(list(_words(text)), fields)
    test = reader.either()
    if reader.words:
        raise bad_request(f"Invalid filter clause: {text}")
    if reader.clauses > CLAUSES_MAX:
        message = (
            "Too many child clauses specified in search filter expression containing 'OR' operators: "
            f"{reader.clauses}. Max allowed: {CLAUSES_MAX}."
        )
        raise GraphError(400, "Request_UnsupportedQuery", message)
    return test


def _words(text: str) -> Iterable[str]:
    position = 0
    while text[position:].strip():
        match = WORD.match(text, position)
        if match is None:
            raise bad_request(f"Invalid filter clause: {text}")
        yield match.group().strip()
        position = match.end()


@dataclass(slots=True)
class _Reader:
    """Reads a filter by descent; `clauses` counts what is joined by `or` or listed by `in`."""

    words: list[str]
    fields: Fields
    clauses: int = 0

    def either(self) -> Test:
        tests = [self.all()]
        while self._skip("or"):
            tests.append(self.all())
        if len(tests) > 1:
            self.clauses += len(tests)
        return lambda thing: any(test(thing) for test in tests)

    def all(self) -> Test:
        tests = [self.one()]
        while self._skip("and"):
            tests.append(self.one())
        return lambda thing: all(test(thing) for test in tests)

    def one(self) -> Test:
        if self._skip("("):
            test = self.either()
            self._want(")")
            return test
        name = self._next()
        if name not in self.fields:
            raise GraphError(
                400, "Request_UnsupportedQuery", f"Unsupported or invalid query filter clause on '{name}'."
            )
        read = self.fields[name]
        if self._skip("eq"):
            wanted = _value(self._next())
            return lambda thing: _plain(read(thing)) == wanted
        self._want("in")
        self._want("(")
        values = [_value(self._next())]
        while self._skip(","):
            values.append(_value(self._next()))
        self._want(")")
        self.clauses += len(values)
        chosen = frozenset(values)
        return lambda thing: _plain(read(thing)) in chosen

    def _next(self) -> str:
        if not self.words:
            raise bad_request("Invalid filter clause: it ends too early.")
        return self.words.pop(0)

    def _skip(self, word: str) -> bool:
        if self.words and self.words[0] == word:
            self.words.pop(0)
            return True
        return False

    def _want(self, word: str) -> None:
        found = self._next()
        if found != word:
            raise bad_request(f"Invalid filter clause: '{word}' was expected, not '{found}'.")


def _value(word: str) -> object:
    if word.startswith("'"):
        return word[1:-1].replace("''", "'").lower()
    return {"true": True, "false": False, "null": None}.get(word, word)


def _plain(value: object) -> object:
    return value.lower() if isinstance(value, str) else value
