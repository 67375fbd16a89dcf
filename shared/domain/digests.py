"""Digests: what other services report, gathered until its moment. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much an item matters, most severe first."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something that another service reports. Instants are seconds since the epoch."""

    title: str
    """Plain text, without Markdown."""
    text: str = ""
    """Markdown as Teams knows it."""
    link: str = ""
    severity: Severity = Severity.INFO
    at: float
    """When it was taken up."""
    expires_at: float | None = None
    """From then on it is not told any more; None where it never expires."""

    def is_over(self, now: float) -> bool:
        """Whether it is not told any more."""
        return self.expires_at is not None and self.expires_at <= now
