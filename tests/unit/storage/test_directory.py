"""The directory: keys, lists newest first, and what the sweep looks at."""

import pytest

from shared.errors import RowConflict
from shared.storage.directory import Directory, Entry, OpenBroadcast
from tests.twins.accepting import TENANT
from tests.twins.storage import MemoryTable


def a_directory() -> Directory:
    return Directory(MemoryTable(lambda: 0.0))


def an_entry(number: int, *, key: str = "") -> Entry:
    return Entry(broadcast_id=f"b{number}", key=key or f"key {number}", body_hash="hash", accepted_at=1000.0 + number)


async def test_registered_key_is_found_again_whatever_characters_it_has() -> None:
    directory = a_directory()
    entry = an_entry(1, key="news/2026 #5 \\ é 🎉\n")

    await directory.register(TENANT, entry)

    assert await directory.find_key(TENANT, entry.key) == entry
    assert await directory.find_key(TENANT, "another") is None
    assert await directory.find_key("another tenant", entry.key) is None


async def test_key_that_stands_is_not_registered_again_and_lists_nothing() -> None:
    directory = a_directory()
    await directory.register(TENANT, an_entry(1, key="same"))

    with pytest.raises(RowConflict):
        await directory.register(TENANT, an_entry(2, key="same"))

    assert [entry.broadcast_id for entry in (await directory.page(TENANT, limit=10)).entries] == ["b1"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
async def test_pages_list_every_broadcast_once_newest_first(size: int) -> None:
    directory = a_directory()
    for number in range(7):
        await directory.register(TENANT, an_entry(number))

    listed, after = list[str](), ""
    while True:
        page = await directory.page(TENANT, after=after, limit=size)
        listed += [entry.broadcast_id for entry in page.entries]
        after = page.next
        if not after:
            break

    assert listed == [f"b{number}" for number in reversed(range(7))]


async def test_open_broadcasts_are_listed_until_closed() -> None:
    directory = a_directory()
    await directory.open("b1", tenant=TENANT, opened_at=1.0)
    await directory.open("b2", tenant=TENANT, opened_at=2.0)
    await directory.note_sweep(at=5.0)

    await directory.close("b1")
    await directory.close("b1")

    assert await directory.open_broadcasts() == [OpenBroadcast(broadcast_id="b2", tenant=TENANT, opened_at=2.0)]


async def test_last_sweep_is_remembered() -> None:
    directory = a_directory()
    assert await directory.last_sweep() is None

    await directory.note_sweep(at=5.0)
    await directory.note_sweep(at=65.0)

    assert await directory.last_sweep() == 65.0
