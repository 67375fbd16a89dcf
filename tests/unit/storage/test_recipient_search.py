"""One recipient among many batches: found by the index, read from one row."""

import pytest

from shared.domain import fingerprints
from shared.domain.batches import Recipient
from shared.domain.cursors import Cursor
from shared.storage import names
from shared.storage.recipient_search import RecipientSearch
from tests.twins.accepting import House, a_request, rows_of, user
from tests.twins.storage import Call, Moment


def recipients(first: int, number: int) -> tuple[Recipient, ...]:
    """So many people, by their numbers."""
    return tuple(
        Recipient(key=f"user!{user(one)}", conversation="a:x", service_url="https://smba.test/")
        for one in range(first, first + number)
    )


async def planned(house: House, *sizes: int) -> str:
    """A broadcast to everyone, planned in one step for each pair of batches."""
    broadcast_id = (await house.acceptance.accept(a_request(audience={"everyone": "installed"}))).broadcast_id
    cursor, first, person = Cursor(), 0, 0
    for start in range(0, len(sizes), 2):
        batches = []
        for size in sizes[start : start + 2]:
            batches.append(recipients(person, size))
            person += size
        held = await house.broadcasts.cursor(broadcast_id)
        cursor = Cursor(batches=first + len(batches), recipients=person)
        await house.broadcasts.step(broadcast_id, cursor, etag=held.etag, rows=rows_of(batches, first=first))
        first += len(batches)
    return broadcast_id


@pytest.mark.parametrize(
    ("person", "batch", "position"), [(0, 0, 0), (99, 0, 99), (100, 1, 0), (103, 2, 0), (252, 3, 49)]
)
async def test_each_place_of_each_batch_is_found(person: int, batch: int, position: int) -> None:
    house = House()
    broadcast_id = await planned(house, 100, 3, 100, 50)

    search = await house.search.find(broadcast_id, [f"user!{user(person)}"])

    assert [(one.batch.number, one.position) for one in search.found] == [(batch, position)]
    assert search.rows == 2


async def test_who_is_not_there_is_not_found() -> None:
    house = House()
    broadcast_id = await planned(house, 100, 100)

    assert (await house.search.find(broadcast_id, [f"user!{user(999)}"])).found == ()
    assert (await house.search.find("0" * 20, [f"user!{user(1)}"])).found == ()


async def test_a_small_broadcast_has_no_index_and_one_batch() -> None:
    house = House()
    broadcast_id = (await house.acceptance.accept(a_request(audience={"users": [user(1), user(2)]}))).broadcast_id

    search = await house.search.find(broadcast_id, [f"user!{user(2)}"])

    assert [(one.batch.number, one.position) for one in search.found] == [(0, 1)]
    assert search.found[0].written_at == house.now


async def test_a_search_reads_the_index_and_one_batch_row() -> None:
    house = House()
    broadcast_id = await planned(house, 100, 100, 100, 100)
    calls = []

    async def hook(call: Call) -> None:
        if call.moment is Moment.BEFORE:
            calls.append(call.verb)

    house.account.use_hook(hook)
    await house.search.find(broadcast_id, [f"user!{user(150)}"])

    assert calls == ["scan", "get"]


async def test_two_people_with_one_fingerprint_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprints, "WIDTH", 1)
    house = House()
    broadcast_id = await planned(house, 100, 100, 100)

    for person in (7, 150, 299):
        search = await RecipientSearch(house.account.table(names.BROADCASTS)).find(
            broadcast_id, [f"user!{user(person)}"]
        )
        assert [one.batch.recipients[one.position].key for one in search.found] == [f"user!{user(person)}"]
