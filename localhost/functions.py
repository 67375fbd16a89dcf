"""The functions of an app: found through the library's own index, checked as Azure's worker checks them.

An app that the worker would refuse (duplicate names, an argument without a binding, a wrong annotation) is refused
here too, and as there the whole app is: it then has no functions.
"""

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, get_type_hints

import azure.functions as func
from azure.functions import meta


class BadAppError(Exception):
    """The app cannot be indexed: its author corrects it."""


class TriggerKind(StrEnum):
    """The triggers that this host runs, by the name of their binding."""

    HTTP = "httpTrigger"
    QUEUE = "queueTrigger"
    TIMER = "timerTrigger"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedFunction:
    """A function of the app: what to call, what triggers it, and how its arguments are named.

    `trigger` is the trigger's binding as `function.json` would hold it.
    """

    name: str
    call: Callable[..., Any]
    is_async: bool
    kind: TriggerKind
    trigger: Mapping[str, Any]
    trigger_argument: str
    wants_context: bool

    @property
    def takes_bytes(self) -> bool:
        """Whether the trigger's `dataType` is binary."""
        return self.trigger.get("dataType") is func.DataType.BINARY


def load_app(module: str, root: Path) -> func.FunctionApp:
    """Import the module of an app from its folder and return its `app`."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    app = getattr(importlib.import_module(module), "app", None)
    if not isinstance(app, func.FunctionApp):
        raise BadAppError(f"{module} has no `app` that is an azure.functions.FunctionApp")
    return app


def index_app(app: func.FunctionApp) -> list[HostedFunction]:
    """Return the functions of an app; raise BadAppError where the worker or the host would refuse it."""
    # The library remembers the names that it has validated, so that a second index of one app would find duplicates.
    app.functions_bindings = {}
    try:
        functions = app.get_functions()
    except ValueError as error:
        raise BadAppError(str(error)) from error
    return [_index_function(function) for function in functions]


def _index_function(function: Any) -> HostedFunction:
    name = function.get_function_name()
    trigger = function.get_trigger()
    if trigger is None:
        raise BadAppError(f"{name} has no trigger")
    if trigger.type not in set(TriggerKind):
        raise BadAppError(f"{name} has a {trigger.type}: the local host runs {', '.join(TriggerKind)}")
    kind = TriggerKind(trigger.type)
    _refuse_other_bindings(name, kind, function.get_bindings())
    call = function.get_user_function()
    wants_context = _check_arguments(name, call, trigger)
    return HostedFunction(
        name=name,
        call=call,
        is_async=inspect.iscoroutinefunction(call),
        kind=kind,
        trigger=trigger.get_dict_repr(),
        trigger_argument=trigger.name,
        wants_context=wants_context,
    )


def _refuse_other_bindings(name: str, kind: TriggerKind, bindings: list[Any]) -> None:
    for binding in bindings:
        is_http_answer = kind is TriggerKind.HTTP and binding.type == "http"
        if binding.type != kind and not is_http_answer:
            raise BadAppError(
                f"{name} has a {binding.type} binding: the local host runs triggers and no other bindings"
            )


def _check_arguments(name: str, call: Callable[..., Any], trigger: Any) -> bool:
    """Check a function's arguments against its bindings; return whether it takes the invocation's context."""
    arguments = set(inspect.signature(call).parameters)
    if trigger.name not in arguments:
        raise BadAppError(f"{name} declares the binding {trigger.name!r} but has no such argument")
    unbound = arguments - {trigger.name, "context"}
    if unbound:
        raise BadAppError(f"{name} has the arguments {sorted(unbound)} without a binding")
    annotation = get_type_hints(call).get(trigger.name)
    converter = meta.get_binding_registry().get(trigger.type)
    if isinstance(annotation, type) and not converter.check_input_type_annotation(annotation):
        raise BadAppError(f"{name}: a {trigger.type} cannot give {trigger.name} the type {annotation.__name__}")
    return "context" in arguments
