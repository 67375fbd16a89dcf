"""Saved audiences in their table: kept as they were written, listed by name, replaced only in the version at hand."""

from dataclasses import replace
from typing import Any

import pytest

from shared.errors import RowConflict
from shared.storage.audiences import AudienceEntry, Audiences, SavedAudience
from tests.twins.accepting import NOON, TENANT, user
from tests.twins.storage import MemoryTable

LARGEST: dict[str, Any] = {"channels": [f"19:{number:0>400}" for number in range(1_000)]}


@pytest.fixture
def audiences() -> Audiences:
    return Audiences(MemoryTable(lambda: NOON))


def an_audience(name: str = "sales", *, description: str = "", **document: Any) -> SavedAudience:
    return SavedAudience(name=name, document=document or {"users": [user(1)]}, description=description, changed_at=NOON)


async def read(audiences: Audiences, name: str = "sales") -> SavedAudience:
    found = await audiences.get(TENANT, name)
    assert found is not None
    return found


@pytest.mark.parametrize("document", [{"users": [user(1)], "except": {"groups": [user(2)]}}, LARGEST])
async def test_an_audience_is_read_as_it_was_written(audiences: Audiences, document: dict[str, Any]) -> None:
    saved = an_audience(description="Everybody who sells", **document)

    await audiences.put(TENANT, saved)

    found = await read(audiences)
    assert replace(found, row_version="") == saved
    assert found.version == saved.version


async def test_an_audience_belongs_to_its_tenant(audiences: Audiences) -> None:
    await audiences.put(TENANT, an_audience())

    assert await audiences.get("another tenant", "sales") is None
    assert await audiences.get(TENANT, "managers") is None


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6])
async def test_pages_list_every_audience_once_by_name(audiences: Audiences, size: int) -> None:
    names = ["a", "a-b", "ab", "b", "sales"]
    for name in reversed(names):
        await audiences.put(TENANT, an_audience(name))

    listed, after = list[AudienceEntry](), ""
    while True:
        page = await audiences.page(TENANT, after=after, limit=size)
        listed += page.entries
        after = page.next
        if not after:
            break

    assert [entry.name for entry in listed] == names
    assert {entry.changed_at for entry in listed} == {NOON}


def test_a_version_tells_other_words_and_nothing_else() -> None:
    saved = an_audience(description="one")

    assert saved.version == replace(saved, changed_at=0.0, row_version="x").version
    assert saved.version != replace(saved, description="two").version
    assert saved.version != replace(saved, document={"users": [user(2)]}).version


async def test_only_the_version_at_hand_is_replaced_or_removed(audiences: Audiences) -> None:
    await audiences.put(TENANT, an_audience())
    first = await read(audiences)
    await audiences.put(TENANT, an_audience(users=[user(2)]), over=first)

    with pytest.raises(RowConflict):
        await audiences.put(TENANT, an_audience(users=[user(3)]), over=first)
    with pytest.raises(RowConflict):
        await audiences.remove(TENANT, "sales", only=first)

    second = await read(audiences)
    assert second.document == {"users": [user(2)]}
    await audiences.remove(TENANT, "sales", only=second)
    assert await audiences.get(TENANT, "sales") is None


async def test_what_was_written_without_a_condition_takes_the_place_of_all_of_it(audiences: Audiences) -> None:
    await audiences.put(TENANT, an_audience(**LARGEST))

    await audiences.put(TENANT, an_audience())

    assert (await read(audiences)).document == {"users": [user(1)]}
