"""What happened, in order: every call, fault and move of a run, hashed so that two runs can be compared."""

from collections import Counter
from hashlib import blake2b

Event = tuple[float, str, str, object]


class Trace:
    """Collects events: (virtual second, process, what, about what). The same seed makes the same events."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.fired: Counter[str] = Counter()
        """How often each fault really fired."""

    def note(self, at: float, where: str, what: str, about: object = "") -> None:
        """Note an event."""
        self.events.append((at, where, what, about))

    def fault(self, at: float, where: str, what: str, about: object = "") -> None:
        """Note a fault that fired."""
        self.fired[what] += 1
        self.events.append((at, where, f"FAULT {what}", about))

    @property
    def digest(self) -> str:
        """A hash over all events."""
        return blake2b(repr(self.events).encode(), digest_size=12).hexdigest()

    def lines(self, last: int | None = None) -> list[str]:
        """The events, or the last of them, for people."""
        events = self.events if last is None else self.events[-last:]
        return [f"{at:10.3f}  {where:<8}  {what:<28}  {about}" for at, where, what, about in events]
