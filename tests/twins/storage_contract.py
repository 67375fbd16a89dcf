"""What every `Table` and every `Queue` does, in memory or on Azurite: one suite for the twins and for the real clients.

A test class of its own inherits a contract and brings the fixtures `table`, or `queue` and `take`.
"""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from shared.errors import RowConflict, RowTooLarge
from shared.ports import Queue, Table
from shared.storage.rows import (
    MAX_BINARY_BYTES,
    MAX_STRING_CHARACTERS,
    Operation,
    Value,
    Values,
    delete,
    insert,
    merge,
    pack_bytes,
    replace,
    upsert,
    upsert_merge,
)

ODD_KEYS = ["o'clock", "''", "a b", "50%", "50%25", "a+b&c=d", "x:y@z;(1)", "ä-ß-東", "~!$*,.[]{}|"]
Take = Callable[[], Awaitable[list[bytes]]]


async def keys_of(table: Table, partition: str, **options: object) -> list[str]:
    return [row.key async for row in table.scan(partition, **options)]  # type: ignore[arg-type]  # As the tests say.


async def values_of(table: Table, partition: str, key: str) -> Values | None:
    row = await table.get(partition, key)
    return None if row is None else row.values


async def etag_of(table: Table, partition: str, key: str) -> str:
    row = await table.get(partition, key)
    assert row is not None
    return row.etag


class TableContract:
    """The rules of a table."""

    @pytest.fixture
    def partition(self) -> str:
        return uuid4().hex

    async def test_missing_row_is_none(self, table: Table, partition: str) -> None:
        assert await table.get(partition, "a") is None

    async def test_inserted_row_reads_back(self, table: Table, partition: str) -> None:
        await table.write(partition, [insert("a", {"n": 1})])

        row = await table.get(partition, "a")

        assert row is not None
        assert (row.partition, row.key, row.values) == (partition, "a", {"n": 1})

    async def test_second_insert_conflicts_and_changes_nothing(self, table: Table, partition: str) -> None:
        await table.write(partition, [insert("a", {"n": 1})])

        with pytest.raises(RowConflict):
            await table.write(partition, [insert("a", {"n": 2})])

        assert await values_of(table, partition, "a") == {"n": 1}

    async def test_merge_keeps_what_it_does_not_name(self, table: Table, partition: str) -> None:
        await table.write(partition, [insert("a", {"n": 1, "m": 1})])
        await table.write(partition, [merge("a", {"n": 2})])

        assert await values_of(table, partition, "a") == {"n": 2, "m": 1}

    async def test_replace_drops_what_it_does_not_name(self, table: Table, partition: str) -> None:
        await table.write(partition, [insert("a", {"n": 1, "m": 1})])
        await table.write(partition, [replace("a", {"n": 2})])

        assert await values_of(table, partition, "a") == {"n": 2}

    @pytest.mark.parametrize("together", [False, True], ids=["alone", "in a transaction"])
    async def test_upserts_write_rows_that_exist_or_not(self, table: Table, partition: str, together: bool) -> None:
        await table.write(partition, [insert("old", {"n": 1, "m": 1}), insert("older", {"n": 1, "m": 1})])
        operations = [
            upsert("new", {"n": 2}),
            upsert("old", {"n": 2}),
            upsert_merge("newer", {"n": 2}),
            upsert_merge("older", {"n": 2}),
        ]
        for step in [operations] if together else [[operation] for operation in operations]:
            await table.write(partition, step)

        values = {row.key: row.values async for row in table.scan(partition)}

        assert values == {"new": {"n": 2}, "newer": {"n": 2}, "old": {"n": 2}, "older": {"n": 2, "m": 1}}

    @pytest.mark.parametrize("together", [False, True], ids=["alone", "in a transaction"])
    @pytest.mark.parametrize("kind", ["merge", "replace", "delete"])
    async def test_stale_etag_conflicts_and_changes_nothing(
        self, table: Table, partition: str, kind: str, together: bool
    ) -> None:
        [stale] = await table.write(partition, [insert("a", {"n": 1})])
        await table.write(partition, [merge("a", {"n": 2})])
        operations = {"merge": merge("a", {"n": 3}, etag=stale), "replace": replace("a", {}, etag=stale)}
        operation = operations.get(kind, delete("a", etag=stale))

        with pytest.raises(RowConflict):
            await table.write(partition, [insert("b", {}), operation] if together else [operation])

        assert {row.key: row.values async for row in table.scan(partition)} == {"a": {"n": 2}}

    @pytest.mark.parametrize("together", [False, True], ids=["alone", "in a transaction"])
    @pytest.mark.parametrize("kind", ["merge", "replace", "delete"])
    async def test_current_etag_is_accepted(self, table: Table, partition: str, kind: str, together: bool) -> None:
        [etag] = await table.write(partition, [insert("a", {"n": 1})])
        operations = {"merge": merge("a", {"m": 2}, etag=etag), "replace": replace("a", {"m": 2}, etag=etag)}
        operation = operations.get(kind, delete("a", etag=etag))

        await table.write(partition, [operation, insert("b", {})] if together else [operation])

        expected: dict[str, Values] = {"merge": {"n": 1, "m": 2}, "replace": {"m": 2}}
        assert await values_of(table, partition, "a") == expected.get(kind)

    @pytest.mark.parametrize("together", [False, True], ids=["alone", "in a transaction"])
    @pytest.mark.parametrize(
        "operation",
        [merge("gone", {}), replace("gone", {}), delete("gone"), merge("gone", {}, etag="W/\"datetime'1'\"")],
        ids=["merge", "replace", "delete", "merge with etag"],
    )
    async def test_changing_a_missing_row_conflicts(
        self, table: Table, partition: str, operation: Operation, together: bool
    ) -> None:
        with pytest.raises(RowConflict):
            await table.write(partition, [insert("b", {}), operation] if together else [operation])

        assert await keys_of(table, partition) == []

    async def test_failed_transaction_writes_nothing(self, table: Table, partition: str) -> None:
        await table.write(partition, [insert("b", {"n": 1})])

        with pytest.raises(RowConflict):
            await table.write(partition, [insert("a", {}), insert("b", {}), insert("c", {})])

        assert {row.key: row.values async for row in table.scan(partition)} == {"b": {"n": 1}}

    async def test_etags_of_single_writes_are_those_read_back(self, table: Table, partition: str) -> None:
        for operation in (
            insert("a", {"n": 1}),
            merge("a", {"n": 2}),
            replace("a", {"n": 3}),
            upsert("a", {"n": 4}),
            upsert_merge("a", {"n": 5}),
        ):
            [etag] = await table.write(partition, [operation])

            assert etag == await etag_of(table, partition, "a")

    async def test_etags_of_a_transaction_are_those_read_back(self, table: Table, partition: str) -> None:
        await table.write(partition, [insert(key, {}) for key in "abcz"])

        etags = await table.write(
            partition,
            [
                merge("a", {"n": 1}),
                delete("z"),
                insert("n", {}),
                replace("b", {}),
                upsert("c", {}),
                upsert_merge("m", {}),
            ],
        )

        read = {row.key: row.etag async for row in table.scan(partition)}
        assert etags == [read["a"], "", read["n"], read["b"], read["c"], read["m"]]

    async def test_selected_read_has_the_row_s_etag(self, table: Table, partition: str) -> None:
        [etag] = await table.write(partition, [insert("a", {"n": 1, "m": 1})])

        row = await table.get(partition, "a", select=["n"])

        assert row is not None
        assert row.etag == etag

    async def test_every_write_changes_the_etag(self, table: Table, partition: str) -> None:
        [first] = await table.write(partition, [insert("a", {"n": 1})])
        [second] = await table.write(partition, [merge("a", {"n": 1})])

        assert first != second

    async def test_rows_come_in_key_order_whatever_the_order_of_writing(self, table: Table, partition: str) -> None:
        keys = ["b", "a", "B", "a!2", "a!10", "aa", "~", "0"]
        for key in keys:
            await table.write(partition, [insert(key, {})])

        assert await keys_of(table, partition) == sorted(keys)

    @pytest.mark.parametrize(
        ("start", "end", "expected"),
        [
            ("", None, "abcd"),  # no bounds
            ("b", None, "bcd"),  # the start belongs to the range
            ("", "c", "ab"),  # the end does not
            ("b", "d", "bc"),
            ("bb", "cc", "c"),  # bounds need not exist
            ("c", "c", ""),  # an empty range
            ("d", "a", ""),  # an inverted one
            ("", "", ""),
        ],
    )
    async def test_range_is_half_open(
        self, table: Table, partition: str, start: str, end: str | None, expected: str
    ) -> None:
        await table.write(partition, [insert(key, {}) for key in "abcd"])

        assert await keys_of(table, partition, start=start, end=end) == list(expected)

    async def test_scan_stays_in_its_partition(self, table: Table, partition: str) -> None:
        await table.write(partition, [insert("a", {})])
        await table.write(partition + "0", [insert("b", {})])

        assert await keys_of(table, partition) == ["a"]

    @pytest.mark.parametrize("limit", [0, 1, 3, 4, 5])
    async def test_limit_bounds_the_rows(self, table: Table, partition: str, limit: int) -> None:
        await table.write(partition, [insert(key, {}) for key in "abcd"])

        assert await keys_of(table, partition, limit=limit) == list("abcd")[:limit]

    async def test_scan_goes_on_beyond_a_page_of_thousand(self, table: Table, partition: str) -> None:
        keys = [f"{number:05}" for number in range(2050)]
        for first in range(0, len(keys), 100):
            await table.write(partition, [insert(key, {}) for key in keys[first : first + 100]])

        assert await keys_of(table, partition) == keys
        assert await keys_of(table, partition, limit=1001) == keys[:1001]
        assert await keys_of(table, partition, start="00007", end="02007") == keys[7:2007]

    async def test_selected_properties_come_alone(self, table: Table, partition: str) -> None:
        await table.write(partition, [insert("a", {"n": 1, "m": 2}), insert("b", {"m": 3})])

        got = await table.get(partition, "a", select=["n", "absent"])
        scanned = [row async for row in table.scan(partition, select=["n"])]

        assert got is not None
        assert got.values == {"n": 1}
        assert [(row.key, row.values) for row in scanned] == [("a", {"n": 1}), ("b", {})]
        assert all(row.etag and row.written_at and row.read_at for row in [got, *scanned])

    @pytest.mark.parametrize("together", [False, True], ids=["alone", "in a transaction"])
    async def test_values_keep_their_type(self, table: Table, partition: str, together: bool) -> None:
        values: dict[str, Value] = {
            "text": "ä 東 😀 'quoted' \"twice\" \\ \n\t <&>",
            "empty": "",
            "looks_like_a_time": "2026-01-01T00:00:00Z",
            "small": -1,
            "int32": 2**31 - 1,
            "above_int32": 2**31,
            "below_int32": -(2**31) - 1,
            "int64": 2**63 - 1,
            "lowest": -(2**63),
            "float": 0.1,
            "whole_float": 1.0,
            "yes": True,
            "no": False,
            "binary": bytes(range(256)),
            "empty_binary": b"",
        }

        await table.write(partition, [insert("a", values), insert("b", values)][: 2 if together else 1])

        read = await values_of(table, partition, "a")
        assert read == values
        assert {name: type(value) for name, value in read.items()} == {n: type(v) for n, v in values.items()}

    async def test_rows_as_large_as_allowed_are_kept(self, table: Table, partition: str) -> None:
        content = bytes(range(256)) * (4 * 850)
        values = pack_bytes("content", content) | {"text": "x" * 10_000}

        await table.write(partition, [insert("a", values)])

        assert await values_of(table, partition, "a") == values

    @pytest.mark.parametrize(
        "operations",
        [
            [insert("a", {f"b{number}": bytes(MAX_BINARY_BYTES) for number in range(16)})],
            [insert("a", {"b": bytes(MAX_BINARY_BYTES + 1)})],
            [insert("a", {"s": "x" * (MAX_STRING_CHARACTERS + 1)})],
            [insert("a", {"s": "😀" * (MAX_STRING_CHARACTERS // 2 + 1)})],
            [insert("a", {f"n{number}": 1 for number in range(251)})],
            [insert(f"{number:03}", {}) for number in range(101)],
            [
                insert(f"{number:03}", {f"b{part}": bytes(MAX_BINARY_BYTES) for part in range(10)})
                for number in range(6)
            ],
            [],
            *([insert(key, {})] for key in ("", "a/b", "a\\b", "a#b", "a?b", "a\nb", "a\x80b", "x" * 513)),
        ],
        ids=[
            *("row", "binary property", "string property", "string of pairs", "properties", "operations", "bytes"),
            *("none", "empty key", "slash", "backslash", "hash", "question mark", "control", "high control", "length"),
        ],
    )
    async def test_what_azure_would_refuse_is_refused(
        self, table: Table, partition: str, operations: list[Operation]
    ) -> None:
        with pytest.raises(RowTooLarge):
            await table.write(partition, operations)

        assert await keys_of(table, partition) == []

    @pytest.mark.parametrize("key", ODD_KEYS)
    async def test_odd_characters_in_keys_are_kept(self, table: Table, partition: str, key: str) -> None:
        odd_partition = partition + key
        await table.write(odd_partition, [insert(key, {"n": 1})])
        await table.write(odd_partition, [merge(key, {"n": 2})])
        await table.write(odd_partition, [merge(key, {"n": 3}), insert("~~~", {})])

        assert await values_of(table, odd_partition, key) == {"n": 3}
        assert await keys_of(table, odd_partition, start=key, end=key + "0") == [key]
        await table.write(odd_partition, [delete(key)])
        assert await keys_of(table, odd_partition) == ["~~~"]

    async def test_a_row_s_age_comes_from_one_clock(self, table: Table, partition: str) -> None:
        await table.write(partition, [insert("a", {})])

        row = await table.get(partition, "a")

        # The moment of reading has whole seconds, cut off: a young row may look as if it came from the next second.
        assert row is not None
        assert -1 < row.age < 3

    async def test_values_are_copied(self, table: Table, partition: str) -> None:
        values: dict[str, Value] = {"n": 1}
        await table.write(partition, [insert("a", values)])
        values["n"] = 2

        assert await values_of(table, partition, "a") == {"n": 1}


class QueueContract:
    """The rules of a queue."""

    async def test_message_arrives_as_it_was_put(self, queue: Queue, take: Take) -> None:
        body = '{"text": "ä 東 😀 <&> \\" \'"}'.encode()

        await queue.put(body)

        assert await take() == [body]

    async def test_delayed_message_is_hidden(self, queue: Queue, take: Take) -> None:
        await queue.put(b"later", delay=0.2)
        await queue.put(b"latest", delay=3599)
        await queue.put(b"now", delay=-1)

        assert await take() == [b"now"]

    async def test_delay_must_end_within_the_message_s_life(self, queue: Queue, take: Take) -> None:
        with pytest.raises(ValueError, match="3600"):
            await queue.put(b"never", delay=3599.5)

        assert await take() == []

    async def test_message_above_64_kib_is_refused(self, queue: Queue, take: Take) -> None:
        await queue.put(b"x" * 64 * 1024)

        with pytest.raises(RowTooLarge):
            await queue.put(b"x" * (64 * 1024 + 1))

        assert [len(body) for body in await take()] == [64 * 1024]
