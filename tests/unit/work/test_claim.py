"""A claim: its journal is the truth, its lease is its own, and nothing is settled in `sending`."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shared.domain.batches import Batch, Note, Progress, Recipient
from shared.domain.broadcasts import Broadcast, DeliveryMode
from shared.domain.cursors import Cursor
from shared.domain.decisions import Decision
from shared.domain.lanes import LanePlan
from shared.domain.outcomes import Outcome
from shared.errors import RowConflict, StorageUnavailable
from shared.storage.broadcast_keys import due_key, lane_key
from shared.storage.broadcasts import Broadcasts
from shared.storage.rows import insert, merge
from shared.work.claim import HOLDER_SECONDS, Claim
from shared.work.stake import Stake
from tests.twins.accepting import rows_of
from tests.twins.loop import run_virtually
from tests.twins.storage import Call, MemoryTable, Moment, fail_once, yielding

ID = "b"
SENT = Decision(outcome=Outcome.SENT, activity_id="m")


class Desk:
    """A broadcast of three batches with four people each, and claims of them."""

    def __init__(self, mode: DeliveryMode = DeliveryMode.AT_LEAST_ONCE, *, pace: float | None = 49.75) -> None:
        loop = asyncio.get_running_loop()
        self.table = MemoryTable(loop.time)
        self.store = Broadcasts(self.table)
        self.stake = Stake(pace)
        self.broadcast = Broadcast(
            id=ID, tenant="t", key="k", body_hash="h", lanes=LanePlan(sends=2), accepted_at=0.0, delivery=mode
        )

    async def begin(self) -> None:
        await self.store.begin(self.broadcast, content=b"", audience=b"", cursor=Cursor())
        held = await self.store.cursor(ID)
        people = tuple(Recipient(key=f"user!{n}", service_url="https://smba.test/") for n in range(4))
        await self.store.step(ID, Cursor(batches=3), etag=held.etag, rows=rows_of([people] * 3))

    async def batch(self, number: int = 0) -> Batch:
        found = await self.store.batch(ID, number)
        assert found is not None
        return found

    async def claim(self, *, lease: str = "one", number: int = 0) -> Claim:
        """A claim of the batch as it stands, written."""
        claim = Claim(self.store, self.broadcast, await self.batch(number), lease=lease, stake=self.stake)
        assert await claim.claim()
        return claim

    async def outcomes(self, number: int = 0) -> str:
        return (await self.batch(number)).progress.outcomes

    def lose_the_next_answer(self) -> None:
        error = RowConflict("the second try met the first one's success")
        self.table.hook = fail_once(error, moment=Moment.AFTER, verb="write")

    def fail_the_next_write(self, moment: Moment) -> None:
        self.table.hook = fail_once(StorageUnavailable("busy"), moment=moment, verb="write")


def at_a_desk(scenario: Callable[[Desk], Awaitable[None]], *, mode: DeliveryMode = DeliveryMode.AT_LEAST_ONCE) -> None:
    async def run() -> None:
        desk = Desk(mode)
        await desk.begin()
        await scenario(desk)

    run_virtually(run())


def test_a_claim_writes_its_lease() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.claim(lease="one")

        batch = await desk.batch()
        assert (batch.lease, batch.writes) == ("one", 1)

    at_a_desk(scenario)


def test_two_who_claim_at_once_are_one_holder() -> None:
    async def scenario(desk: Desk) -> None:
        read = await desk.batch()
        claims = [Claim(desk.store, desk.broadcast, read, lease=name, stake=desk.stake) for name in ("one", "two")]

        won = await asyncio.gather(*(claim.claim() for claim in claims))

        assert sorted(won) == [False, True]
        assert claims[won.index(False)].is_lost

    at_a_desk(scenario)


def test_a_journal_makes_intents_and_answers_true() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()

        claim.deliveries.intend([0, 1])
        assert await claim.journal()
        assert await desk.outcomes() == "sspp"
        claim.deliveries.answer(0, SENT)
        claim.deliveries.answer(1, Decision(outcome=Outcome.DEFERRED, note=Note(attempts=1, due_at=9.0)))
        assert await desk.outcomes() == "sspp"
        assert await claim.journal()

        progress = (await desk.batch()).progress
        assert progress.outcomes == "Sdpp"
        assert progress.activity_ids == {0: "m"}
        assert progress.notes == {1: Note(attempts=1, due_at=9.0)}

    at_a_desk(scenario)


def test_a_final_answer_remembers_how_many_tries_it_took() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        claim.deliveries.answer(0, Decision(outcome=Outcome.DEFERRED, note=Note(attempts=1, due_at=9.0)))
        await claim.journal()

        claim.deliveries.answer(0, Decision(outcome=Outcome.SENT, note=Note(attempts=2)))
        await claim.journal()

        assert (await desk.batch()).progress.notes == {0: Note(attempts=2)}

    at_a_desk(scenario)


@pytest.mark.parametrize("step", ["claim", "journal", "settle"])
def test_a_write_whose_answer_was_lost_is_recognised_as_ones_own(step: str) -> None:
    async def scenario(desk: Desk) -> None:
        if step == "claim":
            desk.lose_the_next_answer()
        claim = await desk.claim()
        claim.deliveries.answer(0, SENT)
        if step == "journal":
            desk.lose_the_next_answer()
        assert await claim.journal()
        if step == "settle":
            desk.lose_the_next_answer()
        await claim.settle()

        assert not claim.is_lost
        batch = await desk.batch()
        assert (batch.progress.outcomes, batch.lease, batch.writes) == ("Sppp", "", 3)

    at_a_desk(scenario)


@pytest.mark.parametrize("step", ["journal", "settle"])
def test_somebody_elses_write_is_never_taken_for_ones_own(step: str) -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim(lease="one")
        other = await desk.claim(lease="two")
        other.deliveries.answer(3, SENT)
        await other.journal()

        claim.deliveries.answer(0, SENT)
        if step == "journal":
            assert not await claim.journal()
        else:
            await claim.settle()

        assert claim.is_lost
        batch = await desk.batch()
        assert (batch.progress.outcomes, batch.lease) == ("pppS", "two")

    at_a_desk(scenario)


def test_an_older_write_of_ones_own_is_not_this_one() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        claim.deliveries.answer(0, SENT)
        error = RowConflict("it was never written")
        desk.table.hook = fail_once(error, moment=Moment.BEFORE, verb="write")

        assert not await claim.journal()

        assert claim.is_lost
        assert await desk.outcomes() == "pppp"

    at_a_desk(scenario)


@pytest.mark.parametrize("moment", Moment)
def test_storage_that_fails_loses_the_lease_and_nothing_else(moment: Moment) -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        claim.deliveries.intend([0])
        desk.fail_the_next_write(moment)

        assert not await claim.journal()
        assert claim.is_lost
        assert not await claim.journal()

        assert await desk.outcomes() == ("pppp" if moment is Moment.BEFORE else "sppp")

    at_a_desk(scenario)


def test_nothing_is_settled_with_deliveries_in_sending() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        claim.deliveries.intend([2])
        await claim.journal()

        with pytest.raises(AssertionError, match="in `sending`"):
            await claim.settle()

        assert await desk.outcomes() == "ppsp"

    at_a_desk(scenario)


def test_a_lost_claim_is_settled_in_silence() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        claim.deliveries.intend([2])
        await claim.journal()
        claim.is_lost = True  # As a poster does that finds the holder's own deadline passed.

        assert await claim.settle(keep_place=True) is None

        assert await desk.outcomes() == "ppsp"

    at_a_desk(scenario)


@pytest.mark.parametrize(
    ("mode", "outcomes"),
    [
        (DeliveryMode.AT_LEAST_ONCE, "Spps"),  # Sent again: three stand, the fourth is the new intent.
        (DeliveryMode.AT_MOST_ONCE, "SUps"),  # Reported, never resent.
    ],
)
def test_what_a_dead_holder_left_in_sending_is_resent_or_reported(mode: DeliveryMode, outcomes: str) -> None:
    async def scenario(desk: Desk) -> None:
        dead = await desk.claim(lease="one")
        dead.deliveries.answer(0, SENT)
        dead.deliveries.intend([1])
        await dead.journal()

        heir = await desk.claim(lease="two")
        heir.deliveries.intend([3])
        await heir.journal()

        assert await desk.outcomes() == outcomes

    at_a_desk(scenario, mode=mode)


def test_one_transaction_settles_a_batch_and_claims_the_next_for_the_same_holder() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        for position in range(4):
            claim.deliveries.answer(position, SENT)
        await claim.journal()
        step = merge(lane_key(0, 0), {"batch": 2})

        following = await claim.settle(also=[step], following=await desk.batch(2), following_lease="next")

        assert following is not None
        first, next_one = await desk.batch(0), await desk.batch(2)
        assert (first.lease, first.progress.placed) == ("", False)
        assert (next_one.lease, next_one.writes) == ("next", 1)
        assert (await desk.store.lanes(ID, 0))[0].batch == 2
        assert await following.journal()

    at_a_desk(scenario)


def test_a_handover_whose_answer_was_lost_still_goes_on() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        following_read = await desk.batch(2)
        desk.lose_the_next_answer()

        following = await claim.settle(following=following_read, following_lease="next")

        assert following is not None
        following.deliveries.answer(0, SENT)
        assert await following.journal()
        assert await desk.outcomes(2) == "Sppp"

    at_a_desk(scenario)


def test_a_batch_is_settled_alone_where_the_next_one_was_taken() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        read = await desk.batch(2)
        await desk.claim(lease="faster", number=2)

        following = await claim.settle(
            also=[merge(lane_key(0, 0), {"batch": 2})], following=read, following_lease="next"
        )

        assert following is None
        assert not claim.is_lost
        assert (await desk.batch(0)).lease == ""
        assert (await desk.batch(2)).lease == "faster"
        assert (await desk.store.lanes(ID, 0))[0].batch == 2

    at_a_desk(scenario)


def test_a_batch_that_was_lost_hands_nothing_over() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim(lease="one")
        await desk.claim(lease="two")

        following = await claim.settle(following=await desk.batch(2), following_lease="next")

        assert following is None
        assert claim.is_lost
        assert (await desk.batch(0)).lease == "two"
        assert (await desk.batch(2)).lease == ""

    at_a_desk(scenario)


@pytest.mark.parametrize(
    ("keep_place", "placed"),
    [
        (True, True),  # Given back for pace: its turn is still to come.
        (False, False),  # Each delivery was tried once.
    ],
)
def test_settling_keeps_or_gives_up_the_place(keep_place: bool, placed: bool) -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()

        await claim.settle(keep_place=keep_place)

        assert (await desk.batch()).progress.placed is placed

    at_a_desk(scenario)


def test_a_marker_is_written_with_the_settlement_and_kept_by_the_next_one() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        marker = due_key(100.0, 0)
        await claim.settle(due_marker=marker, also=[insert(marker, {})])

        again = await desk.claim(lease="two")
        assert again.due_marker == marker
        await again.settle(keep_place=True)

        assert (await desk.batch()).progress.due_marker == marker
        assert not (await desk.batch()).progress.placed

    at_a_desk(scenario)


def test_the_stake_is_what_stands_in_sending_and_is_given_back() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        claim.deliveries.intend([0, 1, 2, 3])
        await claim.journal()
        assert not desk.stake.has_room(97)

        claim.deliveries.answer(0, SENT)
        await claim.journal()
        assert desk.stake.has_room(97)
        assert not desk.stake.has_room(98)

        claim.give_back_stake()
        claim.give_back_stake()
        assert desk.stake.has_room(100)
        assert claim.is_lost

    at_a_desk(scenario)


def test_a_journal_that_failed_stakes_nothing() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        claim.deliveries.intend([0, 1])
        desk.fail_the_next_write(Moment.BEFORE)
        await claim.journal()

        claim.give_back_stake()

        assert desk.stake.has_room(100)
        desk.stake.change(100)
        assert not desk.stake.has_room(1)

    at_a_desk(scenario)


@pytest.mark.parametrize(
    ("pace", "standing", "number", "has_room"),
    [
        (49.75, 0, 100, True),  # Two seconds of the pace.
        (49.75, 1, 100, False),  # One more than that.
        (1.0, 0, 5, True),  # A single group always may.
        (1.0, 1, 5, False),  # A second one may not.
        (None, 10_000, 100, True),  # Without a limit nothing is staked.
    ],
)
def test_a_process_stakes_two_seconds_of_its_pace(
    pace: float | None, standing: int, number: int, has_room: bool
) -> None:
    stake = Stake(pace)
    stake.change(standing)

    assert stake.has_room(number) is has_room


def test_claims_that_post_and_never_learn_an_answer_are_counted() -> None:
    async def scenario(desk: Desk) -> None:
        for number in range(1, 4):
            claim = await desk.claim(lease=f"lease {number}")
            assert (await desk.batch()).progress.fruitless == number - 1
            claim.deliveries.intend([0])
            await claim.journal()
            assert (await desk.batch()).progress.fruitless == number

        lucky = await desk.claim(lease="lucky")
        lucky.deliveries.intend([0, 1])
        await lucky.journal()
        lucky.deliveries.answer(0, SENT)
        await lucky.journal()

        assert (await desk.batch()).progress.fruitless == 0

    at_a_desk(scenario)


def test_a_claim_that_posts_nothing_is_not_fruitless() -> None:
    async def scenario(desk: Desk) -> None:
        for number in range(10):
            await (await desk.claim(lease=f"lease {number}")).settle(keep_place=True)

        assert (await desk.batch()).progress.fruitless == 0

    at_a_desk(scenario)


def test_withdrawn_deliveries_are_pending_again() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        claim.deliveries.intend([0, 1])
        await claim.journal()

        claim.deliveries.withdraw([1])
        assert claim.deliveries.is_dirty
        await claim.journal()

        assert await desk.outcomes() == "sppp"
        assert not claim.deliveries.is_dirty

    at_a_desk(scenario)


def test_a_withdrawal_during_a_journal_is_not_forgotten() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        claim.deliveries.intend([0, 1])

        async def hook(call: Call) -> None:
            if call.verb == "write" and call.moment is Moment.AFTER:
                claim.deliveries.withdraw([1])
            await asyncio.sleep(0)

        desk.table.hook = hook
        await claim.journal()
        desk.table.hook = yielding

        assert claim.deliveries.is_dirty
        await claim.journal()
        assert await desk.outcomes() == "sppp"

    at_a_desk(scenario)


def test_due_are_the_pending_ones_and_retries_whose_time_has_come() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        claim.deliveries.answer(0, SENT)
        claim.deliveries.answer(1, Decision(outcome=Outcome.DEFERRED, note=Note(due_at=10.0)))
        claim.deliveries.answer(2, Decision(outcome=Outcome.DEFERRED, note=Note(due_at=20.0)))
        claim.deliveries.settle_answers()

        assert claim.deliveries.due(9.9) == [3]
        assert claim.deliveries.due(10.0) == [1, 3]
        assert claim.deliveries.next_due_at() == 10.0

    at_a_desk(scenario)


def test_a_holder_is_overdue_by_its_own_clock_from_before_its_last_write() -> None:
    async def scenario(desk: Desk) -> None:
        async def slow(call: Call) -> None:
            await asyncio.sleep(2.0 if call.verb == "write" and call.moment is Moment.BEFORE else 0)

        desk.table.hook = slow
        claim = await desk.claim()

        assert claim.seconds_since_write == 2.0
        await asyncio.sleep(HOLDER_SECONDS - 2.0)
        assert not claim.is_overdue
        await asyncio.sleep(0.1)
        assert claim.is_overdue

    at_a_desk(scenario)


def test_who_waits_for_a_change_wakes_at_an_answer_or_when_time_is_up() -> None:
    async def scenario(desk: Desk) -> None:
        loop = asyncio.get_running_loop()
        claim = await desk.claim()
        loop.call_later(3.0, claim.deliveries.answer, 0, SENT)

        await claim.deliveries.changed(10.0)
        assert loop.time() == 3.0
        await claim.deliveries.changed(10.0)
        assert loop.time() == 13.0

    at_a_desk(scenario)


def test_a_conversation_that_was_created_is_used_from_then_on() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        assert claim.deliveries.conversation(0) == ""

        claim.deliveries.answer(0, Decision(outcome=Outcome.DEFERRED, note=Note(conversation="a:1")))
        await claim.journal()

        assert (await desk.claim(lease="two")).deliveries.conversation(0) == "a:1"

    at_a_desk(scenario)


def test_progress_of_a_row_sums_to_its_size_after_every_write() -> None:
    async def scenario(desk: Desk) -> None:
        claim = await desk.claim()
        for position in range(4):
            claim.deliveries.intend([position])
            await claim.journal()
            assert len(await desk.outcomes()) == 4
            claim.deliveries.answer(position, SENT)
        await claim.journal()
        await claim.settle()

        assert (await desk.batch()).progress == Progress(
            outcomes="SSSS", activity_ids=dict.fromkeys(range(4), "m"), placed=False
        )

    at_a_desk(scenario)
