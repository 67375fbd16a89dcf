"""Misbehaviour on request: which calls go wrong, how, and for how long. Pure: moments and chance are passed in."""

import random
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from simulator.refusals import Refusal, Shape


class Action(StrEnum):
    """What happens to a call that a fault meets."""

    ANSWER = "answer"  # An error status instead of a delivery.
    RESET = "reset"  # The connection breaks before delivery.
    DELAY = "delay"  # All goes well, later.
    HANG = "hang"  # No delivery and no answer until the caller gives up.
    LOSE_ANSWER = "lose_answer"  # Delivered, then the connection breaks.
    FALSE_ANSWER = "false_answer"  # Delivered, then an error status; of tokens and keys as LOSE_ANSWER.


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to misbehave. Empty `people`, `conversations`, `kinds` match every call.

    `kinds` are kinds of Connector calls (`create`, `send`, ...) or `token`, `openid`, `graph`; one kind of Graph
    request is `graph.install` and the like (`graph/table.py`). `count` ends the fault after so many hits, `count_each`
    after so many per person. It begins `after_s` seconds from now and lasts `for_s`; with `every_s` it comes again in
    that rhythm. `skip_each` lets the first calls of a person pass. `delay_s` comes before the deed; for a call that
    hangs it is the longest time, five minutes unless given.
    """

    action: Action = Action.ANSWER
    code: str = "ServiceError"
    status: int | None = None
    message: str | None = None
    retry_after: float | None = None
    shape: Shape | None = None
    delay_s: float = 0.0
    people: frozenset[str] = frozenset()
    conversations: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    probability: float = 1.0
    count: int | None = None
    count_each: int | None = None
    skip_each: int = 0
    after_s: float = 0.0
    for_s: float | None = None
    every_s: float | None = None

    def refusal(self) -> Refusal:
        return Refusal(self.code, self.message, status=self.status, retry_after=self.retry_after, shape=self.shape)

    def is_on(self, age_s: float) -> bool:
        """Whether the fault is active `age_s` seconds after it was set."""
        since = age_s - self.after_s
        if since < 0:
            return False
        if self.for_s is None:
            return True
        return (since % self.every_s if self.every_s else since) < self.for_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a call has to suffer: a delay in seconds, and at most one fault after it."""

    delay_s: float = 0.0
    fault: Fault | None = None


@dataclass(slots=True)
class _Active:
    fault: Fault
    set_at: float
    hits: int = 0
    hits_each: Counter[str] = field(default_factory=Counter)
    seen_each: Counter[str] = field(default_factory=Counter)

    def meets(self, kind: str, person: str | None, conversation: str | None, now: float) -> bool:
        fault = self.fault
        if fault.kinds and fault.kinds.isdisjoint((kind, kind.partition(".")[0])):
            return False
        if fault.people and person not in fault.people:
            return False
        if fault.conversations and conversation not in fault.conversations:
            return False
        if fault.count is not None and self.hits >= fault.count:
            return False
        return fault.is_on(now - self.set_at) and self._meets_each(person or conversation or "")

    def _meets_each(self, who: str) -> bool:
        if self.fault.skip_each:
            self.seen_each[who] += 1
            if self.seen_each[who] <= self.fault.skip_each:
                return False
        return self.fault.count_each is None or self.hits_each[who] < self.fault.count_each

    def hit(self, who: str) -> None:
        self.hits += 1
        if self.fault.count_each is not None:
            self.hits_each[who] += 1


@dataclass(slots=True)
class Faults:
    """The faults that are set, in order; the first that meets a call decides, and delays add up."""

    rng: random.Random
    _active: dict[int, _Active] = field(default_factory=dict)
    _next: int = 1

    def add(self, fault: Fault, now: float) -> int:
        """Set a fault and return its number."""
        number = self._next
        self._next += 1
        self._active[number] = _Active(fault, now)
        return number

    def remove(self, number: int) -> None:
        self._active.pop(number, None)

    def clear(self) -> None:
        self._active.clear()

    def hits(self) -> dict[int, int]:
        """How often each fault that is still set has struck."""
        return {number: active.hits for number, active in self._active.items()}

    def judge(self, *, kind: str, person: str | None, conversation: str | None, now: float) -> Verdict | None:
        """What happens to this call, or None where all is well."""
        if not self._active:
            return None
        delay_s = 0.0
        for active in self._active.values():
            if not active.meets(kind, person, conversation, now):
                continue
            if active.fault.probability < 1 and self.rng.random() >= active.fault.probability:
                continue
            active.hit(person or conversation or "")
            delay_s += active.fault.delay_s
            if active.fault.action is not Action.DELAY:
                return Verdict(delay_s=delay_s, fault=active.fault)
        return Verdict(delay_s=delay_s) if delay_s else None
