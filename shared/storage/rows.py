"""Rows and the operations of a transaction, with the limits of Azure's tables (Azurite accepts more).

Source of the limits: https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model
and .../performing-entity-group-transactions (100 operations, 4 MiB; Herald stays below 3 MiB).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from shared.errors import RowTooLarge

Value = str | int | float | bool | bytes
Values = Mapping[str, Value]

MAX_ROW_BYTES = 900 * 1024
MAX_BINARY_BYTES = 60 * 1024
MAX_STRING_CHARACTERS = 32 * 1024 - 1
MAX_TRANSACTION_BYTES = 3 * 1024 * 1024
MAX_TRANSACTION_ROWS = 100
FORBIDDEN_IN_KEYS = frozenset("/\\#?") | {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One stored row as it was read.

    `written_at` is the row's own Timestamp and `read_at` the Date of the answer that brought it, both of storage's
    clock and in seconds since the epoch: their difference is the row's age, whatever the clock of this process says.
    """

    partition: str
    key: str
    values: Values
    etag: str
    written_at: float
    read_at: float

    @property
    def age(self) -> float:
        """Seconds since the row was last written, by storage's clock alone."""
        return self.read_at - self.written_at


Kind = Literal["insert", "merge", "replace", "upsert", "upsert_merge", "delete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One write of a transaction. `etag` makes it conditional; an insert is conditional by nature."""

    kind: Kind
    key: str
    values: Values = field(default_factory=dict)
    etag: str | None = None


def insert(key: str, values: Values) -> Operation:
    """Write a row that must not exist yet."""
    return Operation(kind="insert", key=key, values=values)


def merge(key: str, values: Values, *, etag: str | None = None) -> Operation:
    """Change the named properties of a row that exists; without `etag` whatever its version."""
    return Operation(kind="merge", key=key, values=values, etag=etag)


def replace(key: str, values: Values, *, etag: str | None = None) -> Operation:
    """Put these properties in place of all that an existing row holds; without `etag` whatever its version."""
    return Operation(kind="replace", key=key, values=values, etag=etag)


def upsert(key: str, values: Values) -> Operation:
    """Write the whole row, whether it exists or not."""
    return Operation(kind="upsert", key=key, values=values)


def upsert_merge(key: str, values: Values) -> Operation:
    """Write the named properties; others of an existing row stay as they are."""
    return Operation(kind="upsert_merge", key=key, values=values)


def delete(key: str, *, etag: str | None = None) -> Operation:
    """Remove a row that exists; without `etag` whatever its version."""
    return Operation(kind="delete", key=key, etag=etag)


def size_of(operation: Operation) -> int:
    """Bytes that Azure counts for a row: names and strings as UTF-16, binary as it is."""
    properties = sum(8 + 2 * len(name) + _size(value) for name, value in operation.values.items())
    return 8 + 2 * len(operation.key) + properties


def _size(value: Value) -> int:
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, str):
        return len(value.encode("utf-16-le"))
    return 8


def check_limits(partition: str, operations: Sequence[Operation]) -> None:
    """Refuse what Azure would refuse, so that a test on Azurite tells. Raises RowTooLarge."""
    if not 1 <= len(operations) <= MAX_TRANSACTION_ROWS:
        raise RowTooLarge(f"a transaction has 1 to {MAX_TRANSACTION_ROWS} operations, not {len(operations)}")
    total = 0
    for operation in operations:
        for key in (partition, operation.key):
            if not key or len(key) > 512 or not FORBIDDEN_IN_KEYS.isdisjoint(key):
                raise RowTooLarge(f"key {key!r} is empty, over 512 characters, or holds a character that tables refuse")
        for name, value in operation.values.items():
            if isinstance(value, bytes) and len(value) > MAX_BINARY_BYTES:
                raise RowTooLarge(f"{operation.key}: {name} has {len(value)} bytes, {MAX_BINARY_BYTES} are allowed")
            if isinstance(value, str) and len(value.encode("utf-16-le")) // 2 > MAX_STRING_CHARACTERS:
                raise RowTooLarge(f"{operation.key}: {name} is over {MAX_STRING_CHARACTERS} characters")
        size = size_of(operation)
        if size > MAX_ROW_BYTES or len(operation.values) > 250:
            raise RowTooLarge(f"{operation.key}: {size} bytes in {len(operation.values)} properties")
        total += size
    if total > MAX_TRANSACTION_BYTES:
        raise RowTooLarge(f"the transaction has {total} bytes, {MAX_TRANSACTION_BYTES} are allowed")


def pack_bytes(name: str, data: bytes) -> dict[str, Value]:
    """Spread `data` over binary properties `name0`, `name1`, ... of at most 60 KiB each."""
    pieces = [data[start : start + MAX_BINARY_BYTES] for start in range(0, len(data), MAX_BINARY_BYTES)] or [b""]
    return {f"{name}{index}": piece for index, piece in enumerate(pieces)}


def unpack_bytes(name: str, values: Values) -> bytes:
    """Join what `pack_bytes` spread; absent properties are an empty value."""
    pieces: list[bytes] = []
    while isinstance(piece := values.get(f"{name}{len(pieces)}"), bytes):
        pieces.append(piece)
    return b"".join(pieces)
