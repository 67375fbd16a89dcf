"""The rows of a broadcast: what stands where, in which order it is read, and which write is whose."""

import pytest

from shared.domain.batches import Batch, Progress, Recipient
from shared.domain.broadcasts import Broadcast, PauseReason
from shared.domain.plans import Cursor, Phase
from shared.errors import BroadcastNotFound, RowConflict
from shared.storage.broadcasts import Broadcasts, DueMarker, Lane, due_key, lane_key, parked_key
from shared.storage.rows import delete, insert, merge
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
    return Broadcast(id=ID, tenant="t", key="k", body_hash="h", lanes=lanes, accepted_at=1_000.0)


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
    assert await desk.store.run(ID, "0a1b2c3d") == ("", [])


async def test_cancel_and_finish_are_fields_of_the_head(desk: Desk) -> None:
    await begun(desk)

    await desk.store.cancel(ID, at=1_001.0)
    assert await desk.store.finish(ID, at=1_002.0, sums="C3", revised_sums="", revision=0)

    head = await desk.store.head(ID)
    assert (head.cancelled_at, head.finished_at, head.final_outcomes) == (1_001.0, 1_002.0, "C3")


async def test_a_step_of_the_plan_writes_rows_and_cursor_or_nothing(desk: Desk) -> None:
    await begun(desk)
    held = await desk.store.cursor(ID)
    step = Cursor(phase=Phase.EMIT, batches=2)

    await desk.store.step(ID, step, etag=held.etag, batches=[people(1), people(2)], first=0)
    with pytest.raises(RowConflict):
        await desk.store.step(ID, Cursor(batches=9), etag=held.etag, batches=[people(1)], first=2)

    assert (await desk.store.cursor(ID)).cursor == step
    assert [len(batch.recipients) for batch in await desk.store.batches(ID, first=0, limit=9)] == [1, 2]


async def test_runs_of_two_names_come_back_each_as_it_was(desk: Desk) -> None:
    keys = [f"user!00000000-0000-0000-0000-{n:012x}" for n in range(60_000)]
    await desk.store.save_run(ID, "0a1b2c3d", "user", keys)
    # A name that begins like the other one's, and a run of the same plan that is shorter.
    await desk.store.save_run(ID, "0a1b2c3e", "user", keys[:10])
    await desk.store.save_run(ID, "0a1b2c3", "text", ["chat!a"])

    assert await desk.store.run(ID, "0a1b2c3d") == ("user", keys)
    assert await desk.store.run(ID, "0a1b2c3e") == ("user", keys[:10])
    assert await desk.store.run(ID, "0a1b2c3") == ("text", ["chat!a"])


async def test_a_pause_and_its_end_are_fields_of_the_head(desk: Desk) -> None:
    await begun(desk)

    await desk.store.pause(ID, PauseReason.REFUSALS, at=1_001.0)
    paused = await desk.store.head(ID)
    await desk.store.resume(ID)
    resumed = await desk.store.head(ID)

    assert (paused.paused, paused.paused_at) == (PauseReason.REFUSALS, 1_001.0)
    # When it last stood still is remembered: who resumed it has looked at the refusals.
    assert (resumed.paused, resumed.paused_at) == (None, 1_001.0)


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

    assert await desk.store.parked(ID, limit=10) == [7, 70_000_000]


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
    await desk.store.step(ID, Cursor(), etag=held.etag, batches=[people(n + 1) for n in range(12)], first=0)

    page = await desk.store.batches(ID, first=9, limit=2)

    assert [(batch.number, len(batch.recipients)) for batch in page] == [(9, 10), (10, 11)]


async def test_a_revision_opens_a_finished_broadcast_with_lanes_and_content_of_its_own(desk: Desk) -> None:
    await begun(desk)
    await desk.store.finish(ID, at=1_002.0, sums="S3", revised_sums="", revision=0)
    await desk.table.write(ID, [merge(lane_key(0, 0), {"batch": 8})])

    assert await desk.store.revise(await desk.store.head(ID), content=b"better", at=1_003.0)

    head = await desk.store.head(ID)
    assert (head.revision, head.recalled, head.finished_at, head.cancelled_at) == (1, False, None, None)
    assert (await desk.store.content(ID, 1), await desk.store.content(ID)) == (b"better", b"message")
    assert [lane.batch for lane in await desk.store.lanes(ID, 1)] == [0, 1]
    assert [lane.batch for lane in await desk.store.lanes(ID, 0)] == [8, 1]


async def test_a_recall_of_a_running_broadcast_cancels_it_and_has_no_content(desk: Desk) -> None:
    broadcast = await begun(desk)

    assert await desk.store.revise(broadcast, content=None, at=1_003.0)

    head = await desk.store.head(ID)
    assert (head.revision, head.recalled, head.cancelled_at) == (1, True, 1_003.0)
    with pytest.raises(BroadcastNotFound):
        await desk.store.content(ID, 1)


async def test_of_two_revisions_at_once_one_begins(desk: Desk) -> None:
    broadcast = await begun(desk)

    assert await desk.store.revise(broadcast, content=b"one", at=1_003.0)
    assert not await desk.store.revise(broadcast, content=b"two", at=1_003.0)

    assert await desk.store.content(ID, 1) == b"one"


async def test_a_broadcast_is_not_finished_for_a_revision_that_is_over(desk: Desk) -> None:
    broadcast = await begun(desk)
    await desk.store.revise(broadcast, content=b"better", at=1_003.0)

    assert not await desk.store.finish(ID, at=1_004.0, sums="S3", revised_sums="", revision=0)
    assert (await desk.store.head(ID)).finished_at is None
    assert await desk.store.finish(ID, at=1_005.0, sums="S3", revised_sums="e3", revision=1)
    assert (await desk.store.head(ID)).final_revised == "e3"


@pytest.mark.parametrize(
    ("stands", "reason", "result"),
    [
        (None, PauseReason.REFUSALS, PauseReason.REFUSALS),
        (PauseReason.REFUSALS, PauseReason.BY_REQUEST, PauseReason.BY_REQUEST),  # A person's takes any place.
        (PauseReason.BY_REQUEST, PauseReason.BLOCKED_AUTH, PauseReason.BY_REQUEST),  # And keeps its own.
        (PauseReason.REFUSALS, PauseReason.BLOCKED_AUTH, PauseReason.REFUSALS),  # The first one stays.
        (PauseReason.BLOCKED_AUTH, PauseReason.BLOCKED_AUTH, PauseReason.BLOCKED_AUTH),
    ],
)
async def test_a_pause_takes_the_place_of_another_only_for_a_person(
    desk: Desk, stands: PauseReason | None, reason: PauseReason, result: PauseReason
) -> None:
    await begun(desk)
    if stands is not None:
        assert await desk.store.pause(ID, stands, at=1_001.0)

    noted = await desk.store.pause(ID, reason, at=1_002.0)

    head = await desk.store.head(ID)
    assert (head.paused, noted) == (result, stands is None or reason is PauseReason.BY_REQUEST)
    assert head.paused_at == (1_002.0 if noted else 1_001.0)


@pytest.mark.parametrize(
    ("stands", "reason", "resumed"),
    [
        (None, None, False),  # It does not stand still.
        (PauseReason.BY_REQUEST, None, True),
        (PauseReason.REFUSALS, None, True),
        (PauseReason.BLOCKED_AUTH, PauseReason.BLOCKED_AUTH, True),  # Tokens work again.
        (PauseReason.BY_REQUEST, PauseReason.BLOCKED_AUTH, False),  # That is not for a token to end.
    ],
)
async def test_a_resume_ends_the_pause_that_it_is_for(
    desk: Desk, stands: PauseReason | None, reason: PauseReason | None, resumed: bool
) -> None:
    await begun(desk)
    if stands is not None:
        await desk.store.pause(ID, stands, at=1_001.0)

    assert await desk.store.resume(ID, reason=reason) is resumed

    head = await desk.store.head(ID)
    assert head.paused is (None if resumed else stands)
    assert head.refusals_seen is (resumed and stands is PauseReason.REFUSALS)
