"""Lists of what was recorded: once for each message, newest first, removed from the old end."""

from shared.errors import RowConflict
from shared.storage.listing import Listing
from shared.storage.rows import delete
from tests.twins.storage import MemoryTable, Moment, fail_once

NOW = 1_780_000_000.0


def a_table() -> MemoryTable:
    return MemoryTable(lambda: NOW)


async def recorded(table: MemoryTable, *ages: float) -> Listing:
    """A list with a row for each age in seconds."""
    listing = Listing(table, name="thing")
    for number, age in enumerate(ages):
        await listing.record("p", {"n": number}, at=NOW - age, named=f"{number:064x}")
    return listing


async def test_a_message_is_recorded_once() -> None:
    listing = await recorded(a_table(), 5)

    assert await listing.record("p", {"n": 9}, at=NOW, named=f"{0:064x}") is None
    assert [row.values["n"] for row in (await listing.page(["p"], limit=10))[0]] == [0]


async def test_pages_are_newest_first_over_all_partitions() -> None:
    listing = await recorded(a_table(), 30, 10, 20)
    await listing.record("q", {"n": 7}, at=NOW - 15, named="7" * 64)

    first, after = await listing.page(["p", "q"], limit=2)
    second, end = await listing.page(["p", "q"], after=after, limit=2)

    assert [row.values["n"] for row in first + second] == [1, 7, 2, 0]
    assert end == ""


async def test_what_is_older_is_removed_with_its_message_and_nothing_else() -> None:
    table = a_table()
    listing = await recorded(table, 100, 10, 99, 11)

    assert await listing.remove_before("p", before=NOW - 50) == 2
    assert await listing.remove_before("p", before=NOW - 50) == 0

    assert [row.values["n"] for row in (await listing.page(["p"], limit=10))[0]] == [1, 3]
    assert sum(key.startswith("message!") for key in table.rows("p")) == 2


async def test_a_row_whose_message_was_removed_by_hand_goes_too() -> None:
    table = a_table()
    listing = await recorded(table, 100, 101)
    await table.write("p", [delete(f"message!{0:064x}")])

    await listing.remove_before("p", before=NOW)

    assert table.rows("p") == {}


async def test_the_echo_of_a_removal_is_no_fault() -> None:
    table = a_table()
    listing = await recorded(table, 100)
    table.hook = fail_once(RowConflict("gone"), moment=Moment.AFTER, verb="write")

    await listing.remove_before("p", before=NOW)

    assert table.rows("p") == {}
