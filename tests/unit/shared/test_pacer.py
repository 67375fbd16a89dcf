"""The pacer: who waits is joined, who shares a row keeps the limit, and storage that fails ends nobody for good."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from shared.domain.pacing import FarAway, Pace, Slots
from shared.errors import RowConflict, StorageUnavailable
from shared.pacer import LONGEST_REPLY_WAIT, PATIENCE, Pacer, Pacers
from shared.storage.pace import PaceRows
from tests.twins.loop import run_virtually
from tests.twins.storage import Call, MemoryTable, Moment

CEILING = 50.0
EPOCH = 1_800_000_000.0


class Clock:
    """The loop's clock as storage would tell it."""

    def now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()


class Desk:
    """A pace row, pacers over it, and the calls that reached storage."""

    def __init__(self, *, ceiling: float | None = CEILING, latency: float = 0.01) -> None:
        self.clock = Clock()
        self.calls: list[str] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.failures: list[Exception] = []
        self._latency = latency
        self._ceiling = ceiling
        self.table = MemoryTable(self.clock.now, hook=self._hook)
        self.rows = PaceRows(self.table)

    def pacer(self) -> Pacer:
        return Pacer(self.rows, tenant="t", ceiling=self._ceiling, clock=self.clock)

    async def pace(self) -> Pace:
        found = await self.rows.read("t")
        assert found is not None
        return found[0]

    def count(self, verb: str) -> int:
        return self.calls.count(verb)

    async def _hook(self, call: Call) -> None:
        if call.moment is Moment.AFTER:
            self.in_flight -= call.verb == "write"
            return
        self.calls.append(call.verb)
        if call.verb == "write":
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(self._latency)
        if self.failures:
            self.in_flight -= call.verb == "write"
            raise self.failures.pop(0)


def at_a_desk(scenario: Callable[[Desk], Awaitable[None]], *, ceiling: float | None = CEILING) -> None:
    async def run() -> None:
        await scenario(Desk(ceiling=ceiling))

    run_virtually(run())


def spread(answers: list[Slots | FarAway], number: int) -> list[float]:
    """All instants that were handed out, in order."""
    slots = [answer for answer in answers if isinstance(answer, Slots)]
    return sorted(one.first_at + index * one.interval for one in slots for index in range(number))


async def take_and_use(pacer: Pacer, turns: int, slots: int) -> list[Slots | FarAway]:
    """Reserve as a batch does: the next slots once these are about to be used."""
    answers: list[Slots | FarAway] = []
    for _ in range(turns):
        answer = await pacer.reserve(slots)
        answers.append(answer)
        if isinstance(answer, Slots):
            end = answer.first_at + slots * answer.interval
            await asyncio.sleep(max(0.005, end - 0.15 - Clock().now()))
    return answers


def test_without_a_limit_every_slot_is_free_and_storage_is_not_asked() -> None:
    async def scenario(desk: Desk) -> None:
        pacer = desk.pacer()

        answer = await pacer.reserve(100_000)

        assert answer == Slots(first_at=desk.clock.now(), interval=0.0, epoch=0)
        assert not pacer.is_void(answer)
        await pacer.report_throttling(epoch=0, share=1.0, retry_after=9.0)
        assert desk.calls == []

    at_a_desk(scenario, ceiling=None)


def test_batches_that_wait_together_are_joined_into_one_reservation() -> None:
    async def scenario(desk: Desk) -> None:
        pacer = desk.pacer()

        answers = list(await asyncio.gather(*(pacer.reserve(10) for _ in range(5))))

        assert desk.count("write") == 1
        assert all(later - earlier == pytest.approx(0.02, abs=1e-6) for earlier, later in pairwise(spread(answers, 10)))

    at_a_desk(scenario)


def test_a_reservation_takes_one_batch_or_a_second_of_the_pace() -> None:
    async def scenario(desk: Desk) -> None:
        pacer = desk.pacer()

        await asyncio.gather(*(pacer.reserve(slots) for slots in (100, 20, 20, 20)))

        # The batch alone, then two of the small ones (52 slots are a second of the pace), then the last.
        assert desk.count("write") == 3

    at_a_desk(scenario)


def test_there_is_one_compare_and_swap_in_flight() -> None:
    async def scenario(desk: Desk) -> None:
        pacer = desk.pacer()

        await asyncio.gather(*(take_and_use(pacer, 3, 30) for _ in range(6)))

        assert desk.most_in_flight == 1

    at_a_desk(scenario)


def test_a_process_that_is_alone_reads_the_row_once() -> None:
    async def scenario(desk: Desk) -> None:
        await take_and_use(desk.pacer(), 10, 100)

        assert desk.count("get") == 1
        assert desk.count("write") == 10

    at_a_desk(scenario)


def test_nothing_is_reserved_while_the_process_holds_enough() -> None:
    async def scenario(desk: Desk) -> None:
        pacer = desk.pacer()
        await pacer.reserve(100)
        started = desk.clock.now()

        await pacer.reserve(100)

        # Two seconds of slots, of which a quarter was caught up and 0.7 s are kept in hand.
        assert desk.clock.now() - started == pytest.approx(2.0 - 0.25 - 0.7, abs=0.05)

    at_a_desk(scenario)


def test_slots_beyond_patience_are_far_away() -> None:
    async def scenario(desk: Desk) -> None:
        await desk.rows.swap("t", Pace(rate=CEILING, next_at=EPOCH + 300), etag=None)

        answer = await desk.pacer().reserve(1)

        assert isinstance(answer, FarAway)
        assert answer.wait == pytest.approx(300, abs=1)
        assert (await desk.pace()).next_at == EPOCH + 300

    at_a_desk(scenario)


def test_who_would_stand_too_far_back_in_the_line_is_sent_away_without_a_call() -> None:
    async def scenario(desk: Desk) -> None:
        pacer = desk.pacer()
        waiting = [asyncio.ensure_future(pacer.reserve(100)) for _ in range(12)]
        await asyncio.sleep(0)

        answer = await pacer.reserve(100)

        assert isinstance(answer, FarAway)
        assert answer.wait > PATIENCE
        assert desk.calls == []
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    at_a_desk(scenario)


@pytest.mark.parametrize("pacers", [2, 4])
def test_pacers_that_share_a_row_keep_the_limit(pacers: int) -> None:
    async def scenario(desk: Desk) -> None:
        takers = [take_and_use(desk.pacer(), 20, 25) for _ in range(pacers)]

        answers = [answer for taken in await asyncio.gather(*takers) for answer in taken]

        handed_out = spread(answers, 25)
        assert len(handed_out) == pacers * 20 * 25
        assert all(later - earlier >= 0.02 - 1e-6 for earlier, later in pairwise(handed_out))
        # And none of the pace is left unused: the whole takes as long as the limit demands.
        assert handed_out[-1] - handed_out[0] <= 1.02 * len(handed_out) / CEILING

    at_a_desk(scenario)


def test_a_swap_whose_answer_was_lost_wastes_slots_and_doubles_none() -> None:
    async def scenario(desk: Desk) -> None:
        healthy = desk.table.hook
        lost = [RowConflict("the second try met the first one's success")]

        async def hook(call: Call) -> None:
            await healthy(call)
            if lost and call.moment is Moment.AFTER and call.verb == "write":
                raise lost.pop()

        desk.table.hook = hook
        pacer = desk.pacer()

        answer = await pacer.reserve(10)

        assert isinstance(answer, Slots)
        assert (await desk.pace()).next_at == pytest.approx(answer.first_at + 10 * answer.interval)

    at_a_desk(scenario)


def test_storage_that_fails_reaches_everyone_who_waits_and_the_pacer_goes_on() -> None:
    async def scenario(desk: Desk) -> None:
        pacer = desk.pacer()
        desk.failures = [StorageUnavailable("busy")]

        failed = await asyncio.gather(*(pacer.reserve(10) for _ in range(5)), return_exceptions=True)

        assert [type(answer) for answer in failed] == [StorageUnavailable] * 5
        assert isinstance(await pacer.reserve(10), Slots)

    at_a_desk(scenario)


def test_batches_behind_those_that_failed_are_served() -> None:
    async def scenario(desk: Desk) -> None:
        pacer = desk.pacer()
        desk.failures = [StorageUnavailable("busy")]

        first, second = await asyncio.gather(pacer.reserve(100), pacer.reserve(100), return_exceptions=True)

        assert isinstance(first, StorageUnavailable)
        assert isinstance(second, Slots)

    at_a_desk(scenario)


def test_who_gave_up_waiting_holds_up_nobody() -> None:
    async def scenario(desk: Desk) -> None:
        pacer = desk.pacer()
        gave_up = asyncio.ensure_future(pacer.reserve(10))
        stays = asyncio.ensure_future(pacer.reserve(10))
        await asyncio.sleep(0)

        gave_up.cancel()

        assert isinstance(await stays, Slots)

    at_a_desk(scenario)


def test_a_bug_reaches_those_who_wait_rather_than_letting_them_wait_for_ever() -> None:
    async def scenario(desk: Desk) -> None:
        pacer = desk.pacer()
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        desk.failures = [ValueError("a row that cannot be read")]

        async with asyncio.timeout(600):
            with pytest.raises(ValueError, match="cannot be read"):
                await pacer.reserve(10)

    at_a_desk(scenario)


def test_slots_that_are_late_are_void() -> None:
    async def scenario(desk: Desk) -> None:
        pacer = desk.pacer()
        answer = await pacer.reserve(1)
        assert isinstance(answer, Slots)

        assert not pacer.is_void(answer)
        await asyncio.sleep(0.7)
        assert pacer.is_void(answer)

    at_a_desk(scenario)


def test_throttling_voids_what_was_reserved_before_it() -> None:
    async def scenario(desk: Desk) -> None:
        pacer = desk.pacer()
        before = await pacer.reserve(100)
        assert isinstance(before, Slots)

        await pacer.report_throttling(epoch=before.epoch, share=0.4, retry_after=1.0)
        after = await pacer.reserve(100)

        assert isinstance(after, Slots)
        assert pacer.is_void(before)
        assert not pacer.is_void(after)
        assert after.interval == pytest.approx(1 / (CEILING * 0.6), rel=0.1)

    at_a_desk(scenario)


def test_another_process_learns_of_throttling_with_its_next_reservation() -> None:
    async def scenario(desk: Desk) -> None:
        one, other = desk.pacer(), desk.pacer()
        held = await other.reserve(25)
        assert isinstance(held, Slots)
        await one.report_throttling(epoch=0, share=1.0, retry_after=1.0)

        next_one = await other.reserve(25)

        assert isinstance(next_one, Slots)
        assert next_one.epoch == 1
        assert other.is_void(held)

    at_a_desk(scenario)


def test_several_who_tell_of_one_episode_cut_the_rate_once() -> None:
    async def scenario(desk: Desk) -> None:
        pacers = [desk.pacer() for _ in range(4)]

        await asyncio.gather(*(one.report_throttling(epoch=0, share=0.4, retry_after=1.0) for one in pacers))

        assert (await desk.pace()).epoch == 1
        assert (await desk.pace()).rate == pytest.approx(CEILING * 0.6, rel=0.01)

    at_a_desk(scenario)


def test_urgent_does_not_wait_in_line() -> None:
    async def scenario(desk: Desk) -> None:
        pacer = desk.pacer()
        in_line = [asyncio.ensure_future(pacer.reserve(100)) for _ in range(5)]
        await asyncio.sleep(0.5)

        urgent = await pacer.reserve(1, urgent=True)

        assert isinstance(urgent, Slots)
        assert urgent.first_at <= desk.clock.now()
        await asyncio.gather(*in_line)

    at_a_desk(scenario)


def test_a_tenant_has_one_pacer_in_a_process() -> None:
    async def scenario(desk: Desk) -> None:
        pacers = Pacers(desk.rows, ceiling=CEILING, clock=desk.clock)

        assert pacers.of("t") is pacers.of("t")
        assert pacers.of("t") is not pacers.of("other")

    at_a_desk(scenario)


@pytest.mark.parametrize(
    ("urgent_next_at", "seconds"),
    [
        (0.0, 0.0),  # A free slot is taken at once.
        (1.5, 1.5),  # A near one is waited for.
        (15.0, 2.0),  # A person's answer is never later than two seconds.
        (60.0, 2.0),  # That holds beyond the pacer's patience, too: such a reply takes no slot.
    ],
)
def test_a_reply_waits_two_seconds_for_its_slot_at_most(urgent_next_at: float, seconds: float) -> None:
    async def scenario(desk: Desk) -> None:
        # Bulk is busy for longer, so that no slot of its own is free any sooner.
        pace = Pace(rate=CEILING, urgent_next_at=EPOCH + urgent_next_at, next_at=EPOCH + 120)
        await desk.rows.swap("t", pace, etag=None)
        started = desk.clock.now()

        await Pacers(desk.rows, ceiling=CEILING, clock=desk.clock).take_slot("t")

        assert desk.clock.now() - started == pytest.approx(seconds, abs=0.05)

    at_a_desk(scenario)


def test_a_reply_is_not_dropped_where_storage_fails() -> None:
    async def scenario(desk: Desk) -> None:
        desk.failures = [StorageUnavailable("busy")]

        await Pacers(desk.rows, ceiling=CEILING, clock=desk.clock).take_slot("t")

        assert desk.calls == ["get"]

    at_a_desk(scenario)


def test_a_hundred_replies_at_once_are_a_few_writes_and_none_waits_longer_than_two_seconds() -> None:
    async def scenario(desk: Desk) -> None:
        pacers = Pacers(desk.rows, ceiling=CEILING, clock=desk.clock)
        pacer = pacers.of("t")
        # A broadcast takes all of the pace, so that replies have the urgent share alone.
        await pacer.reserve(1_000)
        before, loop = desk.count("write"), asyncio.get_running_loop()
        started = loop.time()
        took = list[float]()

        async def reply() -> None:
            await pacers.take_slot("t")
            took.append(loop.time() - started)

        await asyncio.gather(*(reply() for _ in range(100)))

        assert len(took) == 100
        assert max(took) <= LONGEST_REPLY_WAIT + 0.01
        assert desk.count("write") - before <= 5
        # Those that had a slot came one after the other.
        assert sum(one < 1.0 for one in took) <= 13

    at_a_desk(scenario)


def test_joined_urgent_slots_follow_each_other() -> None:
    async def scenario(desk: Desk) -> None:
        pacer = desk.pacer()
        await pacer.reserve(1_000)

        taken = await asyncio.gather(*(pacer.reserve(1, urgent=True) for _ in range(20)))

        instants = [slots.first_at for slots in taken if isinstance(slots, Slots)]
        assert len(instants) == 20
        assert all(abs(later - first - 0.1) < 1e-6 for first, later in pairwise(instants))

    at_a_desk(scenario)
