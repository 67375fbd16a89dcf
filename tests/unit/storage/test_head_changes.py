"""Changes of the head: what each writes, which heads it may change, and which of two that meet stands."""

import pytest

from shared.domain.broadcasts import Broadcast, PauseReason
from shared.domain.cursors import Cursor
from shared.domain.lanes import LanePlan
from shared.errors import BroadcastNotFound
from shared.storage.broadcast_keys import lane_key
from shared.storage.broadcasts import Broadcasts
from shared.storage.rows import merge
from tests.twins.storage import MemoryTable

ID = "b"


@pytest.fixture
def table() -> MemoryTable:
    return MemoryTable(lambda: 1_000.0)


@pytest.fixture
def store(table: MemoryTable) -> Broadcasts:
    return Broadcasts(table)


async def begun(store: Broadcasts) -> Broadcast:
    broadcast = Broadcast(id=ID, tenant="t", key="k", body_hash="h", lanes=LanePlan(sends=2), accepted_at=1_000.0)
    await store.begin(broadcast, content=b"message", audience=b"audience", cursor=Cursor())
    return broadcast


async def test_cancel_and_finish_are_fields_of_the_head(store: Broadcasts) -> None:
    await begun(store)

    await store.changes.cancel(ID, at=1_001.0)
    assert await store.changes.finish(ID, at=1_002.0, sums="C3", revised_sums="", revision=0)

    head = await store.head(ID)
    assert (head.cancelled_at, head.finished_at, head.final_outcomes) == (1_001.0, 1_002.0, "C3")


async def test_a_pause_and_its_end_are_fields_of_the_head(store: Broadcasts) -> None:
    await begun(store)

    await store.changes.pause(ID, PauseReason.REFUSALS, at=1_001.0)
    paused = await store.head(ID)
    await store.changes.resume(ID)
    resumed = await store.head(ID)

    assert (paused.paused, paused.paused_at) == (PauseReason.REFUSALS, 1_001.0)
    # When it last stood still is remembered: who resumed it has looked at the refusals.
    assert (resumed.paused, resumed.paused_at) == (None, 1_001.0)


async def test_a_revision_opens_a_finished_broadcast_with_lanes_and_content_of_its_own(
    store: Broadcasts, table: MemoryTable
) -> None:
    await begun(store)
    await store.changes.finish(ID, at=1_002.0, sums="S3", revised_sums="", revision=0)
    await table.write(ID, [merge(lane_key(0, 0), {"batch": 8})])

    assert await store.changes.revise(await store.head(ID), content=b"better", at=1_003.0)

    head = await store.head(ID)
    assert (head.revision, head.recalled, head.finished_at, head.cancelled_at) == (1, False, None, None)
    assert (await store.content(ID, 1), await store.content(ID)) == (b"better", b"message")
    assert [lane.batch for lane in await store.lanes(ID, 1)] == [0, 1]
    assert [lane.batch for lane in await store.lanes(ID, 0)] == [8, 1]


async def test_a_recall_of_a_running_broadcast_cancels_it_and_has_no_content(store: Broadcasts) -> None:
    broadcast = await begun(store)

    assert await store.changes.revise(broadcast, content=None, at=1_003.0)

    head = await store.head(ID)
    assert (head.revision, head.recalled, head.cancelled_at) == (1, True, 1_003.0)
    with pytest.raises(BroadcastNotFound):
        await store.content(ID, 1)


async def test_of_two_revisions_at_once_one_begins(store: Broadcasts) -> None:
    broadcast = await begun(store)

    assert await store.changes.revise(broadcast, content=b"one", at=1_003.0)
    assert not await store.changes.revise(broadcast, content=b"two", at=1_003.0)

    assert await store.content(ID, 1) == b"one"


async def test_a_broadcast_is_not_finished_for_a_revision_that_is_over(store: Broadcasts) -> None:
    broadcast = await begun(store)
    await store.changes.revise(broadcast, content=b"better", at=1_003.0)

    assert not await store.changes.finish(ID, at=1_004.0, sums="S3", revised_sums="", revision=0)
    assert (await store.head(ID)).finished_at is None
    assert await store.changes.finish(ID, at=1_005.0, sums="S3", revised_sums="e3", revision=1)
    assert (await store.head(ID)).final_revised == "e3"


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
    store: Broadcasts, stands: PauseReason | None, reason: PauseReason, result: PauseReason
) -> None:
    await begun(store)
    if stands is not None:
        assert await store.changes.pause(ID, stands, at=1_001.0)

    noted = await store.changes.pause(ID, reason, at=1_002.0)

    head = await store.head(ID)
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
    store: Broadcasts, stands: PauseReason | None, reason: PauseReason | None, resumed: bool
) -> None:
    await begun(store)
    if stands is not None:
        await store.changes.pause(ID, stands, at=1_001.0)

    assert await store.changes.resume(ID, reason=reason) is resumed

    head = await store.head(ID)
    assert head.paused is (None if resumed else stands)
    assert head.refusals_seen is (resumed and stands is PauseReason.REFUSALS)
