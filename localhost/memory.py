"""How much memory processes have, as Linux tells it in /proc; elsewhere only a process itself learns its peak."""

import resource
from collections.abc import Sequence
from pathlib import Path

MIB = 1024 * 1024
MARKS = (0.0, 0.1, 0.5)
"""Shares of a broadcast at which its hosts are looked at; the end comes besides."""


def resident_memory(pid: int) -> int | None:
    """The bytes that a process has in memory now; None where nobody tells, or it is gone."""
    return _told(str(pid), "VmRSS")


def peak_memory() -> int:
    """The most memory that this process has had, in bytes."""
    # On Linux getrusage begins with the memory of the process that forked this one.
    told = _told("self", "VmHWM")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if told is None else told


class MemoryWatch:
    """Looks at some processes as a broadcast goes on.

    `readings` are MiB of the largest one at each mark passed, and at the end; None where nobody tells.
    """

    def __init__(self, pids: Sequence[int], *, people: int) -> None:
        self._pids = pids
        self._people = people
        self.readings: list[float | None] = []

    def pass_by(self, done: int) -> None:
        """Read for each mark that so many people are past."""
        while len(self.readings) < len(MARKS) and done >= MARKS[len(self.readings)] * self._people:
            self._read()

    def end(self) -> None:
        """Read for every mark that is left, and for the end."""
        self.pass_by(self._people)
        self._read()

    def _read(self) -> None:
        told = [memory for pid in self._pids if (memory := resident_memory(pid)) is not None]
        self.readings.append(round(max(told) / MIB, 1) if told else None)


def _told(pid: str, name: str) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith(f"{name}:")), None)
    return None if found is None else int(found.split()[1]) * 1024
