"""Faults of a request in words for people, each with the JSON pointer of the place."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from shared.errors import Fault

MOST_FAULTS = 1_000
Model = TypeVar("Model", bound=BaseModel)


class ChannelForm(StrEnum):
    """How a channel is named. Pydantic puts this beside the place of a fault, where it is no part of the document."""

    ID = "(by id)"
    NAME = "(by name)"


_FORMS = frozenset(ChannelForm)


def pointer(path: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901); the whole document is the empty string."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def describe(errors: Sequence[ErrorDetails], model: type[BaseModel]) -> list[Fault]:
    """Put a model's errors into words."""
    return [Fault(pointer=pointer(_place(error)), detail=_words(error, model)) for error in errors]


def _place(error: ErrorDetails) -> list[str | int]:
    return [step for step in error["loc"] if step not in _FORMS]


def read_as(model: type[Model], document: Mapping[str, Any]) -> tuple[Model | None, list[Fault]]:
    """A document as a model; None with everything that is wrong with its fields."""
    try:
        return model.model_validate(document), []
    except ValidationError as error:
        return None, describe(error.errors(include_url=False, include_input=False), model)


def limit(faults: Sequence[Fault]) -> list[Fault]:
    """At most 1,000 faults in the order of their places, and a word on how many more there are."""
    if len(faults) <= MOST_FAULTS:
        return list(faults)
    more = len(faults) - MOST_FAULTS + 1
    return [*faults[: MOST_FAULTS - 1], Fault(pointer="", detail=f"{more:,} further faults are not listed")]


def _words(error: ErrorDetails, model: type[BaseModel]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"there is no such field; the fields here are {_fields_at(model, _place(error)[:-1])}"
    if kind == "string_type" and error["loc"][-1] == ChannelForm.ID:
        return "this must be Teams' id of a channel, or an object with team and channel"
    words = _WORDS.get(kind)
    return words(context) if words else "this value is not allowed here; see docs/requests.md"


def _fields_at(model: type[BaseModel], path: Sequence[str | int]) -> str:
    """The names that are known at a place, for somebody who misspelt one."""
    for step in path:
        if isinstance(step, str):
            model = next(_models_in(_field(model, step).annotation))
    return ", ".join(field.alias or name for name, field in model.model_fields.items())


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """The models that stand in an annotation, also as members of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models_in(inner)


def _field(model: type[BaseModel], name: str) -> FieldInfo:
    return next(field for own, field in model.model_fields.items() if name in (own, field.alias))


def _expected(context: Mapping[str, Any]) -> str:
    return f"this must be {context['expected']}".replace("'", '"')


_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "herald": lambda context: str(context["detail"]),
    "string_pattern_mismatch": lambda _: "this must be the id of a broadcast: 20 small letters and digits",
    "missing": lambda _: "this field is missing",
    "string_type": lambda _: "this must be a string",
    "bool_type": lambda _: "this must be true or false",
    "int_type": lambda _: "this must be a whole number",
    "greater_than_equal": lambda context: f"this must be at least {context['ge']:,}",
    "less_than_equal": lambda context: f"this must be at most {context['le']:,}",
    "list_type": lambda _: "this must be an array",
    "dict_type": lambda _: "this must be an object",
    "model_type": lambda _: "this must be an object",
    "model_attributes_type": lambda _: "this must be an object",
    "literal_error": _expected,
    "enum": _expected,
    "string_too_short": lambda _: "this must not be empty",
    "too_long": lambda context: f"this may have at most {context['max_length']:,} entries",
    "string_too_long": lambda context: f"this may have at most {context['max_length']} characters",
}
