"""What a report's sums must always be, at whatever moment it is read. Pure."""

from collections.abc import Mapping
from typing import Any

FINAL = frozenset({"sent", "undeliverable", "uncertain", "expired", "cancelled", "opted_out"})


def faults_of(report: Mapping[str, Any], *, before: Mapping[str, Any] | None) -> list[str]:
    """Everything that is wrong with a broadcast's report by itself, and after the one that was read `before`."""
    counts, name = report["counts"], f"{report['key']} ({report['state']})"
    found = []
    if sum(counts.values()) != report["total"]:
        found.append(f"{name}: {dict(counts)} do not add up to {report['total']}")
    if sum(report["reasons"].values()) != counts["undeliverable"]:
        found.append(f"{name}: {dict(report['reasons'])} do not add up to {counts['undeliverable']}")
    if before is None:
        return found
    if report["total"] < before["total"]:
        found.append(f"{name}: {before['total']} recipients became {report['total']}")
    # What is final stays so.
    found += [
        f"{name}: {before['counts'][state]} {state} became {counts[state]}"
        for state in sorted(FINAL & counts.keys())
        if counts[state] < before["counts"][state]
    ]
    return found
