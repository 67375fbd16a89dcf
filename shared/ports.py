"""The narrow protocols between the use cases and the outside. `shared/composition.py` knows who implements them."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from shared.storage.rows import Operation, Row


class Clock(Protocol):
    """Storage's clock: the one clock that all instances share."""

    def now(self) -> float:
        """Seconds since the epoch by storage's clock."""


class Table(Protocol):
    """One table. Every method may raise StorageUnavailable; writes raise RowConflict and RowTooLarge."""

    async def get(self, partition: str, key: str, *, select: Sequence[str] | None = None) -> Row | None:
        """Read one row, or only the named properties of it; None where there is none."""

    def scan(
        self,
        partition: str,
        *,
        start: str = "",
        end: str | None = None,
        select: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Row]:
        """Yield rows with `start` <= key < `end` in key order, read by pages of up to 1,000, at most `limit` in all."""

    async def write(self, partition: str, operations: Sequence[Operation]) -> list[str]:
        """Do all operations or none; answer the new ETags in order (an empty one for a delete).

        The client below tries again by itself when an answer is lost, so a RowConflict may be the echo of one's own
        success: who cares reads the row and compares what it wrote.
        """


class Queue(Protocol):
    """One storage queue, as a sender of messages sees it."""

    async def put(self, body: bytes, *, delay: float = 0) -> None:
        """Put one message that becomes visible after `delay` seconds; it lives for one hour."""
