"""The rows of a broadcast: what stands where, in which order it is read, and which write is whose."""

import pytest

from shared.domain.batches import Batch, Progress, Recipient
from shared.domain.broadcasts import Broadcast
from shared.domain.cursors import Cursor, Phase
from shared.domain.lanes import LanePlan
from shared.errors import BroadcastNotFound, RowConflict
from shared.storage.broadcast_keys import due_key, lane_key, parked_key
from shared.storage.broadcasts import Broadcasts, DueMarker, Lane
from shared.storage.rows import delete, insert, merge
from tests.twins.accepting import rows_of
from tests.twins.storage import MemoryTable

ID = "b"


class Desk:
    """A store over a table whose clock a test sets."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.table = MemoryTable(lambda: self.now)
        self.store = Broadcasts(self.table)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def people(number: int) -> tuple[Recipient, ...]:
    return tuple(Recipient(key=f"user!{n}", service_url="https://smba.test/") for n in range(number))


def a_broadcast(*, lanes: int = 2) -> Broadcast:
    return Broadcast(id=ID, tenant="t", key="k", body_hash="h", lanes=LanePlan(sends=lanes), accepted_at=1_000.0)


async def begun(desk: Desk, *, batch: tuple[Recipient, ...] = ()) -> Broadcast:
    broadcast = a_broadcast()
    await desk.store.begin(broadcast, content=b"message", audience=b"audience", cursor=Cursor(), batch=batch)
    return broadcast


async def claimed(desk: Desk, *, writer: str = "w") -> Batch:
    batch = await desk.store.batch(ID, 0)
    assert batch is not None
    await desk.store.write_batch(ID, batch, batch.progress, writer=writer, writes=1)
    again = await desk.store.batch(ID, 0)
    assert again is not None
    return again


async def test_everything_of_a_broadcast_begins_together(desk: Desk) -> None:
    broadcast = await begun(desk, batch=people(3))

    assert await desk.store.head(ID) == broadcast
    assert await desk.store.content(ID) == b"message"
    assert await desk.store.audience(ID) == b"audience"
    assert (await desk.store.cursor(ID)).cursor == Cursor()
    assert [(lane.number, lane.batch) for lane in await desk.store.lanes(ID, 0)] == [(0, 0), (1, 1)]
    assert list(desk.table.rows(ID)) == [
        "batch!00000000",
        "content!0000",
        "cursor",
        "head",
        "lane!0000!00",
        "lane!0000!01",
    ]


async def test_a_broadcast_begins_once(desk: Desk) -> None:
    await begun(desk)

    with pytest.raises(RowConflict):
        await begun(desk, batch=people(1))
    assert await desk.store.batch(ID, 0) is None


async def test_what_is_not_there_is_told(desk: Desk) -> None:
    for read in (desk.store.head, desk.store.content, desk.store.cursor, desk.store.audience):
        with pytest.raises(BroadcastNotFound):
            await read(ID)
    assert await desk.store.batch(ID, 0) is None
    assert await desk.store.runs.read(ID, "0a1b2c3d") == ("", [])


async def test_a_step_of_the_plan_writes_rows_and_cursor_or_nothing(desk: Desk) -> None:
    await begun(desk)
    held = await desk.store.cursor(ID)
    step = Cursor(phase=Phase.EMIT, batches=2)

    await desk.store.step(ID, step, etag=held.etag, rows=rows_of([people(1), people(2)]))
    with pytest.raises(RowConflict):
        await desk.store.step(
            ID,
            Cursor(batches=9),
            etag=held.etag,
            rows=rows_of([people(1)], first=2),
        )

    assert (await desk.store.cursor(ID)).cursor == step
    assert [len(batch.recipients) for batch in await desk.store.batches(ID, first=0, limit=9)] == [1, 2]


async def test_runs_of_two_names_come_back_each_as_it_was(desk: Desk) -> None:
    keys = [f"user!00000000-0000-0000-0000-{n:012x}" for n in range(60_000)]
    await desk.store.runs.save(ID, "0a1b2c3d", "user", keys)
    # A name that begins like the other one's, and a run of the same plan that is shorter.
    await desk.store.runs.save(ID, "0a1b2c3e", "user", keys[:10])
    await desk.store.runs.save(ID, "0a1b2c3", "text", ["chat!a"])

    assert await desk.store.runs.read(ID, "0a1b2c3d") == ("user", keys)
    assert await desk.store.runs.read(ID, "0a1b2c3e") == ("user", keys[:10])
    assert await desk.store.runs.read(ID, "0a1b2c3") == ("text", ["chat!a"])


async def test_a_run_is_walked_from_behind_any_key(desk: Desk) -> None:
    """Over several rows, and from keys that it does not have."""
    keys = [f"user!00000000-0000-0000-0000-{2 * n:012x}" for n in range(40_000)]
    names = [f"name!p{n}@contoso.com" for n in range(5)]
    await desk.store.runs.save(ID, "people", "user", keys)
    await desk.store.runs.save(ID, "mixed", "mixed", [*names, *keys[:5]])

    async def walked(run: str, after: str) -> list[str]:
        return list(await desk.store.runs.walk(ID, run, after=after))

    for place in (0, 1, 30_719, 30_720, 30_721, 39_999):
        assert await walked("people", keys[place]) == keys[place + 1 :]
    assert await walked("people", "user!00000000-0000-0000-0000-000000000001") == keys[1:]
    assert await walked("people", "") == await walked("people", names[0]) == keys
    assert await walked("mixed", names[3]) == [names[4], *keys[:5]]
    assert await walked("mixed", keys[3]) == [keys[4]]
    assert await walked("unknown", "") == []


async def test_a_write_carries_progress_and_lease_under_the_etag(desk: Desk) -> None:
    await begun(desk, batch=people(2))
    batch = await claimed(desk)

    (etag,) = await desk.store.write_batch(ID, batch, Progress(outcomes="Ss"), writer="w", writes=2)

    stands = await desk.store.batch(ID, 0)
    assert stands is not None
    assert (stands.progress.outcomes, stands.lease, stands.writes, stands.etag) == ("Ss", "w", 2, etag)
    with pytest.raises(RowConflict):
        await desk.store.write_batch(ID, batch, Progress(outcomes="pp"), writer="w", writes=3)


async def test_settling_gives_the_lease_back_and_keeps_the_writers_name(desk: Desk) -> None:
    await begun(desk, batch=people(2))
    batch = await claimed(desk)

    await desk.store.write_batch(ID, batch, Progress(outcomes="SS"), writer="w", writes=2, settle=True)

    stands = await desk.store.batch(ID, 0)
    assert stands is not None
    assert stands.lease == ""
    assert await desk.store.wrote(ID, 0, writer="w", writes=2) == stands.etag


@pytest.mark.parametrize(
    ("number", "writer", "writes", "is_own"),
    [
        (0, "w", 1, True),  # This very write.
        (0, "w", 2, False),  # A write that never came.
        (0, "x", 1, False),  # Somebody else's.
        (1, "w", 1, False),  # There is no such row.
    ],
)
async def test_a_write_is_known_by_its_writer_and_number(
    desk: Desk, number: int, writer: str, writes: int, is_own: bool
) -> None:
    await begun(desk, batch=people(2))
    batch = await claimed(desk)

    known = await desk.store.wrote(ID, number, writer=writer, writes=writes)

    assert known == (batch.etag if is_own else None)


async def test_what_goes_along_with_a_write_fails_with_it(desk: Desk) -> None:
    await begun(desk, batch=people(2))
    batch = await claimed(desk)

    with pytest.raises(RowConflict):
        await desk.store.write_batch(
            ID,
            batch,
            Progress(outcomes="SS"),
            writer="w",
            writes=2,
            also=[merge(lane_key(0, 0), {"batch": 2}), delete("due!0!0")],
        )

    assert (await desk.store.lanes(ID, 0))[0].batch == 0


async def test_lanes_tell_their_age_by_storages_clock(desk: Desk) -> None:
    await begun(desk)
    desk.now += 50.0

    assert await desk.store.lanes(ID, 0) == [Lane(number=0, batch=0, age=50.0), Lane(number=1, batch=1, age=50.0)]


async def test_due_markers_are_read_in_the_order_of_their_time(desk: Desk) -> None:
    for due_at, batch in ((30.0, 1), (9.5, 2), (200_000_000.0, 3), (10.0, 4)):
        await desk.table.write(ID, [insert(due_key(due_at, batch), {})])

    assert [marker.batch for marker in await desk.store.due_markers(ID, limit=10)] == [2, 4, 1, 3]
    assert [marker.batch for marker in await desk.store.due_markers(ID, limit=2)] == [2, 4]
    assert await desk.store.due_markers(ID, until=10.0, limit=10) == [
        DueMarker(key=due_key(9.5, 2), due_at=9.5, batch=2)
    ]


async def test_parked_batches_are_read(desk: Desk) -> None:
    await desk.table.write(ID, [insert(parked_key(7), {}), insert(parked_key(70_000_000), {})])

    assert await desk.store.parked.numbers(ID, limit=10) == [7, 70_000_000]


async def test_summaries_tell_the_outcomes_and_who_holds_a_row(desk: Desk) -> None:
    await begun(desk, batch=people(2))
    await claimed(desk)

    (live,) = [row async for row in desk.store.summaries(ID, lease_seconds=45.0)]
    desk.now += 46.0
    (dead,) = [row async for row in desk.store.summaries(ID, lease_seconds=45.0)]

    assert (live.outcomes, live.held, live.written_at) == ("pp", True, 1_000.0)
    assert (dead.outcomes, dead.held) == ("pp", False)


async def test_batches_are_read_in_the_order_of_their_numbers(desk: Desk) -> None:
    await begun(desk)
    held = await desk.store.cursor(ID)
    await desk.store.step(ID, Cursor(), etag=held.etag, rows=rows_of([people(n + 1) for n in range(12)]))

    page = await desk.store.batches(ID, first=9, limit=2)

    assert [(batch.number, len(batch.recipients)) for batch in page] == [(9, 10), (10, 11)]
