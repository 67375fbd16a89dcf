"""What Herald promises of people who are given the app, and of those who deleted their chats with the bot."""

from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING

from shared.domain.modes import Mode
from shared.domain.outcomes import Outcome
from shared.teams.answers import Verdict
from tests.simulation.processes import Process

if TYPE_CHECKING:
    from tests.simulation.promises import Promises, SeenBroadcast, SeenRow

GIVING = frozenset({Mode.SEND, Mode.INSTALL, Mode.UPGRADE})
"""Modes of broadcasts that give people the app."""
FROZEN_LATELY = 60.0
"""Seconds after a thaw in which a process may still do what it was about to do."""
FOUND_AGAIN_SECONDS = 35.0
"""So much later a plan knows of a chat that was found again: its write may arrive half a minute late."""

NAMED_SECONDS = 60.0
"""So much later an installer has kept what Graph told of a chat."""


class InstallPromises:
    """A part of the promises, with their picture of the tables at hand."""

    def __init__(self, promises: "Promises") -> None:
        self._promises = promises
        self.refused: set[str] = set()
        """Recipients of whom Graph has said for good that they cannot be given the app."""
        self._given: dict[str, None] = {}
        """Recipients who were given the app."""
        self.has_since: dict[str, float] = {}
        """Since when each of those who have the app, by whatever way, has it."""
        self.lag = 0.0
        """So many seconds Graph's lists may be behind."""
        self.outdated: set[str] = set()
        """Recipients with an older version of the app."""
        self.removed: set[str] = set()
        """Recipients who once lost the app."""
        self._deleted: dict[tuple[str, str], int] = {}
        """Deliveries that have met a chat which its person had deleted, and how much harm had been done by then."""
        self._found_again: dict[str, float] = {}
        """When a message last arrived in the new chat of somebody who had deleted theirs."""
        self._met: set[tuple[str, str]] = set()
        """Recipients with the names by which their deleted chats were met: Teams has one for it, Graph another one."""
        self._named: dict[str, float] = {}
        """When Graph last told the name of a person's chat."""

    def installed(self, process: Process, recipient: str, *, times: int) -> None:
        """Graph gave a person the app at the wish of a process, so often by now."""
        promises = self._promises
        self._given[recipient] = None
        self.has_since[recipient] = promises.now()
        if promises.now() - process.thawed_at < FROZEN_LATELY:
            return
        if times > 1:
            promises.fail(f"{recipient} was given the app {times} times")
        held = [seen for seen, row, position in self._places(recipient) if self._is_at(process, row, position)]
        if not held:
            promises.fail(f"{recipient} was given the app by a process that holds no batch for that")
        if held and all(seen.ask is not None and seen.ask.mode not in GIVING for seen in held):
            promises.fail(f"{recipient} was given the app by a broadcast that gives it to nobody")
        objections = [next(promises.objections(process, seen), "") for seen in held]
        if objections and all(objections):
            promises.fail(f"{recipient} was given the app {objections[0]}")

    def lost_app(self, recipient: str) -> None:
        """Graph took the app from somebody."""
        self.has_since.pop(recipient, None)
        self.removed.add(recipient)

    def check_seen_to(self, seen: "SeenBroadcast", recipient: str, outcome: str) -> None:
        """Somebody is called installed or removed by a broadcast without a message."""
        promises = self._promises
        since = self.has_since.get(recipient)
        if seen.ask is not None and (seen.ask.mode is Mode.REMOVE) != (outcome == Outcome.REMOVED.value):
            promises.fail(f"{recipient} ends as {outcome!r} in {seen.key}, whose mode is {seen.ask.mode}")
        if outcome == Outcome.INSTALLED.value and since is None and recipient not in self.removed:
            promises.fail(f"{recipient} is called installed by {seen.key}, and never had the app")
        if outcome == Outcome.REMOVED.value and since is not None and since + self.lag < seen.accepted_at:
            promises.fail(f"{recipient} is called removed by {seen.key}, and has had the app all the time")
        is_upgraded = seen.ask is not None and seen.ask.mode is Mode.UPGRADE
        if is_upgraded and recipient in self.outdated:
            promises.fail(f"{recipient} is called installed by {seen.key}, with an older version")

    def named(self, recipient: str) -> None:
        """Graph told the name of a person's chat, which may take the place of one that was found again."""
        self._found_again.pop(recipient, None)
        self._named[recipient] = self._promises.now()

    def met_deleted(self, key: str, recipient: str, chat: str) -> None:
        """A message met a chat that its person has deleted: that is no reason to give up, but only once."""
        promises = self._promises
        seen = promises.by_key[key]
        place = seen.id, recipient
        row, _ = promises.places[place]
        if not promises.harm and place in self._deleted and place not in promises.excused:
            promises.fail(f"{recipient} of {key}: the same deleted chat was met twice")
        if (recipient, chat) not in self._met:
            # Another name of the deleted chat: this one was kept, and not the new chat.
            self._found_again.pop(recipient, None)
        if row.planned_at > self._found_again.get(recipient, inf) + FOUND_AGAIN_SECONDS:
            promises.fail(f"{recipient} of {key}: a deleted chat was met although there was a new one")
        if place in self._deleted:
            promises.verdicts[place] = Verdict.CONVERSATION_GONE
        self._deleted[place] = promises.harm
        self._met.add((recipient, chat))

    def delivered(self, place: tuple[str, str]) -> None:
        """A message arrived."""
        # A process that was harmed in between may not have kept the new chat, and one that was just told a name of the
        # old chat may keep that.
        now = self._promises.now()
        is_settled = now - self._named.get(place[1], -inf) > NAMED_SECONDS
        if self._deleted.get(place) == self._promises.harm and is_settled:
            self._found_again[place[1]] = now

    def faults(self) -> Iterator[str]:
        """Who was given the app, at the very end, and no message followed that nothing else kept from them."""
        promises = self._promises
        for recipient in self._given:
            if not any(
                promises.ledger[seen.id, recipient]
                or seen.stopped_at is not None
                or row.outcomes[position] in (Outcome.UNCERTAIN.value, Outcome.INSTALLED.value)
                or promises.is_refused((seen.id, recipient))
                for seen, row, position in self._places(recipient)
            ):
                yield f"{recipient} was given the app, and no message followed"

    def _places(self, recipient: str) -> "Iterator[tuple[SeenBroadcast, SeenRow, int]]":
        for seen in self._promises.broadcasts.values():
            place = self._promises.places.get((seen.id, recipient))
            if place is not None:
                yield seen, *place

    def _is_at(self, process: Process, row: "SeenRow", position: int) -> bool:
        is_held = bool(row.lease) and self._promises.writers.get(row.writer) is process
        return is_held and row.outcomes[position] == Outcome.AWAITING_INSTALL.value
