"""The demo's progress: a live bar at a terminal, else a line on stderr now and then."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_FINAL = ("sent", "undeliverable", "uncertain", "expired", "cancelled", "opted_out")
_LINE_EVERY = 5.0


def done_in(report: Mapping[str, Any]) -> int:
    """How many people of a report are in a final state."""
    return sum(report.get("counts", {}).get(state, 0) for state in _FINAL)


class View(Protocol):
    """Shows where the demo stands."""

    def step(self, text: str) -> None:
        """Say what happens now."""

    def update(self, report: Mapping[str, Any]) -> None:
        """Show a broadcast's report."""


class Lines:
    """Sparse lines on stderr."""

    def __init__(self) -> None:
        self._said_at = 0.0

    def step(self, text: str) -> None:
        """Say what happens now."""
        print(text, file=sys.stderr, flush=True)

    def update(self, report: Mapping[str, Any]) -> None:
        """Show a report, unless one was shown a moment ago."""
        if time.monotonic() - self._said_at < _LINE_EVERY:
            return
        self._said_at = time.monotonic()
        counts = ", ".join(f"{number} {state}" for state, number in report.get("counts", {}).items() if number)
        self.step(f"{report.get('state')}: {counts}")


class Bar:
    """A bar that moves."""

    def __init__(self, progress: Progress, people: int) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=people)

    def step(self, text: str) -> None:
        """Say what happens now."""
        self._progress.update(self._task, description=text)

    def update(self, report: Mapping[str, Any]) -> None:
        """Show a report."""
        self._progress.update(self._task, description=str(report.get("state")), completed=done_in(report))


@contextmanager
def open_view(*, people: int, live: bool) -> Iterator[View]:
    """Open the view that suits where stdout goes."""
    if not live:
        yield Lines()
        return
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console()) as progress:
        yield Bar(progress, people)
