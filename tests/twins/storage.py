"""In-memory tables and queues that behave like Azure's: same ports, limits, ETags, order and atomic transactions.

Every call yields to the event loop, so that tasks interleave at each await as they do above a network. A `hook` sees
each call before and after it takes effect, may wait, and may raise: `after` is an answer that was lost on its way back.
Keys are compared by code point; Azure compares UTF-16, which differs beyond the basic plane alone.
"""

import asyncio
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from math import floor
from typing import Literal

from shared.errors import RowConflict, RowTooLarge
from shared.storage.queues import LIFETIME_SECONDS, whole_seconds
from shared.storage.rows import Operation, Row, Value, Values, check_limits
from shared.storage.tables import PAGE_ROWS

MAX_MESSAGE_BYTES = 64 * 1024
LocalClock = Callable[[], float]


class Moment(StrEnum):
    """When a hook is asked: before a call takes effect, or after it did."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as a hook sees it. A scan is one call for each page."""

    moment: Moment
    verb: Literal["get", "scan", "write", "put"]
    store: str
    partition: str = ""
    operations: tuple[Operation, ...] = ()


Hook = Callable[[Call], Awaitable[None]]


async def yielding(_call: Call) -> None:
    """The hook of a healthy store: give other tasks a turn."""
    await asyncio.sleep(0)


class Killed(BaseException):
    """The process died here."""


class Breaking:
    """A hook that breaks the call with this number, before or after it takes effect: once, or for good if Killed."""

    def __init__(self, number: int, moment: Moment, error: BaseException) -> None:
        self._left = number
        self._moment = moment
        self._error = error
        self.has_struck = False

    async def __call__(self, call: Call) -> None:
        await asyncio.sleep(0)
        if call.moment is not self._moment or (self.has_struck and not isinstance(self._error, Killed)):
            return
        self._left -= 1
        if self._left < 0:
            self.has_struck = True
            raise self._error


def fail_once(error: Exception, *, moment: Moment, verb: str) -> Hook:
    """Fail the first call of this verb at this moment, then be healthy."""
    left = [error]

    async def hook(call: Call) -> None:
        await asyncio.sleep(0)
        if left and call.moment is moment and call.verb == verb:
            raise left.pop()

    return hook


@dataclass(slots=True)
class _Stored:
    values: dict[str, Value]
    etag: str
    written_at: float


@dataclass(slots=True)
class _Partition:
    rows: dict[str, _Stored] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)


class MemoryTable:
    """The `Table` port in memory. `clock` is storage's clock in seconds since the epoch."""

    def __init__(self, clock: LocalClock, *, name: str = "table", hook: Hook = yielding) -> None:
        self.hook = hook
        self.name = name
        self._clock = clock
        self._versions = count(1)
        self._partitions: dict[str, _Partition] = {}

    async def get(self, partition: str, key: str, *, select: Sequence[str] | None = None) -> Row | None:
        """Read one row, or only the named properties of it; None where there is none."""
        await self._ask(Moment.BEFORE, "get", partition)
        stored = self._partition(partition).rows.get(key)
        row = None if stored is None else self._row(partition, key, stored, select)
        await self._ask(Moment.AFTER, "get", partition)
        return row

    async def scan(
        self,
        partition: str,
        *,
        start: str = "",
        end: str | None = None,
        select: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Row]:
        """Yield rows with `start` <= key < `end` in key order. As in Azure, pages are read at different moments."""
        left = limit
        after = ""
        while left is None or left > 0:
            await self._ask(Moment.BEFORE, "scan", partition)
            page, more = self._page(partition, start=max(start, after), end=end, size=min(PAGE_ROWS, left or PAGE_ROWS))
            rows = [self._row(partition, key, stored, select) for key, stored in page]
            await self._ask(Moment.AFTER, "scan", partition)
            for row in rows:
                yield row
            if not more:
                return
            after = rows[-1].key + "\0"
            left = left and left - len(rows)

    async def write(self, partition: str, operations: Sequence[Operation]) -> list[str]:
        """Do all operations or none; answer the new ETags in order (an empty one for a delete)."""
        check_limits(partition, operations)
        if len({operation.key for operation in operations}) < len(operations):
            raise ValueError("a transaction names each row once")
        operations = tuple(operations)
        await self._ask(Moment.BEFORE, "write", partition, operations)
        rows = self._partition(partition).rows
        for operation in operations:
            _check_condition(operation, rows.get(operation.key))
        etags = [self._apply(partition, operation) for operation in operations]
        await self._ask(Moment.AFTER, "write", partition, operations)
        return etags

    def partitions(self) -> list[str]:
        """The partitions that hold rows, for assertions."""
        return sorted(name for name, partition in self._partitions.items() if partition.rows)

    def rows(self, partition: str) -> dict[str, Values]:
        """The values of all rows of a partition in key order, for assertions."""
        held = self._partition(partition)
        return {key: dict(held.rows[key].values) for key in held.keys}

    def version(self, partition: str, key: str) -> str:
        """The ETag of a row that stands, for assertions."""
        return self._partition(partition).rows[key].etag

    async def _ask(
        self,
        moment: Moment,
        verb: Literal["get", "scan", "write"],
        partition: str,
        operations: tuple[Operation, ...] = (),
    ) -> None:
        await self.hook(Call(moment=moment, verb=verb, store=self.name, partition=partition, operations=operations))

    def _partition(self, name: str) -> _Partition:
        return self._partitions.setdefault(name, _Partition())

    def _page(
        self, partition: str, *, start: str, end: str | None, size: int
    ) -> tuple[list[tuple[str, _Stored]], bool]:
        held = self._partition(partition)
        first = bisect_left(held.keys, start)
        last = len(held.keys) if end is None else bisect_left(held.keys, end)
        keys = held.keys[first : min(last, first + size)]
        return [(key, held.rows[key]) for key in keys], first + size < last

    def _row(self, partition: str, key: str, stored: _Stored, select: Sequence[str] | None) -> Row:
        wanted = stored.values if select is None else {n: stored.values[n] for n in select if n in stored.values}
        return Row(
            partition=partition,
            key=key,
            values=dict(wanted),
            etag=stored.etag,
            written_at=stored.written_at,
            read_at=float(floor(self._clock())),  # A Date header has whole seconds, so an age may be below zero.
        )

    def _apply(self, partition: str, operation: Operation) -> str:
        held = self._partition(partition)
        if operation.kind == "delete":
            del held.rows[operation.key]
            del held.keys[bisect_left(held.keys, operation.key)]
            return ""
        old = held.rows.get(operation.key)
        if old is None:
            insort(held.keys, operation.key)
        kept = old.values if old is not None and operation.kind in ("merge", "upsert_merge") else {}
        etag = f"W/\"datetime'{next(self._versions)}'\""
        held.rows[operation.key] = _Stored(values={**kept, **operation.values}, etag=etag, written_at=self._clock())
        return etag


def _check_condition(operation: Operation, stored: _Stored | None) -> None:
    if operation.kind == "insert" and stored is not None:
        raise RowConflict(f"{operation.key} exists already")
    if operation.kind in ("merge", "replace", "delete") and stored is None:
        raise RowConflict(f"{operation.key} does not exist")
    if operation.etag is not None and stored is not None and operation.etag != stored.etag:
        raise RowConflict(f"{operation.key} was changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message in a `MemoryQueue`; instants in seconds since the epoch."""

    body: bytes
    visible_at: float
    expires_at: float


class MemoryQueue:
    """The `Queue` port in memory, with the reader's side for tests. It keeps the order; Azure does not promise to."""

    def __init__(self, clock: LocalClock, *, name: str = "queue", hook: Hook = yielding) -> None:
        self.hook = hook
        self.name = name
        self.messages: list[Message] = []
        self._clock = clock

    async def put(self, body: bytes, *, delay: float = 0) -> None:
        """Put one message that becomes visible after `delay` seconds, rounded up; it lives for one hour."""
        body.decode()
        hidden_seconds = whole_seconds(delay)
        await self.hook(Call(moment=Moment.BEFORE, verb="put", store=self.name))
        if len(body) > MAX_MESSAGE_BYTES:
            raise RowTooLarge(f"a message has {len(body)} bytes, {MAX_MESSAGE_BYTES} are allowed")
        now = self._clock()
        self.messages.append(Message(body=body, visible_at=now + hidden_seconds, expires_at=now + LIFETIME_SECONDS))
        await self.hook(Call(moment=Moment.AFTER, verb="put", store=self.name))

    def take(self) -> list[bytes]:
        """Remove and answer the bodies that are visible now."""
        now = self._clock()
        alive = [message for message in self.messages if message.expires_at > now]
        self.messages = [message for message in alive if message.visible_at > now]
        return [message.body for message in alive if message.visible_at <= now]

    @property
    def next_visible_at(self) -> float | None:
        """When the next message can be taken; None where there is none."""
        return min((message.visible_at for message in self.messages), default=None)


class MemoryAccount:
    """The twin of `StorageAccount`: tables and queues by name over one clock, all with the same hook."""

    def __init__(self, clock: LocalClock, *, hook: Hook = yielding) -> None:
        self._clock = clock
        self._hook = hook
        self._tables: dict[str, MemoryTable] = {}
        self._queues: dict[str, MemoryQueue] = {}

    @property
    def clock(self) -> "MemoryAccount":
        """The `Clock` port."""
        return self

    def now(self) -> float:
        """Seconds since the epoch by storage's clock."""
        return self._clock()

    def table(self, name: str) -> MemoryTable:
        """The table of this name; it exists from now on."""
        return self._tables.setdefault(name, MemoryTable(self._clock, name=name, hook=self._call_hook))

    def queue(self, name: str) -> MemoryQueue:
        """The queue of this name; it exists from now on."""
        return self._queues.setdefault(name, MemoryQueue(self._clock, name=name, hook=self._call_hook))

    def use_hook(self, hook: Hook) -> None:
        """Ask this hook from now on, in all tables and queues."""
        self._hook = hook

    async def ensure(self, *, tables: Iterable[str] = (), queues: Iterable[str] = ()) -> None:
        """Create what is missing of these."""
        for name in tables:
            self.table(name)
        for name in queues:
            self.queue(name)

    async def close(self) -> None:
        """Do nothing: there is nothing to close."""

    async def _call_hook(self, call: Call) -> None:
        await self._hook(call)
