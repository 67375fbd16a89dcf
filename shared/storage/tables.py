"""The `Table` port on Azure's tables: how rows and operations look to the client below, not what they mean."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.data.tables import EdmType, EntityProperty, TableErrorCode, UpdateMode
from azure.data.tables.aio import TableClient

from shared.errors import RowConflict
from shared.storage.clock import parse_date
from shared.storage.failures import translated
from shared.storage.rows import Operation, Row, Value, Values, check_limits
from shared.storage.transport import ALL_METHODS

PAGE_ROWS = 1000
_NEEDED = ("RowKey", "Timestamp")
_KEYS = frozenset({"PartitionKey", "RowKey"})
_MODES = {"merge": UpdateMode.MERGE, "replace": UpdateMode.REPLACE}
_UPSERT_MODES = {"upsert": UpdateMode.REPLACE, "upsert_merge": UpdateMode.MERGE}
_WITHOUT_ECHO = {"Prefer": "return-no-content"}
_INT32 = range(-(2**31), 2**31)


class AzureTable:
    """One table of the account."""

    def __init__(self, client: TableClient) -> None:
        self._client = client

    async def get(self, partition: str, key: str, *, select: Sequence[str] | None = None) -> Row | None:
        """Read one row, or only the named properties of it; None where there is none."""
        answer = _Answer()
        with translated():
            try:
                entity = await self._client.get_entity(
                    partition, key, select=_columns(select), raw_response_hook=answer.keep
                )
            except ResourceNotFoundError as error:
                if getattr(error, "error_code", None) == TableErrorCode.TABLE_NOT_FOUND:
                    raise
                return None
        return _row(partition, entity, answer.read_at)

    async def scan(
        self,
        partition: str,
        *,
        start: str = "",
        end: str | None = None,
        select: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[Row]:
        """Yield rows with `start` <= key < `end` in key order, at most `limit` in all.

        Azure may end a page early, even an empty one (after five seconds, or when a partition moves): the end is where
        no token comes.
        """
        if (end is not None and end <= start) or (limit is not None and limit <= 0):
            return
        answer, left = _Answer(), limit
        pages = self._client.query_entities(
            _filter(partition, start, end),
            select=_columns(select),
            results_per_page=min(PAGE_ROWS, limit or PAGE_ROWS),
            raw_response_hook=answer.keep,
        ).by_page()
        while True:
            with translated():
                page = await anext(pages, None)
                entities = [] if page is None else [entity async for entity in page]
            if page is None:
                return
            # The answer's time belongs to this page: the next one is not asked for before its rows were taken.
            for entity in entities[:left]:
                yield _row(partition, entity, answer.read_at)
            if left is not None and (left := left - len(entities)) <= 0:
                return

    async def write(self, partition: str, operations: Sequence[Operation]) -> list[str]:
        """Do all operations or none; answer the new ETags in order (an empty one for a delete)."""
        check_limits(partition, operations)
        with translated():
            if len(operations) == 1:
                return [await self._write_one(partition, operations[0])]
            answers = await self._client.submit_transaction(
                [_step(partition, operation) for operation in operations], retry_on_methods=ALL_METHODS
            )
        return [str(answer.get("etag", "")) for answer in answers]

    async def _write_one(self, partition: str, operation: Operation) -> str:
        """Do one operation as a plain call: a transaction of one costs the client twice as much."""
        if operation.kind == "delete":
            return await self._delete(partition, operation)
        entity = _entity(partition, operation)
        options: dict[str, Any] = {"retry_on_methods": ALL_METHODS}
        if operation.kind == "insert":
            answer = await self._client.create_entity(entity, headers=dict(_WITHOUT_ECHO), **options)
        elif operation.kind in _UPSERT_MODES:
            answer = await self._client.upsert_entity(entity, mode=_UPSERT_MODES[operation.kind], **options)
        else:
            condition = _condition(operation)
            answer = await self._client.update_entity(entity, mode=_MODES[operation.kind], **condition, **options)
        return str(answer["etag"])

    async def _delete(self, partition: str, operation: Operation) -> str:
        answer = _Answer()
        await self._client.delete_entity(
            partition, operation.key, raw_response_hook=answer.keep, **_condition(operation)
        )
        # The client takes a missing row for success; in a transaction, and to the port, it is a conflict.
        if answer.status == 404:
            raise RowConflict(f"{operation.key}: the row to delete is gone")
        return ""


class _Answer:
    """What the last answer of one call said: kept per call, so that concurrent calls cannot mix theirs up."""

    __slots__ = ("read_at", "status")

    def __init__(self) -> None:
        self.status = 0
        self.read_at = 0.0

    def keep(self, response: Any) -> None:
        """The client's `raw_response_hook`."""
        self.status = response.http_response.status_code
        self.read_at = parse_date(response.http_response.headers.get("Date")) or 0.0


def _columns(select: Sequence[str] | None) -> list[str] | None:
    return None if select is None else [*_NEEDED, *select]


def _filter(partition: str, start: str, end: str | None) -> str:
    terms = [f"PartitionKey eq {_quoted(partition)}"]
    if start:
        terms.append(f"RowKey ge {_quoted(start)}")
    if end is not None:
        terms.append(f"RowKey lt {_quoted(end)}")
    return " and ".join(terms)


def _quoted(text: str) -> str:
    """A string of OData's filters: quotes within it are doubled."""
    return "'" + text.replace("'", "''") + "'"


def _row(partition: str, entity: Mapping[str, Any], read_at: float) -> Row:
    metadata = entity.metadata  # type: ignore[attr-defined]  # TableEntity is untyped below Mapping.
    return Row(
        partition=partition,
        key=entity["RowKey"],
        # A selected property that the row lacks comes as null.
        values={name: _plain(value) for name, value in entity.items() if value is not None and name not in _KEYS},
        etag=metadata["etag"],
        written_at=metadata["timestamp"].timestamp(),
        read_at=read_at,
    )


def _plain(value: Any) -> Value:
    return value.value if isinstance(value, EntityProperty) else value  # type: ignore[no-any-return]


def _entity(partition: str, operation: Operation) -> dict[str, Any]:
    return {"PartitionKey": partition, "RowKey": operation.key, **_typed(operation.values)}


def _typed(values: Values) -> dict[str, Any]:
    return {
        name: EntityProperty(value, EdmType.INT64) if isinstance(value, int) and value not in _INT32 else value
        for name, value in values.items()
    }


def _condition(operation: Operation) -> dict[str, Any]:
    """The client's own default is unconditional (If-Match: *)."""
    if operation.etag is None:
        return {}
    return {"etag": operation.etag, "match_condition": MatchConditions.IfNotModified}


def _step(partition: str, operation: Operation) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """One operation of a transaction as the client wants it: verb, entity, options."""
    entity = _entity(partition, operation)
    if operation.kind == "insert":
        return "create", entity, {}
    if operation.kind == "delete":
        return "delete", entity, _condition(operation)
    if operation.kind in _UPSERT_MODES:
        return "upsert", entity, {"mode": _UPSERT_MODES[operation.kind]}
    return "update", entity, {"mode": _MODES[operation.kind], **_condition(operation)}
