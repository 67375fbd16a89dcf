"""One invocation of a function: its context, its thread or task, and what counts as failure.

An async function runs on the host's only event loop, a sync function on a pool of threads, as in Azure's worker: a
blocking call in an async function stops everything, here as there.
"""

import asyncio
import logging
import os
import secrets
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import azure.functions as func
from azure.functions import _abc

from localhost.functions import HostedFunction, TriggerKind

logger = logging.getLogger("localhost.host")


class UnexpectedReturnError(Exception):
    """A function returned a value that no binding takes: Azure's worker fails such an invocation."""


class TraceContext(_abc.TraceContext):
    """The W3C trace context that the host gives an invocation."""

    def __init__(self, trace_parent: str, trace_state: str) -> None:
        self._parent = trace_parent
        self._state = trace_state

    @property
    def trace_parent(self) -> str:
        """Return `00-<trace>-<span>-<flags>`."""
        return self._parent

    @property
    def trace_state(self) -> str:
        """Return the vendors' part, empty where there is none."""
        return self._state

    @property
    def attributes(self) -> dict[str, str]:
        """Return nothing: the local host adds no attributes."""
        return {}


class FirstTry(_abc.RetryContext):
    """The retry context of an invocation without a retry policy."""

    @property
    def retry_count(self) -> int:
        """Return 0."""
        return 0

    @property
    def max_retry_count(self) -> int:
        """Return 0."""
        return 0

    @property
    def exception(self) -> None:  # type: ignore[override]  # The worker gives none on a first try.
        """Return nothing."""
        return


class Context(func.Context):
    """The invocation context that a function receives as its argument `context`."""

    def __init__(self, function: HostedFunction, trace: TraceContext) -> None:
        self._function_name = function.name
        self._invocation_id = str(uuid.uuid4())
        self._trace = trace
        self._thread_local = threading.local()

    @property
    def function_name(self) -> str:
        """Return the function's name."""
        return self._function_name

    @property
    def invocation_id(self) -> str:
        """Return the id of this invocation."""
        return self._invocation_id

    @property
    def function_directory(self) -> str:
        """Return the app's folder."""
        return os.getcwd()  # noqa: PTH109 - The library wants a string.

    @property
    def thread_local_storage(self) -> Any:
        """Return the storage in which own threads may note the invocation's id."""
        return self._thread_local

    @property
    def trace_context(self) -> TraceContext:
        """Return the W3C trace context."""
        return self._trace

    @property
    def retry_context(self) -> FirstTry:
        """Return the first try: the local host knows no retry policies."""
        return FirstTry()


def new_trace(trace_parent: str = "", trace_state: str = "") -> TraceContext:
    """Make the trace context of an invocation: a child of the caller's where there is one."""
    parts = trace_parent.split("-")
    trace_id = parts[1] if len(parts) == 4 and len(parts[1]) == 32 else secrets.token_hex(16)
    return TraceContext(f"00-{trace_id}-{secrets.token_hex(8)}-01", trace_state)


class Invoker:
    """Calls functions: coroutines on the running loop, plain functions on threads."""

    def __init__(self) -> None:
        # Core Tools give the worker 1,000 threads, an instance in Azure only Python's default unless the app says so.
        configured = os.environ.get("PYTHON_THREADPOOL_THREAD_COUNT")
        self._threads = ThreadPoolExecutor(int(configured) if configured else None, thread_name_prefix="function")

    async def invoke(self, function: HostedFunction, value: Any, trace: TraceContext | None = None) -> Any:
        """Call a function with the value of its trigger and return what it returns; let its exception escape."""
        arguments = {function.trigger_argument: value}
        if function.wants_context:
            arguments["context"] = Context(function, trace or new_trace())
        if function.is_async:
            result = await function.call(**arguments)
        else:
            loop = asyncio.get_running_loop()
            result = await loop.run_in_executor(self._threads, lambda: function.call(**arguments))
        if function.kind is not TriggerKind.HTTP and result is not None:
            raise UnexpectedReturnError(f"{function.name} returned a value, but has no $return binding")
        return result

    def close(self) -> None:
        """Let go of the threads; one that still runs cannot be stopped and is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def log_failure(function: HostedFunction, error: BaseException) -> None:
    """Log an invocation's failure as the host does: the function's name and the traceback."""
    logger.error("Executed 'Functions.%s' (Failed)", function.name, exc_info=error)
