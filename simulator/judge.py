"""How a stand-in judges a bot: limits, faults and keys that can be set, and the ledger that can be read."""

import asyncio
import time
from collections.abc import Collection
from dataclasses import fields
from typing import Any

from simulator.entra import access_token
from simulator.faults import Action, Fault
from simulator.figures import Summary
from simulator.ledger import Entry
from simulator.places import Person
from simulator.refusals import Shape
from simulator.world import World

Who = Person | str
"""A person, or the object id, 29: id or UPN of one."""


class Judge:
    """The verbs that need no bot."""

    def __init__(self, world: World) -> None:
        self.world = world

    def person(self, who: Who) -> Person:
        """The person as the directory has it now."""
        found = who if isinstance(who, Person) else self.world.directory.person(who)
        if found is None:
            raise LookupError(f"Nobody is known as {who}.")
        return found

    def object_ids(self, people: Collection[Who]) -> list[str]:
        """Their object ids."""
        return [self.person(who).object_id for who in people]

    # Limits, faults, keys.

    def set_limits(self, *, rate: float = 50.0, depth: int = 50, conversation_limits: bool = True) -> None:
        """Set the Connector's limits anew; a rate of 0 lifts the one per app and tenant."""
        self.world.limits.change(rate=rate, depth=depth, conversation_limits=conversation_limits)

    def misbehave(self, action: Action | str = Action.ANSWER, **options: Any) -> int:
        """Set a fault and return its number; options are the fields of `faults.Fault`."""
        options["people"] = frozenset(self.object_ids(options.get("people") or ()))
        for name in ("conversations", "kinds"):
            options[name] = frozenset(options.get(name) or ())
        unknown = options.keys() - {field.name for field in fields(Fault)}
        if unknown:
            raise ValueError(f"A fault has no {', '.join(sorted(unknown))}.")
        if options.get("shape") is not None:
            options["shape"] = Shape(options["shape"])
        return self.world.faults.add(Fault(action=Action(action), **options), time.monotonic())

    def behave(self, number: int | None = None) -> None:
        """Take one fault back, or all."""
        if number is None:
            self.world.faults.clear()
        else:
            self.world.faults.remove(number)

    def fault_hits(self) -> dict[str, int]:
        """How often each fault that is set has struck."""
        return {str(number): hits for number, hits in self.world.faults.hits().items()}

    def rotate_keys(self, *, keep_old: bool = True) -> str:
        """Sign activities with a new key from now on; returns its kid."""
        return self.world.bot_keys.rotate(keep_old=keep_old).kid

    def bearer(self, audience: str = "https://api.botframework.com") -> str:
        """A token as Entra gives it to the bot, for a test that speaks to the Connector itself."""
        return access_token(self.world, self.world.config.tenant_id, audience, time.time())

    def traffic(self) -> dict[str, int]:
        """How often the login side was asked: token requests, tokens issued, requests for the bot's keys."""
        world = self.world
        return {
            "token_requests": world.token_requests,
            "tokens_issued": world.tokens_issued,
            "key_requests": world.key_requests,
        }

    # The ledger.

    def ledger_summary(self) -> Summary:
        return self.world.ledger.summary()

    def ledger_people(self) -> dict[str, int]:
        """Deliveries by object id."""
        return self.world.ledger.people()

    def ledger_contents(self) -> dict[str, dict[str, Any]]:
        """By digest of a content: text, attachments, deliveries, reached, duplicates."""
        return self.world.ledger.contents()

    def ledger_entries(
        self, *, person: Who | None = None, after: int = 0, event: str | None = None, limit: int = 1000
    ) -> list[Entry]:
        """A page of entries after a sequence number; `event` is sent, updated or deleted."""
        object_id = person.object_id if isinstance(person, Person) else person
        found = self.world.ledger.entries(after=after, person=object_id, event=event)
        return [entry for entry, _ in zip(found, range(limit), strict=False)]

    def clear_ledger(self) -> None:
        self.world.ledger.clear()

    async def wait_for_deliveries(self, count: int, *, timeout_s: float = 30.0) -> Summary:
        """Wait until so many messages were delivered; raises TimeoutError."""
        ledger = self.world.ledger
        until = time.monotonic() + timeout_s
        while ledger.deliveries < count:
            if time.monotonic() > until:
                raise TimeoutError(f"{ledger.deliveries} of {count} messages were delivered in {timeout_s:g} s.")
            await asyncio.sleep(0.02)
        return self.ledger_summary()

    async def wait_until_quiet(self, *, for_s: float = 1.0, timeout_s: float = 60.0) -> Summary:
        """Wait until no call came for a while; raises TimeoutError."""
        ledger = self.world.ledger
        until = time.monotonic() + timeout_s
        seen, since = ledger.requests, time.monotonic()
        while time.monotonic() - since < for_s:
            if time.monotonic() > until:
                raise TimeoutError(f"Calls kept coming for {timeout_s:g} s.")
            await asyncio.sleep(0.02)
            if ledger.requests != seen:
                seen, since = ledger.requests, time.monotonic()
        return self.ledger_summary()
