"""What Herald promises, checked at every write of a row and at every call to the Connector.

The checks keep their own picture of the tables, drawn from the writes alone, so that each costs no more than the row
that is being written.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import orjson

from shared.domain.broadcasts import LEASE_SECONDS, DeliveryMode, unpack_counts
from shared.domain.lanes import is_install
from shared.domain.modes import Mode
from shared.domain.outcomes import Outcome
from shared.domain.revisions import Revised
from shared.storage import broadcast_rows as codec
from shared.storage.broadcast_keys import HEAD, content_key
from shared.storage.rows import Operation, Row, Value, unpack_bytes
from shared.teams.answers import Verdict
from tests.simulation.asks import Ask
from tests.simulation.audiences import Meant, planned_faults
from tests.simulation.digest_promises import DigestPromises
from tests.simulation.installs import InstallPromises
from tests.simulation.moments import MomentPromises
from tests.simulation.processes import Process
from tests.simulation.schedule_promises import SchedulePromises
from tests.simulation.storm import Storm

AFTER_CANCEL = 10.0
"""Seconds after a cancel or an expiry until which something may still be posted."""
FINAL = frozenset(outcome.value for outcome in Outcome if not outcome.is_open)
GIVEN_UP_ON = frozenset(outcome.value for outcome in Outcome if outcome.reason)
"""A storm is over before anybody was tried for a day."""
PASSING_VERDICTS = frozenset({Verdict.THROTTLED, Verdict.BUSY, Verdict.UNREACHABLE, Verdict.ACCEPTED})
"""Words of Teams that give nobody a reason to give up."""
OF_SCHEDULE = "schedule!"
"""What the keys of occurrences begin with."""
SENDING, SENT = Outcome.SENDING.value, Outcome.SENT.value
SEEN_TO = frozenset({Outcome.INSTALLED.value, Outcome.REMOVED.value})
GIVEN_UP = frozenset({Revised.ACTIVITY_GONE.value, Revised.FAILED.value})
FROZEN_LATELY = 60.0
"""Seconds after a thaw in which a process may still do what it was about to do."""
FRUITLESS_FAULTS = 5
"""A batch is set aside after so many claims without an answer, so at least so many faults explain one."""


@dataclass(slots=True, kw_only=True, eq=False)
class SeenRow:
    """A batch row as its writes show it."""

    broadcast: str
    number: int
    recipients: tuple[str, ...]
    outcomes: str
    writer: str = ""
    lease: str = ""
    planned_at: float = 0.0
    written_at: float = 0.0
    is_first: bool = False
    """Whether its recipients come first in a slow start."""
    was_tried: bool = False
    """Whether it has left its lane at least once: each of its deliveries was tried."""
    pending_since: float = 0.0
    """Since when it has had a delivery that only waits for its sender; when it was planned at first."""
    former: set[str] = field(default_factory=set)
    """Tokens of claims that were followed by another one."""


@dataclass(slots=True, kw_only=True, eq=False)
class SeenBroadcast:
    """A broadcast as its writes show it."""

    id: str
    key: str
    ask: Ask | None
    delivery: DeliveryMode
    expires_at: float | None
    accepted_at: float
    cancelled_at: float | None = None
    finished_at: float | None = None
    sums: str = ""
    paused: str = ""
    paused_since: float = 0.0
    revision: int = 0
    recalled: bool = False
    contents: dict[str, str] = field(default_factory=dict)
    """The text of each revision, by the key of its row."""
    rows: dict[int, SeenRow] = field(default_factory=dict)
    parked: set[int] = field(default_factory=set)
    first_planned_at: float = 0.0
    """When the last of those was planned who come first in a slow start."""

    @property
    def stopped_at(self) -> float | None:
        """The earlier of cancel and expiry."""
        return min((at for at in (self.cancelled_at, self.expires_at) if at is not None), default=None)


class Promises:
    """Watches writes and posts. `broken` holds what was not kept; `now` is virtual time since the start."""

    def __init__(
        self, storm: Storm, *, epoch: float, now: Callable[[], float], on_broken: Callable[[str], None]
    ) -> None:
        self._epoch = epoch
        self.now = now
        self._on_broken = on_broken
        self.asks: dict[str, Ask] = {}
        self.meant: dict[str, Meant] = {}
        """Whom the asks mean, by their keys."""
        self.broken: list[str] = []
        self.broadcasts: dict[str, SeenBroadcast] = {}
        self.by_key: dict[str, SeenBroadcast] = {}
        self.places: dict[tuple[str, str], tuple[SeenRow, int]] = {}
        self.ledger: Counter[tuple[str, str]] = Counter()
        self.verdicts: dict[tuple[str, str], Verdict] = {}
        """What Teams said last to a delivery."""
        self.not_opened: set[str] = set()
        """Recipients whose chat could not be created: nobody tells for which broadcast that was tried."""
        self.installs = InstallPromises(self)
        self.moments = MomentPromises(storm)
        self.schedules = SchedulePromises(self, storm)
        self.digests = DigestPromises(self, storm)
        self.excused: set[tuple[str, str]] = set()
        """Deliveries whose doubling a fault explains."""
        self.writers: dict[str, Process] = {}
        self.shown: dict[str, tuple[tuple[str, str], str]] = {}
        """What each message says by now, by its id: the delivery and its text, empty once it was taken back."""
        self.doubled = 0
        self.harm = 0
        self.stopped_since: float | None = None
        """Since when an operator knows that the tenant's sending is stopped."""

    def fail(self, sentence: str) -> None:
        """A promise is broken."""
        self.broken.append(sentence)
        self._on_broken(sentence)

    def note_writers(self, process: Process | None, operations: Iterable[Operation]) -> None:
        """Remember whose tokens these are, before the write takes effect."""
        if process is not None:
            for operation in operations:
                writer = operation.values.get("writer")
                if writer and operation.key.startswith("batch!"):
                    self.writers.setdefault(str(writer), process)

    def wrote(self, broadcast: str, operations: tuple[Operation, ...]) -> None:
        """A transaction on a broadcast's partition took effect."""
        for operation in operations:
            if operation.key.startswith("batch!"):
                self._wrote_batch(broadcast, operation)
            elif operation.key == HEAD:
                self._wrote_head(broadcast, operation)
            elif operation.key.startswith("parked!"):
                self._wrote_parked(broadcast, operation)
            elif operation.key.startswith("content!") and broadcast in self.broadcasts:
                content = orjson.loads(unpack_bytes("content", operation.values) or b"{}")
                self.broadcasts[broadcast].contents[operation.key] = content.get("text", "")
        seen = self.broadcasts.get(broadcast)
        if seen is not None and seen.ask is not None and seen.ask.digest:
            self.digests.wrote_plan(seen, operations)

    def posted(self, process: Process, key: str, recipient: str, *, delivered: bool, uncertain: bool) -> None:
        """A request about a delivery reached the Connector. `uncertain` when its answer does not tell the outcome."""
        seen = self.by_key[key]
        name = f"{recipient} of {key}"
        row, position = self.places[seen.id, recipient]
        frozen_lately = self.now() - process.thawed_at < FROZEN_LATELY
        for objection in self.objections(process, seen):
            self.fail(f"{name} was posted {objection}")
        if seen.ask is not None:
            for fault in self.moments.posted_faults(seen.ask, self.now()):
                self.fail(f"{name} was posted {fault}")
        if seen.ask is not None and seen.ask.mode is not Mode.SEND:
            self.fail(f"{name} was posted in the mode {seen.ask.mode}")
        stands = row.outcomes[position] == SENDING and self.writers.get(row.writer) is process
        if not stands and not frozen_lately:
            self.fail(f"{name} was posted while its row says {row.outcomes[position]!r}, without an intent of its own")
        if not delivered:
            return
        place = seen.id, recipient
        self.ledger[place] += 1
        self.installs.delivered(place)
        if self.ledger[place] > 1:
            self.doubled += 1
            if seen.delivery is DeliveryMode.AT_MOST_ONCE:
                self.fail(f"{name} was delivered {self.ledger[place]} times with at_most_once")
            elif place not in self.excused:
                self.fail(f"{name} was delivered twice, and no fault explains it")
        if uncertain:
            self.excused.add(place)

    def objections(self, process: Process, seen: SeenBroadcast) -> Iterator[str]:
        """Why nothing may be done for a broadcast at this moment, by a process that was not frozen meanwhile."""
        now = self.now()
        moments = {"broadcast was stopped": seen.stopped_at, "tenant was stopped": self.stopped_since}
        if seen.paused:
            moments["broadcast was paused"] = seen.paused_since
        for what, since in moments.items():
            if since is not None and now > since + AFTER_CANCEL and process.thawed_at < since:
                yield f"{now - since:.1f} s after its {what}"

    def is_refused(self, place: tuple[str, str]) -> bool:
        """Whether Teams' last word was a reason to give up."""
        if place[1] in self.not_opened:
            return True
        return place in self.verdicts and self.verdicts[place] not in PASSING_VERDICTS

    def answered(self, key: str, recipient: str, verdict: Verdict) -> None:
        """Teams has decided on a call about a delivery, whether its answer arrives or not."""
        self.verdicts[self.by_key[key].id, recipient] = verdict

    def shows(self, key: str, recipient: str, activity: str, text: str) -> None:
        """A message stands in a chat."""
        seen, words = self.by_key[key], text.partition(" ")[2]
        if seen.ask is not None and seen.ask.digest:
            words = self.digests.said(seen, recipient, words.split())
        if key.startswith(OF_SCHEDULE):
            self.schedules.said(key, words)
        self.shown[activity] = (seen.id, recipient), text

    def revised(self, activity: str, text: str) -> None:
        """A message was edited or taken back."""
        if activity not in self.shown:
            self.fail(f"{activity} was to be revised, and nobody ever saw it")
            return
        place, _ = self.shown[activity]
        self.shown[activity] = place, text

    def revision_faults(self, seen: SeenBroadcast, rows: Mapping[str, Mapping[str, Value]]) -> list[str]:
        """What is wrong, at the very end, with a broadcast that was edited or recalled: who sees which words."""
        newest = "" if seen.recalled else seen.contents.get(content_key(seen.revision), "")
        found = list[str]()
        for key in (key for key in rows if key.startswith("batch!")):
            stored = Row(partition=seen.id, key=key, values=rows[key], etag="", written_at=0, read_at=0)
            progress = codec.unpack_batch(stored, 0).progress
            for position, activity in progress.activity_ids.items():
                _, text = self.shown[activity]
                became = progress.revised[position : position + 1]
                if progress.outcomes[position] == SENT and became not in GIVEN_UP and text != newest:
                    found.append(f"{key} of {seen.key}: {activity} says {text!r} instead of {newest!r} ({became!r})")
        return found

    def cut(self, process: Process, *, most: float) -> None:
        """A process dies: what it leaves in `sending` is bounded by two seconds of its pace."""
        if process.harmed_at >= 0:
            return
        standing = sum(
            row.outcomes.count(SENDING)
            for seen in self.broadcasts.values()
            for row in seen.rows.values()
            if row.lease and self.writers.get(row.writer) is process
        )
        if standing > most:
            self.fail(f"{process.life.name} left {standing} deliveries in `sending`, {most} are allowed")

    def _wrote_head(self, broadcast: str, operation: Operation) -> None:
        values = operation.values
        seen = self.broadcasts.get(broadcast)
        if seen is None:
            seen = self._new_broadcast(broadcast, values)
        if "cancelled_at" in values and seen.cancelled_at is None:
            # The moment at which everybody can know of it.
            seen.cancelled_at = self.now()
        if "paused" in values:
            if values["paused"] and not seen.paused:
                seen.paused_since = self.now()
            seen.paused = str(values["paused"])
        seen.revision = int(values.get("revision", seen.revision))
        seen.recalled = bool(values.get("recalled", seen.recalled))
        if "finished_at" in values:
            self._closed(seen, float(values["finished_at"]), str(values.get("sums", "")))

    def _closed(self, seen: SeenBroadcast, at: float, sums: str) -> None:
        """It was closed, or (at zero) opened again by a revision."""
        if at and seen.finished_at is not None and sums != seen.sums:
            self.fail(f"{seen.key} was closed twice with other sums: {seen.sums}, then {sums}")
        seen.finished_at, seen.sums = at or None, sums or seen.sums

    def _new_broadcast(self, broadcast: str, values: Mapping[str, Value]) -> SeenBroadcast:
        expires_at = values.get("expires_at")
        seen = SeenBroadcast(
            id=broadcast,
            key=str(values["key"]),
            ask=self._ask_of(broadcast, str(values["key"])),
            delivery=DeliveryMode(str(values["delivery"])),
            expires_at=None if expires_at is None else float(expires_at) - self._epoch,
            accepted_at=self.now(),
        )
        if seen.key in self.by_key:
            self.fail(f"{seen.key} became two broadcasts")
        self.broadcasts[broadcast] = self.by_key[seen.key] = seen
        return seen

    def _ask_of(self, broadcast: str, key: str) -> Ask | None:
        """What was asked for under the key of a new broadcast."""
        if key.startswith(OF_SCHEDULE):
            self.schedules.accepted(broadcast, key)
            return self.schedules.ask_of(key)
        return self.asks.get(key)

    def _wrote_parked(self, broadcast: str, operation: Operation) -> None:
        parked = self.broadcasts[broadcast].parked
        number = int(operation.key.removeprefix("parked!"))
        if operation.kind == "delete":
            parked.discard(number)
            return
        parked.add(number)
        if self.harm < FRUITLESS_FAULTS:
            self.fail(f"{operation.key} was set aside after {self.harm} faults")

    def _wrote_batch(self, broadcast: str, operation: Operation) -> None:
        number = int(operation.key.removeprefix("batch!"))
        seen = self.broadcasts[broadcast]
        row = seen.rows.get(number)
        if row is None:
            self._new_row(seen, number, operation)
            return
        values = operation.values
        writer = str(values.get("writer", row.writer))
        if writer != row.writer:
            self._changed_hands(seen, row, writer)
        elif writer in row.former:
            self.fail(f"{self._name(row)}: two live writers")
        outcomes = str(values.get("outcomes", row.outcomes))
        if outcomes != row.outcomes:
            self._changed_outcomes(seen, row, outcomes)
        row.lease = str(values.get("lease", row.lease))
        row.was_tried = row.was_tried or not values.get("placed", True)
        row.written_at = self.now()

    def _changed_hands(self, seen: SeenBroadcast, row: SeenRow, writer: str) -> None:
        if writer in row.former:
            self.fail(f"{self._name(row)}: written under the lease of a claim that was followed by another")
        age = self.now() - row.written_at
        if row.lease and age <= LEASE_SECONDS:
            self.fail(f"{self._name(row)}: claimed while a lease of {age:.1f} s was live")
        if SENDING in row.outcomes:
            holder = self.writers.get(row.writer)
            if holder is not None and not holder.was_harmed_since(row.written_at):
                self.fail(f"{self._name(row)}: left with deliveries in `sending`, and no fault explains it")
            self.excused.update(
                (seen.id, row.recipients[position])
                for position, outcome in enumerate(row.outcomes)
                if outcome == SENDING
            )
        if row.writer:
            row.former.add(row.writer)
        row.writer = writer

    def _changed_outcomes(self, seen: SeenBroadcast, row: SeenRow, outcomes: str) -> None:
        if len(outcomes) != len(row.outcomes):
            self.fail(f"{self._name(row)}: {len(row.outcomes)} outcomes became {len(outcomes)}")
            return
        for position, (old, new) in enumerate(zip(row.outcomes, outcomes, strict=True)):
            if old == new:
                continue
            place = seen.id, row.recipients[position]
            if old in FINAL:
                self.fail(f"{self._name(row)}: {place[1]} was final at {old!r} and became {new!r}")
            if new in GIVEN_UP_ON and not self.is_refused(place) and place[1] not in self.installs.refused:
                said = self.verdicts[place].name if place in self.verdicts else "nothing"
                self.fail(f"{self._name(row)}: {place[1]} is given up as {new!r}, though Teams said {said}")
            is_pretended = seen.ask is not None and seen.ask.mode is Mode.SANDBOX
            if new == SENT and not self.ledger[place] and not is_pretended:
                self.fail(f"{self._name(row)}: {place[1]} is called sent, and never arrived")
            if new in SEEN_TO:
                self.installs.check_seen_to(seen, place[1], new)
            if new == SENDING and self.ledger[place] and seen.delivery is DeliveryMode.AT_MOST_ONCE:
                self.fail(f"{self._name(row)}: {place[1]} is tried again with at_most_once, and had arrived")
        if Outcome.PENDING.value in outcomes and Outcome.PENDING.value not in row.outcomes:
            row.pending_since = self.now()
        row.outcomes = outcomes

    def _new_row(self, seen: SeenBroadcast, number: int, operation: Operation) -> None:
        stored = Row(partition=seen.id, key=operation.key, values=operation.values, etag="", written_at=0, read_at=0)
        recipients = tuple(recipient.key for recipient in codec.unpack_batch(stored, number).recipients)
        outcomes = str(operation.values["outcomes"])
        row = SeenRow(
            broadcast=seen.id,
            number=number,
            recipients=recipients,
            outcomes=outcomes,
            planned_at=self.now(),
            written_at=self.now(),
        )
        if len(outcomes) != len(recipients):
            self.fail(f"{self._name(row)}: {len(recipients)} recipients have {len(outcomes)} outcomes")
        self._check_slow_start(seen, row)
        if seen.ask is not None:
            planned = dict(zip(recipients, outcomes, strict=False))
            for fault in planned_faults(self.meant[seen.ask.key], planned, now=self.now()):
                self.fail(f"{self._name(row)}: {fault}")
            for fault in self.moments.planned_faults(seen.ask, self.now()):
                self.fail(f"{self._name(row)}: {fault}")
        for position, recipient in enumerate(recipients):
            if (seen.id, recipient) in self.places:
                self.fail(f"{self._name(row)}: {recipient} was planned before")
            self.places[seen.id, recipient] = row, position
        seen.rows[number] = row

    def _check_slow_start(self, seen: SeenBroadcast, row: SeenRow) -> None:
        if seen.ask is None:
            return
        if seen.ask.mode is Mode.DRY_RUN:
            self.fail(f"{self._name(row)}: a dry run has a batch")
        ramp, planned = seen.ask.ramp, sum(len(other.recipients) for other in seen.rows.values())
        if ramp is None:
            return
        if planned + len(row.recipients) <= ramp.people:
            row.is_first, seen.first_planned_at = True, self.now()
            return
        if planned < ramp.people:
            self.fail(f"{self._name(row)}: {planned + len(row.recipients)} are planned first, not {ramp.people}")
        if not all(other.was_tried for other in seen.rows.values() if other.is_first) and not seen.parked:
            self.fail(f"{self._name(row)}: planned before the first {ramp.people} were tried")
        # Who was given the app in the course of the wait was tried before it: the app could not be had then. Elsewhere
        # a row that was tried may be pending again, since its credentials are refused by now.
        first = [one for one in seen.rows.values() if one.is_first and is_install(one.number)]
        pending = [one for one in first if Outcome.PENDING.value in one.outcomes]
        if any(one.pending_since <= self.now() - ramp.wait for one in pending):
            self.fail(f"{self._name(row)}: planned before the message of each of the first {ramp.people} was tried")
        waited = self.now() - seen.first_planned_at
        if waited < ramp.wait - 1.0:
            self.fail(f"{self._name(row)}: planned {waited:.1f} s after the first, not {ramp.wait:.0f}")

    def _name(self, row: SeenRow) -> str:
        return f"batch {row.number} of {self.broadcasts[row.broadcast].key}"


def end_faults(seen: SeenBroadcast, wanted: frozenset[str], *, perhaps: frozenset[str]) -> list[str]:
    """What is wrong with a broadcast at the very end: its audience, its outcomes, its sums.

    `perhaps` are people who came to be installed, or were found not to be, while it was planned.
    """
    found = list[str]()
    planned = {recipient for row in seen.rows.values() for recipient in row.recipients}
    if planned - wanted - perhaps:
        found.append(f"{seen.key}: {len(planned - wanted - perhaps)} were planned who were not asked for")
    missing = wanted - planned - perhaps
    if seen.stopped_at is None and missing:
        found.append(f"{seen.key}: {len(missing)} of its audience were never planned")
    still_open = Counter(
        outcome
        for row in seen.rows.values()
        if row.number not in seen.parked
        for outcome in row.outcomes
        if outcome not in FINAL
    )
    if seen.stopped_at is None and still_open:
        found.append(f"{seen.key}: not final at the end: {dict(still_open)}")
    if seen.finished_at is None:
        return [*found, f"{seen.key}: never closed"]
    sums = unpack_counts(seen.sums)
    left_open = {outcome.name: number for outcome, number in sums.items() if outcome.is_open and number}
    if left_open:
        found.append(f"{seen.key}: closed with open deliveries: {left_open}")
    if sums.total() != len(planned):
        found.append(f"{seen.key}: closed with {sums.total()} deliveries of {len(planned)}")
    return found
