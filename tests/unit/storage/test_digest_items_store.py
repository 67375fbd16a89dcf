"""The table Digests in memory, and what happens where storage fails or time passes."""

import pytest

from shared.domain.ids import item_id
from shared.errors import RowConflict, StorageUnavailable
from shared.storage.digest_items import PAGE_ROWS, SEEN_SECONDS, DigestItems, Looked
from tests.twins.accepting import NOON, TENANT
from tests.twins.digest_items import DAILY, DigestItemsContract, a_new_item, an_item, named
from tests.twins.storage import MemoryTable, Moment, fail_once, yielding

PARTITION = f"{TENANT}!{DAILY}"


class TestDigestItemsInMemory(DigestItemsContract):
    @pytest.fixture
    def table(self) -> MemoryTable:
        return MemoryTable(lambda: NOON)


class Shelf:
    """The table with a clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON
        self.table = MemoryTable(lambda: self.now)
        self.items = DigestItems(self.table)

    @property
    def keys(self) -> list[str]:
        return list(self.table.rows(PARTITION))

    async def people(self) -> list[str]:
        return [one.id async for one in self.items.people(TENANT, DAILY)]

    async def look_through(self) -> None:
        """Remove what is old, as the clean-up does."""
        looked = Looked(digest=DAILY, after="", at=0.0)
        while True:
            looked = await self.items.remove_old(TENANT, looked, now=self.now)
            if not looked.after:
                return


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("verb", ["write", "get"])
async def test_an_item_whose_answer_was_lost_is_kept_once(moment: Moment, verb: str) -> None:
    shelf = Shelf()
    shelf.table.hook = fail_once(StorageUnavailable("gone"), moment=moment, verb=verb)

    for _ in range(3):
        try:
            await shelf.items.put(a_new_item())
        except StorageUnavailable:
            continue

    assert await shelf.people() == [item_id("one")]
    assert len(shelf.keys) == 2


async def test_a_digest_is_known_before_its_first_item_is_there() -> None:
    shelf = Shelf()
    shelf.table.hook = fail_once(StorageUnavailable("gone"), moment=Moment.AFTER, verb="write")

    with pytest.raises(StorageUnavailable):
        await shelf.items.put(a_new_item())

    assert [one.digest async for one in shelf.items.digests(TENANT)] == [DAILY]
    assert shelf.keys == []
    shelf.table.hook = yielding
    await shelf.items.put(a_new_item())
    assert await shelf.people() == [item_id("one")]


async def test_a_new_item_leaves_how_far_its_digest_was_looked_through() -> None:
    shelf = Shelf()
    await shelf.items.put(a_new_item())
    await shelf.look_through()

    await DigestItems(shelf.table).put(a_new_item("two"))

    assert [one.at async for one in shelf.items.digests(TENANT)] == [NOON]


async def test_the_echo_of_a_take_is_its_success() -> None:
    shelf = Shelf()
    for number in range(150):
        await shelf.items.put(a_new_item(f"m{number}"))
    rows = named([one async for one in shelf.items.people(TENANT, DAILY)])
    shelf.table.hook = fail_once(RowConflict("echo"), moment=Moment.AFTER, verb="write")

    await shelf.items.take(TENANT, DAILY, rows)

    assert await shelf.people() == []


async def test_a_conflict_that_nothing_explains_is_raised_and_not_tried_for_ever() -> None:
    shelf = Shelf()
    await shelf.items.put(a_new_item())
    rows = named([one async for one in shelf.items.people(TENANT, DAILY)])
    shelf.table.hook = fail_once(RowConflict("why?"), moment=Moment.BEFORE, verb="write")

    with pytest.raises(RowConflict):
        await shelf.items.take(TENANT, DAILY, rows)


async def test_taking_a_thousand_items_of_which_one_was_replaced_costs_few_calls() -> None:
    shelf = Shelf()
    for number in range(1_000):
        await shelf.items.put(a_new_item(f"m{number}"))
    rows = named([one async for one in shelf.items.people(TENANT, DAILY)])
    await shelf.items.put(a_new_item("new", id=item_id("m7"), item=an_item(title="New")))
    calls = list[str]()

    async def hook(call: object) -> None:
        calls.append(str(call))

    shelf.table.hook = hook
    await shelf.items.take(TENANT, DAILY, rows)

    assert await shelf.people() == [item_id("m7")]
    # Each call is seen before and after: ten transactions, and for one of them a look and a second try.
    assert len(calls) < 2 * 14 + 2


async def test_that_a_request_came_is_known_as_long_as_its_message_may_come_again() -> None:
    shelf = Shelf()
    await shelf.items.put(a_new_item())
    await shelf.items.take(TENANT, DAILY, named([one async for one in shelf.items.people(TENANT, DAILY)]))

    shelf.now += SEEN_SECONDS - 1
    await shelf.look_through()
    assert await shelf.items.put(a_new_item()) is False

    shelf.now += 3
    await shelf.look_through()
    assert shelf.keys == []


async def test_old_rows_are_removed_by_pages_and_nothing_else() -> None:
    shelf = Shelf()
    for number in range(PAGE_ROWS // 2 + 10):
        await shelf.items.put(a_new_item(f"old{number}", item=an_item(expires_at=NOON + 10)))
        await shelf.items.put(a_new_item(f"young{number}", item=an_item(expires_at=NOON + 30)))
    shelf.now += 20

    first = await shelf.items.remove_old(TENANT, Looked(digest=DAILY, after="", at=0.0), now=shelf.now)

    assert first.after
    assert [one async for one in shelf.items.digests(TENANT)] == [first]
    second = await shelf.items.remove_old(TENANT, first, now=shelf.now)
    third = await shelf.items.remove_old(TENANT, second, now=shelf.now)
    assert (bool(second.after), third.after) == (True, "")
    assert sorted(await shelf.people()) == sorted(item_id(f"young{number}") for number in range(PAGE_ROWS // 2 + 10))


async def test_an_item_that_was_replaced_as_it_expired_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf()
    await shelf.items.put(a_new_item(id=item_id("key"), item=an_item(expires_at=NOON + 1)))
    shelf.now += 20
    take = DigestItems.take

    async def late(items: DigestItems, *given: object) -> None:
        await shelf.items.put(a_new_item("new", id=item_id("key")))
        await take(items, *given)  # type: ignore[arg-type]  # As it is called.

    monkeypatch.setattr(DigestItems, "take", late)
    await shelf.look_through()

    assert await shelf.people() == [item_id("key")]
