"""Items of digests for tests, and what their table does in memory and on Azurite: one suite for both."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from shared.domain.digests import Item, Severity
from shared.domain.ids import item_id
from shared.errors import ReceiptReused
from shared.ports import Table
from shared.storage.digest_items import DigestItems, Looked, Named, NewItem, StoredItem
from tests.twins.accepting import ALICE, NOON, TENANT, user

ALICE_KEY = f"user!{ALICE}"
DAILY = "daily"
FAR = NOON + 400 * 86_400.0


def an_item(**changes: Any) -> Item:
    """What a service reports."""
    fields: dict[str, Any] = {"title": "Disk is full", "at": NOON, "expires_at": FAR}
    return Item(**{**fields, **changes})


def a_new_item(name: str = "one", **changes: Any) -> NewItem:
    """An item for Alice as a request brings it; `name` is the request's, and gives the item its id."""
    fields: dict[str, Any] = {
        "tenant": TENANT,
        "digest": DAILY,
        "id": item_id(name),
        "item": an_item(),
        "person": "" if "audience" in changes else ALICE_KEY,
        "receipt": name,
        "version": "v1",
    }
    return NewItem(**{**fields, **changes})


def named(items: Sequence[StoredItem]) -> list[Named]:
    """The rows of items as they were read."""
    return [Named(key=one.key, etag=one.etag) for one in items]


class DigestItemsContract:
    """The rules of the table Digests. A test class brings the fixture `table`."""

    @pytest.fixture
    def items(self, table: Table) -> DigestItems:
        return DigestItems(table)

    @pytest.fixture
    def tenant(self) -> str:
        return str(uuid4())

    async def people(self, items: DigestItems, tenant: str, *, after: str = "") -> list[StoredItem]:
        return [one async for one in items.people(tenant, DAILY, after=after)]

    async def shared(self, items: DigestItems, tenant: str) -> list[StoredItem]:
        return [one async for one in items.audience_items(tenant, DAILY)]

    async def test_items_for_audiences_come_in_turn_from_any_of_them_on(self, items: DigestItems, tenant: str) -> None:
        for name in "bdac":
            await items.put(a_new_item(name, tenant=tenant, id=name, audience={"everyone": "installed"}))

        for first, expected in (("", "abcd"), ("b", "bcda"), ("bb", "cdab"), ("e", "abcd")):
            found = [one.id async for one in items.audience_items(tenant, DAILY, first=first)]
            assert "".join(found) == expected

    async def test_an_item_for_a_person_reads_back_as_it_was_put(self, items: DigestItems, tenant: str) -> None:
        item = an_item(
            title="Ümläut 東",
            text="*" * 1_000,
            link="https://example.com/?q=ä",
            severity=Severity.CRITICAL,
            at=NOON + 0.125,
            expires_at=None,
        )

        assert await items.put(a_new_item(tenant=tenant, item=item)) is True

        [found] = await self.people(items, tenant)
        assert (found.item, found.person, found.audience, found.id) == (item, ALICE_KEY, None, item_id("one"))
        assert await self.shared(items, tenant) == []

    async def test_an_item_for_an_audience_keeps_the_audience_as_it_was_given(
        self, items: DigestItems, tenant: str
    ) -> None:
        audience = {"users": [user(number) for number in range(1_000)], "everyone": "installed"}

        await items.put(a_new_item(tenant=tenant, audience=audience))
        await items.put(a_new_item("two", tenant=tenant, audience={"everyone": "tenant"}))

        found = await self.shared(items, tenant)
        assert {one.id: one.audience for one in found} == {
            item_id("one"): audience,
            item_id("two"): {"everyone": "tenant"},
        }
        assert [one.person for one in found] == ["", ""]
        assert await self.people(items, tenant) == []

    async def test_digests_and_tenants_are_apart(self, items: DigestItems, tenant: str) -> None:
        await items.put(a_new_item(tenant=tenant, digest="weekly"))
        await items.put(a_new_item(tenant=str(uuid4())))

        assert await self.people(items, tenant) == []

    async def test_a_request_that_comes_again_writes_nothing(self, items: DigestItems, tenant: str) -> None:
        await items.put(a_new_item(tenant=tenant))
        before = await self.people(items, tenant)

        assert await items.put(a_new_item(tenant=tenant, item=an_item(at=NOON + 60))) is False

        assert await self.people(items, tenant) == before

    async def test_a_request_that_comes_again_brings_back_nothing_that_was_taken(
        self, items: DigestItems, tenant: str
    ) -> None:
        await items.put(a_new_item(tenant=tenant))
        await items.take(tenant, DAILY, named(await self.people(items, tenant)))

        assert await items.put(a_new_item(tenant=tenant)) is False

        assert await self.people(items, tenant) == []

    async def test_a_receipt_of_another_item_is_refused(self, items: DigestItems, tenant: str) -> None:
        await items.put(a_new_item(tenant=tenant))

        with pytest.raises(ReceiptReused):
            await items.put(a_new_item(tenant=tenant, id=item_id("two"), version="v2"))

        assert [one.id for one in await self.people(items, tenant)] == [item_id("one")]

    async def test_an_item_with_the_same_id_replaces_the_one_that_waits(self, items: DigestItems, tenant: str) -> None:
        await items.put(a_new_item(tenant=tenant, id=item_id("key")))
        await items.put(a_new_item("two", tenant=tenant, id=item_id("key"), item=an_item(title="Disk is fine")))

        assert [one.item.title for one in await self.people(items, tenant)] == ["Disk is fine"]

    async def test_items_come_person_by_person_from_behind_one(self, items: DigestItems, tenant: str) -> None:
        for number in (2, 0, 1):
            for name in ("a", "b"):
                new = a_new_item(f"{name}{number}", tenant=tenant, person=f"user!{user(number)}")
                await items.put(new)
        await items.put(a_new_item("audience", tenant=tenant, audience={"everyone": "installed"}))

        found = await self.people(items, tenant)

        assert [one.person for one in found] == [f"user!{user(number)}" for number in (0, 0, 1, 1, 2, 2)]
        for number in range(3):
            assert await self.people(items, tenant, after=f"user!{user(number)}") == found[2 * number + 2 :]

    async def test_pages_list_what_waits_once_for_all_or_for_one_person(self, items: DigestItems, tenant: str) -> None:
        for number in range(5):
            await items.put(a_new_item(f"m{number}", tenant=tenant, person=f"user!{user(number % 2)}"))
        await items.put(a_new_item("audience", tenant=tenant, audience={"everyone": "installed"}))

        async def listed(size: int, person: str = "") -> list[StoredItem]:
            found, after = await items.page(tenant, DAILY, person=person, limit=size)
            pages = found
            while after:
                found, after = await items.page(tenant, DAILY, person=person, after=after, limit=size)
                pages += found
            return pages

        everything = await self.people(items, tenant) + await self.shared(items, tenant)
        of_one = [one for one in everything if one.person == f"user!{user(1)}"]
        assert (len(everything), len(of_one)) == (6, 2)
        for size in (1, 2, 3, 6, 7):
            assert await listed(size) == everything
            assert await listed(size, f"user!{user(1)}") == of_one
        # A place in another person's list leads to nothing of theirs.
        found, _ = await items.page(tenant, DAILY, person=f"user!{user(1)}", after=everything[0].key, limit=9)
        assert found == of_one

    async def test_taken_items_are_gone_also_a_second_time(self, items: DigestItems, tenant: str) -> None:
        for number in range(205):
            await items.put(a_new_item(f"m{number}", tenant=tenant))
        rows = named(await self.people(items, tenant))

        await items.take(tenant, DAILY, rows[:201])
        await items.take(tenant, DAILY, rows[:201])

        assert named(await self.people(items, tenant)) == rows[201:]

    async def test_what_was_replaced_or_is_gone_keeps_no_other_row_from_being_taken(
        self, items: DigestItems, tenant: str
    ) -> None:
        for number in range(6):
            await items.put(a_new_item(f"m{number}", tenant=tenant))
        found = await self.people(items, tenant)
        rows = named(found)
        await items.put(a_new_item("new", tenant=tenant, id=found[2].id, item=an_item(title="New")))
        await items.take(tenant, DAILY, [rows[4]])

        await items.take(tenant, DAILY, [rows[5], *rows[:5]])

        assert [(one.id, one.item.title) for one in await self.people(items, tenant)] == [(found[2].id, "New")]

    async def test_an_item_is_removed_once(self, items: DigestItems, tenant: str) -> None:
        await items.put(a_new_item(tenant=tenant))
        await items.put(a_new_item("two", tenant=tenant, id=item_id("one"), audience={"everyone": "installed"}))

        assert await items.remove(tenant, DAILY, item_id("one"), person=ALICE_KEY) is True
        assert await items.remove(tenant, DAILY, item_id("one"), person=ALICE_KEY) is False

        assert await self.people(items, tenant) == []
        assert len(await self.shared(items, tenant)) == 1

    async def test_expired_items_are_old(self, items: DigestItems, tenant: str) -> None:
        await items.put(a_new_item("old", tenant=tenant, item=an_item(expires_at=NOON - 1)))
        await items.put(a_new_item("never", tenant=tenant, item=an_item(expires_at=None)))
        everyone = {"everyone": "installed"}
        await items.put(a_new_item("older", tenant=tenant, item=an_item(expires_at=NOON - 9), audience=everyone))
        await items.put(a_new_item("young", tenant=tenant, audience=everyone))

        [looked] = [one async for one in items.digests(tenant)]
        assert looked == Looked(digest=DAILY, after="", at=0.0)
        looked = await items.remove_old(tenant, looked, now=NOON)

        assert [one async for one in items.digests(tenant)] == [looked] == [Looked(digest=DAILY, after="", at=NOON)]
        assert [one.id for one in await self.people(items, tenant)] == [item_id("never")]
        assert [one.id for one in await self.shared(items, tenant)] == [item_id("young")]
        # The requests that brought them are known still.
        assert await items.put(a_new_item("old", tenant=tenant)) is False
