"""The sweep finds whatever stands still, by indexes alone; closing happens once and only when nothing is left."""

import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from send_worker.closing import BEGINNING_SECONDS, STOP_SECONDS
from send_worker.pipeline import Pipeline, build_pipeline
from send_worker.sweep import ABANDONED_SECONDS, OVERDUE_SECONDS
from shared.domain.batches import Note, Progress
from shared.domain.broadcasts import LEASE_SECONDS, Broadcast, unpack_counts
from shared.domain.cursors import Cursor, Phase
from shared.domain.lanes import LanePlan
from shared.domain.outcomes import Outcome
from shared.envelopes import unpack_nudge
from shared.errors import StorageUnavailable
from shared.nudging import MOST_DUE
from shared.storage import names
from shared.storage.broadcast_keys import batch_key, due_key, lane_key, parked_key
from shared.storage.broadcasts import Broadcasts
from shared.storage.directory import Directory
from shared.storage.rows import Operation, insert, merge
from tests.twins.accepting import KnownEverybody, rows_of
from tests.twins.loop import run_virtually
from tests.twins.storage import Call, Moment, yielding
from tests.twins.world import EPOCH, TENANT, World

ID = "b" + 19 * "0"


class Desk:
    """A storage account with one open broadcast of four batches in two lanes, and a clock that a test moves."""

    def __init__(self) -> None:
        self.world = World()
        self.table = self.world.account.table(names.BROADCASTS)
        self.store = Broadcasts(self.table)
        self.directory = Directory(self.world.account.table(names.DIRECTORY))
        self.late = 0.0
        self.world.account._clock = self.now
        for store in (self.table, self.world.account.table(names.DIRECTORY)):
            store._clock = self.now
        for queue in (names.SEND_QUEUE, names.PLAN_QUEUE):
            self.world.account.queue(queue)._clock = self.now
        self.pipeline: Pipeline = build_pipeline(self.world.app())

    def now(self) -> float:
        return EPOCH + self.late

    async def open(self, broadcast: str = ID, *, expires_at: float | None = None, cursor: Cursor | None = None) -> None:
        people = await KnownEverybody().recipients(TENANT, [f"user!{n}" for n in range(4)])
        head = Broadcast(
            id=broadcast,
            tenant=TENANT,
            key="k",
            body_hash="h",
            lanes=LanePlan(sends=2),
            accepted_at=EPOCH,
            expires_at=expires_at,
        )
        await self.directory.open(broadcast, tenant=TENANT, opened_at=EPOCH)
        await self.store.begin(head, content=b"", audience=b"[[],[],false]", cursor=Cursor())
        held = await self.store.cursor(broadcast)
        finished = cursor or Cursor(phase=Phase.FINISHED, batches=4, recipients=16)
        await self.store.step(broadcast, finished, etag=held.etag, rows=rows_of([tuple(people)] * 4))

    async def change(self, *operations: Operation, broadcast: str = ID) -> None:
        await self.table.write(broadcast, operations)

    async def end_lanes(self) -> None:
        sent = [merge(batch_key(number), {"outcomes": "SSSS", "placed": False}) for number in range(4)]
        await self.change(merge(lane_key(0, 0), {"batch": 4}), merge(lane_key(1, 0), {"batch": 5}), *sent)

    async def sweep(self) -> None:
        await self.pipeline.sweep.run()

    def sends(self) -> list[int | None]:
        return [unpack_nudge(body).batch for body in self.world.account.queue(names.SEND_QUEUE).take()]

    def plans(self) -> list[str]:
        return [unpack_nudge(body).broadcast for body in self.world.account.queue(names.PLAN_QUEUE).take()]

    async def opened(self) -> list[str]:
        return [one.broadcast_id for one in await self.directory.open_broadcasts()]


def at_a_desk(scenario: Callable[[Desk], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario(Desk())

    run_virtually(run())


def test_nothing_is_nudged_while_everything_moves() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.open()
        desk.late = LEASE_SECONDS

        await desk.sweep()

        assert desk.sends() == []
        assert desk.plans() == []
        assert await desk.directory.last_sweep() == desk.now()

    at_a_desk(scenario)


def test_lanes_that_stand_still_are_nudged_at_their_batch() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.open()
        desk.late = 40.0
        await desk.change(merge(lane_key(0, 0), {"batch": 2}))
        desk.late = 50.0
        await desk.sweep()
        assert desk.sends() == [1]

        desk.late = 90.0
        await desk.sweep()
        assert desk.sends() == [2, 1]

    at_a_desk(scenario)


def test_a_plan_that_stands_still_keeps_no_planned_batch_waiting() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.open(cursor=Cursor(phase=Phase.EMIT, batches=1, recipients=4))
        desk.late = 50.0

        await desk.sweep()

        # The second lane waits for the planner, who nudges it when its batch is there.
        assert desk.plans() == [ID]
        assert desk.sends() == [0]

    at_a_desk(scenario)


def test_due_leftovers_are_nudged_at_their_time() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.open()
        await desk.end_lanes()
        await desk.change(insert(due_key(EPOCH + 10, 3), {}), insert(due_key(EPOCH + 20, 1), {}))

        desk.late = 9.0
        await desk.sweep()
        assert (desk.sends(), desk.plans()) == ([], [])
        desk.late = 15.0
        await desk.sweep()
        assert (desk.sends(), desk.plans()) == ([3], [])
        desk.late = 21.0
        await desk.sweep()
        assert (desk.sends(), desk.plans()) == ([3, 1], [])

    at_a_desk(scenario)


def test_a_flood_of_leftovers_is_nudged_by_portions() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.open()
        for start in range(0, MOST_DUE + 50, 50):
            await desk.change(*(insert(due_key(EPOCH + 1, number), {}) for number in range(start, start + 50)))
        desk.late = 5.0

        await desk.sweep()

        assert len(desk.sends()) == MOST_DUE

    at_a_desk(scenario)


def test_an_ended_broadcast_that_nobody_closed_is_given_to_the_planner_and_closed() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.open()
        await desk.end_lanes()
        for number in range(4):
            batch = await desk.store.batch(ID, number)
            assert batch is not None
            progress = Progress(outcomes="SS0S", placed=False)
            await desk.store.write_batch(ID, batch, progress, writer="w", writes=1, settle=True)

        await desk.sweep()
        assert desk.plans() == [ID]
        await desk.pipeline.planner.handle(ID)

        head = await desk.store.head(ID)
        assert head.finished_at == desk.now()
        assert unpack_counts(head.final_outcomes) == Counter({Outcome.SENT: 12, Outcome.NOT_INSTALLED: 4})
        assert await desk.opened() == []

    at_a_desk(scenario)


def test_closing_twice_changes_nothing() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.open()
        await desk.end_lanes()
        await desk.pipeline.planner.handle(ID)
        before = await desk.store.head(ID)
        desk.late = 99.0

        await desk.pipeline.planner.handle(ID)

        assert await desk.store.head(ID) == before

    at_a_desk(scenario)


@pytest.mark.parametrize("moment", Moment)
def test_a_closing_that_broke_off_is_finished_by_the_next_sweep(moment: Moment) -> None:
    async def scenario(desk: Desk) -> None:
        await desk.open()
        await desk.end_lanes()

        async def hook(call: Call) -> None:
            if call.moment is moment and call.verb == "write" and call.store == names.DIRECTORY:
                raise StorageUnavailable("busy")

        desk.world.account.use_hook(hook)
        await desk.pipeline.planner.handle(ID)
        desk.world.account.use_hook(yielding)
        assert (await desk.store.head(ID)).finished_at is not None

        await desk.sweep()
        for broadcast in desk.plans():
            await desk.pipeline.planner.handle(broadcast)

        assert await desk.opened() == []

    at_a_desk(scenario)


@pytest.mark.parametrize(
    "left",
    [
        merge(lane_key(1, 0), {"batch": 3}),  # A lane is not through.
        insert(due_key(EPOCH + 3600, 0), {}),  # Somebody is tried again in an hour.
        insert(parked_key(2), {}),  # A batch was set aside and waits for a person.
        merge("cursor", {"phase": Phase.EMIT.value}),  # The plan goes on.
        merge(batch_key(1), {"outcomes": "SSpS"}),  # In an expiry's last seconds nothing is sent, nor expired yet.
    ],
)
def test_a_broadcast_with_something_left_is_not_closed(left: Operation) -> None:
    async def scenario(desk: Desk) -> None:
        await desk.open()
        await desk.end_lanes()
        await desk.change(left)

        await desk.pipeline.planner._closing.close_if_ended(ID)

        assert (await desk.store.head(ID)).finished_at is None
        assert await desk.opened() == [ID]

    at_a_desk(scenario)


@pytest.mark.parametrize(
    ("outcome", "is_cancelled"),
    [
        (Outcome.CANCELLED, True),  # Somebody stopped it.
        (Outcome.EXPIRED, False),  # Its time went by.
    ],
)
def test_a_stopped_broadcast_is_closed_after_its_time_with_sums_that_add_up(
    outcome: Outcome, is_cancelled: bool
) -> None:
    async def scenario(desk: Desk) -> None:
        await desk.open(expires_at=None if is_cancelled else EPOCH)
        if is_cancelled:
            await desk.store.changes.cancel(ID, at=EPOCH)
        batch = await desk.store.batch(ID, 0)
        assert batch is not None
        await desk.store.write_batch(ID, batch, Progress(outcomes="Ssdp", notes={2: Note()}), writer="w", writes=1)

        desk.late = STOP_SECONDS
        await desk.sweep()
        assert (desk.plans(), desk.sends()) == ([], [])
        desk.late = STOP_SECONDS + 1
        await desk.sweep()
        assert (desk.plans(), desk.sends()) == ([ID], [])
        await desk.pipeline.planner.handle(ID)

        counts = unpack_counts((await desk.store.head(ID)).final_outcomes)
        assert counts == Counter({Outcome.SENT: 1, Outcome.UNCERTAIN: 1, outcome: 14})
        assert await desk.opened() == []

    at_a_desk(scenario)


def test_a_broadcast_that_is_closed_while_a_revision_begins_stays_in_sight() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.open()
        await desk.end_lanes()
        # An edit has announced itself and is frozen; the broadcast is closed before it goes on.
        await desk.directory.open(ID, tenant=TENANT, opened_at=EPOCH, revision=1)
        await desk.pipeline.planner.handle(ID)
        await desk.pipeline.planner.handle(ID)

        assert (await desk.store.head(ID)).finished_at is not None
        assert await desk.opened() == [ID]
        # It never goes on.
        desk.late = BEGINNING_SECONDS + 1
        await desk.pipeline.planner.handle(ID)
        assert await desk.opened() == []

    at_a_desk(scenario)


def test_an_acceptance_that_was_never_finished_is_dropped_after_a_day() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.directory.open("never", tenant=TENANT, opened_at=EPOCH)
        desk.late = ABANDONED_SECONDS
        await desk.sweep()
        assert await desk.opened() == ["never"]

        desk.late = ABANDONED_SECONDS + 1
        await desk.sweep()

        assert await desk.opened() == []

    at_a_desk(scenario)


@pytest.mark.parametrize("number", [0, 7])
def test_a_nudge_for_an_unknown_broadcast_is_dropped(number: int) -> None:
    async def scenario(desk: Desk) -> None:
        await desk.pipeline.sender.handle("nobody-knows-it", number)

        assert desk.table.partitions() == []
        assert (desk.sends(), desk.plans()) == ([], [])

    at_a_desk(scenario)


def test_a_nudge_for_a_batch_that_is_not_planned_yet_is_dropped() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.open()
        before = desk.table.rows(ID)

        await desk.pipeline.sender.handle(ID, 400)

        assert desk.table.rows(ID) == before

    at_a_desk(scenario)


def test_a_sweep_reads_no_batches() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.open()
        desk.late = 50.0
        verbs: Counter[str] = Counter()

        async def hook(call: Call) -> None:
            verbs[call.verb] += call.moment is Moment.BEFORE

        desk.world.account.use_hook(hook)
        await desk.sweep()

        # The note of the sweep; head, pace row and cursor; sleepers, the open ones, lanes and markers; a nudge a lane.
        assert verbs == {"write": 1, "get": 3, "scan": 4, "put": 2}

    at_a_desk(scenario)


def test_who_is_awake_sweeps_where_the_timer_is_dead(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(desk: Desk) -> None:
        await desk.open()
        await desk.sweep()
        desk.late = OVERDUE_SECONDS
        await desk.pipeline.sweep.run_if_overdue()
        assert desk.sends() == []

        desk.late = OVERDUE_SECONDS + 61
        await desk.pipeline.sweep.run_if_overdue()

        assert desk.sends() == [0, 1]
        assert await desk.directory.last_sweep() == desk.now()

    with caplog.at_level(logging.ERROR):
        at_a_desk(scenario)
    assert "sweep_overdue" in caplog.text


def test_one_broadcast_that_storage_refuses_does_not_keep_others_from_being_swept() -> None:
    async def scenario(desk: Desk) -> None:
        # One for each strand of the sweep, older than the broadcast that stands still.
        for number in range(8):
            await desk.open(f"a{number}")
        await desk.open(ID)
        desk.late = 50.0

        async def hook(call: Call) -> None:
            if call.partition.startswith("a"):
                raise StorageUnavailable("this partition is moving")

        desk.world.account.use_hook(hook)
        with contextlib.suppress(StorageUnavailable):
            await desk.sweep()

        assert desk.sends() == [0, 1]

    at_a_desk(scenario)
