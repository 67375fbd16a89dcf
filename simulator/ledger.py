"""The ledger: what reached whom, and when. Compact, for hundreds of thousands of deliveries."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from simulator.figures import Summary, rate_of, worst_second


@dataclass(frozen=True, slots=True)
class Entry:
    """One delivered message, update or deletion (`event`: sent, updated, deleted).

    `at` is Unix time and `monotonic` the process's clock, both in seconds. `person` is an object id, or None in a
    channel or group chat. `activity_id` is None where Teams split the message and gave no id.
    """

    seq: int
    event: str
    at: float
    monotonic: float
    tenant: str
    person: str | None
    conversation: str
    activity_id: str | None
    digest: str
    text: str


def digest_of(body: bytes) -> str:
    """A short digest of a message's content."""
    return hashlib.blake2b(body, digest_size=8).hexdigest()


@dataclass(slots=True)
class Ledger:
    """An append-only record of deliveries, with counters of all Connector calls."""

    _entries: list[Entry] = field(default_factory=list)
    _delivered_at: "array[float]" = field(default_factory=lambda: array("d"))
    _requested_at: "array[float]" = field(default_factory=lambda: array("d"))
    _reached: Counter[tuple[str, str]] = field(default_factory=Counter)
    _people: Counter[str] = field(default_factory=Counter)
    _counts: Counter[str] = field(default_factory=Counter)
    _statuses: Counter[int] = field(default_factory=Counter)
    _kinds: Counter[str] = field(default_factory=Counter)
    _texts: dict[str, str] = field(default_factory=dict)
    _attachments: dict[str, bytes] = field(default_factory=dict)
    _seq: int = 0

    def request(self, kind: str, monotonic: float, cost: int = 1) -> None:
        """Count a call; `cost` is 2 where Teams splits the message."""
        self._kinds[kind] += 1
        for _ in range(cost):
            self._requested_at.append(monotonic)

    def answered(self, status: int) -> None:
        """Count an answer; 0 stands for a connection that was broken on purpose."""
        self._statuses[status] += 1

    def count(self, name: str) -> None:
        self._counts[name] += 1

    def record(
        self,
        event: str,
        *,
        at: float,
        monotonic: float,
        tenant: str,
        person: str | None,
        conversation: str,
        activity_id: str | None,
        content: bytes,
        text: str,
        attachments: Sequence[Any] = (),
    ) -> None:
        """Write down that a message was delivered, updated or deleted; `content` is what the digest is made of."""
        self._seq += 1
        digest = digest_of(content)
        # A broadcast has one text for all, or one card: keep it once.
        text = self._texts.setdefault(digest, text)
        if attachments and digest not in self._attachments:
            self._attachments[digest] = orjson.dumps(attachments)
        self._entries.append(
            Entry(self._seq, event, at, monotonic, tenant, person, conversation, activity_id, digest, text)
        )
        self._counts[event] += 1
        if event != "sent":
            return
        self._delivered_at.append(monotonic)
        self._reached[person or conversation, digest] += 1
        if person is not None:
            self._people[person] += 1

    @property
    def deliveries(self) -> int:
        return self._counts["sent"]

    @property
    def requests(self) -> int:
        return len(self._requested_at)

    def clear(self) -> None:
        """Forget everything but the sequence number, so that a reader's position stays valid."""
        for part in (self._entries, self._reached, self._people, self._counts, self._statuses, self._kinds):
            part.clear()
        self._texts.clear()
        self._attachments.clear()
        self._delivered_at = array("d")
        self._requested_at = array("d")

    def people(self) -> dict[str, int]:
        """Deliveries by object id."""
        return dict(self._people)

    def entries(self, *, after: int = 0, person: str | None = None, event: str | None = None) -> Iterator[Entry]:
        """Entries after a sequence number, oldest first."""
        first = self._entries[0].seq if self._entries else 1
        for entry in self._entries[max(0, after + 1 - first) :]:
            if (person is None or entry.person == person) and (event is None or entry.event == event):
                yield entry

    def contents(self) -> dict[str, dict[str, Any]]:
        """By digest of a content: its text and attachments, its deliveries, how many it reached, surplus deliveries."""
        found: dict[str, dict[str, Any]] = {}
        for (_, digest), times in self._reached.items():
            if digest not in found:
                attachments = orjson.loads(self._attachments.get(digest, b"[]"))
                found[digest] = {"text": self._texts[digest], "attachments": attachments}
                found[digest] |= {"deliveries": 0, "reached": 0, "duplicates": 0}
            row = found[digest]
            row["deliveries"] += times
            row["reached"] += 1
            row["duplicates"] += times - 1
        return found

    def summary(self) -> Summary:
        sent = self._counts["sent"]
        deliveries = [entry.at for entry in self._edges()]
        return Summary(
            deliveries=sent,
            people=len(self._people),
            duplicates=sent - len(self._reached),
            people_repeated=sum(1 for times in self._people.values() if times > 1),
            updates=self._counts["updated"],
            deletes=self._counts["deleted"],
            requests=len(self._requested_at),
            throttled=self._counts["throttled"],
            split=self._counts["split"],
            answers_lost=self._counts["answers_lost"],
            by_status={str(status): times for status, times in sorted(self._statuses.items())},
            by_kind=dict(self._kinds),
            first_at=deliveries[0] if deliveries else None,
            last_at=deliveries[-1] if deliveries else None,
            rate=rate_of(self._delivered_at),
            worst_second=worst_second(self._delivered_at),
            worst_second_requests=worst_second(self._requested_at),
        )

    def _edges(self) -> list[Entry]:
        """The first and the last delivery."""
        first = next((entry for entry in self._entries if entry.event == "sent"), None)
        last = next((entry for entry in reversed(self._entries) if entry.event == "sent"), None)
        return [entry for entry in (first, last) if entry is not None]
