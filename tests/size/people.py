"""A tenant of any number of people whose references nobody stores: each row is made when it is read."""

import asyncio
from base64 import urlsafe_b64encode
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from hashlib import sha512

from shared.domain.recipients import RecipientKind, recipient_key
from shared.domain.references import Reference, values_of
from shared.storage.rows import Operation, Row
from tests.twins.world import SERVICE_URL, object_id


def key_of(number: int) -> str:
    """The recipient key of the person with this number; keys and numbers have the same order."""
    return recipient_key(RecipientKind.USER, object_id(number))


def number_of(key: str) -> int:
    """The number of the person with this key."""
    return int(key[-12:], 16)


class GeneratedPeople:
    """The table Conversations, read only: the people from 0 to `count` - 1 have the app, with ids as long as Teams'."""

    def __init__(self, count: int) -> None:
        self._count = count

    async def get(self, partition: str, key: str, *, select: Sequence[str] | None = None) -> Row | None:  # noqa: ARG002
        """The row of one person; None for who is not there."""
        number = number_of(key)
        return _row(partition, number) if number < self._count else None

    async def scan(
        self,
        partition: str,
        *,
        start: str = "",
        end: str | None = None,
        select: Sequence[str] | None = None,  # noqa: ARG002
        limit: int | None = None,
    ) -> AsyncIterator[Row]:
        """Yield the rows with `start` <= key < `end` in key order."""
        numbers = range(self._count)
        first = bisect_left(numbers, start, key=key_of)
        last = self._count if end is None else bisect_left(numbers, end, key=key_of)
        await asyncio.sleep(0)
        for number in numbers[first:last][:limit]:
            yield _row(partition, number)

    async def write(self, partition: str, operations: Sequence[Operation]) -> list[str]:
        """Refuse: a planner has nothing to write here."""
        raise AssertionError(
            f"{len(operations)} rows of {partition} were to be written into a table of generated people"
        )


def _row(partition: str, number: int) -> Row:
    chat = urlsafe_b64encode(sha512(str(number).encode()).digest()).decode().rstrip("=")
    reference = Reference(conversation=f"a:1{chat}", service_url=SERVICE_URL)
    return Row(
        partition=partition, key=key_of(number), values=values_of(reference), etag="1", written_at=0.0, read_at=0.0
    )
