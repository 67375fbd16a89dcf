"""A verdict for people: faults, numbers, promises."""

import shutil

from rich.console import Console
from rich.table import Table

from localhost.chaos.kinds import UNITS
from localhost.chaos.verdict import Verdict

NARROWEST = 120


def show(verdict: Verdict) -> None:
    """Print the tables to stdout."""
    # Into a file or a log rich would wrap at 80 columns.
    console = Console(width=max(NARROWEST, shutil.get_terminal_size().columns))
    for table in (_faults(verdict), _numbers(verdict), _promises(verdict)):
        console.print(table)


def _faults(verdict: Verdict) -> Table:
    table = Table("fault", "struck", "of", title="faults", title_justify="left")
    for kind, number in verdict.struck.items():
        table.add_row(kind.value, f"{number:,}", UNITS[kind])
    return table


def _numbers(verdict: Verdict) -> Table:
    refused = ", ".join(f"{number:,} {reason}" for reason, number in verdict.undeliverable.items()) or "none"
    table = Table("recipients", "", title="deliveries", title_justify="left")
    table.add_row("all", f"{verdict.recipients:,}")
    table.add_row("sent", f"{verdict.sent:,}")
    table.add_row("uncertain", f"{verdict.uncertain:,}")
    table.add_row("undeliverable", refused)
    table.add_row("given the app", f"{verdict.given:,}")
    table.add_row("twice", f"{verdict.doubled:,} of {verdict.doubled_allowed:,} allowed")
    table.add_row("lost", f"{verdict.lost:,}")
    return table


def _promises(verdict: Verdict) -> Table:
    table = Table("promise", "held", "seen", title="promises", title_justify="left")
    for promise in verdict.promises:
        table.add_row(promise.name, "yes" if promise.held else "NO", promise.seen)
    return table
