"""The brakes: which answers pause a broadcast, why, and what a resume changes."""

import logging
from collections.abc import Sequence

import pytest

from shared.domain.broadcasts import Broadcast, PauseReason
from shared.domain.cursors import Cursor
from shared.domain.lanes import LanePlan
from shared.errors import StorageUnavailable
from shared.pacer import Pacers
from shared.storage.broadcasts import Broadcasts
from shared.storage.pace import PaceRows
from shared.teams.answers import Verdict
from shared.work.brakes import FIRST_REJECTIONS, WATCHED, Brakes
from shared.work.heads import Heads
from tests.twins.storage import MemoryAccount, Moment, fail_once

OK, NO = Verdict.ACCEPTED, Verdict.REJECTED
BLOCKED, THROTTLED, LOST = Verdict.BLOCKED_BY_USER, Verdict.THROTTLED, Verdict.ANSWER_LOST


class Desk:
    """One broadcast, and the brakes of one process or of another one."""

    def __init__(self) -> None:
        self.account = MemoryAccount(lambda: 1_000.0)
        self.table = self.account.table("Broadcasts")
        self.store = Broadcasts(self.table)
        pacers = Pacers(PaceRows(self.account.table("Pace")), ceiling=50.0, clock=self.account.clock)
        self.heads = Heads(self.store, pacers, self.account.clock)
        self.brakes = Brakes(self.store, self.heads, self.account.clock)

    async def open(self, broadcast: str = "b") -> None:
        head = Broadcast(id=broadcast, tenant="t", key="k", body_hash="h", lanes=LanePlan(sends=1), accepted_at=1_000.0)
        await self.store.begin(head, content=b"", audience=b"", cursor=Cursor(), batch=())

    async def answer(self, verdicts: Sequence[Verdict], *, broadcast: str = "b") -> None:
        for verdict in verdicts:
            await self.brakes.watch(broadcast, verdict)

    async def reason(self, broadcast: str = "b") -> PauseReason | None:
        return (await self.store.head(broadcast)).paused

    async def resume(self) -> None:
        await self.store.changes.resume("b")
        self.heads.forget("b")


@pytest.fixture
async def desk() -> Desk:
    desk = Desk()
    await desk.open()
    return desk


@pytest.mark.parametrize(
    ("verdicts", "reason"),
    [
        ([OK] * 300, None),  # All is well.
        ([Verdict.UNAUTHORIZED], PauseReason.BLOCKED_AUTH),  # One is enough: the next one would be refused likewise.
        ([OK] * 300 + [Verdict.UNAUTHORIZED], PauseReason.BLOCKED_AUTH),  # At any time.
        ([NO] * (FIRST_REJECTIONS - 1), None),  # Bad luck, still.
        ([NO] * FIRST_REJECTIONS, PauseReason.MESSAGE_REJECTED),  # The message's fault.
        ([Verdict.TOO_LARGE] * FIRST_REJECTIONS, PauseReason.MESSAGE_REJECTED),  # Likewise.
        ([THROTTLED, *[NO] * FIRST_REJECTIONS], PauseReason.MESSAGE_REJECTED),  # A throttled try says nothing of it.
        ([OK, *[NO] * FIRST_REJECTIONS], None),  # One was accepted: it is those people.
        ([BLOCKED] * (WATCHED - 1), None),  # People may say no; too few to tell.
        ([BLOCKED] * WATCHED, PauseReason.REFUSALS),  # All of two hundred.
        ([OK, BLOCKED] * (WATCHED // 2), PauseReason.REFUSALS),  # Half of them.
        ([OK, OK, BLOCKED] * WATCHED, None),  # A third.
        ([OK] * 5_000 + [BLOCKED] * (WATCHED // 2), PauseReason.REFUSALS),  # The last two hundred count.
        ([OK] * 5_000 + [BLOCKED] * (WATCHED // 2 - 1), None),  # One fewer.
        ([THROTTLED, Verdict.BUSY, LOST, Verdict.UNREACHABLE, Verdict.FAILED_MAYBE] * WATCHED, None),  # No refusals.
        ([Verdict.NOT_INSTALLED] * 2 * WATCHED, None),  # Nobody has the app: that is known, and harms nobody.
    ],
)
async def test_answers_pause_a_broadcast(desk: Desk, verdicts: list[Verdict], reason: PauseReason | None) -> None:
    await desk.answer(verdicts)

    assert await desk.reason() is reason
    assert await desk.heads.is_stopped("b") is (reason is not None)


@pytest.mark.parametrize(
    "verdict",
    [
        *(Verdict.REJECTED, Verdict.TOO_LARGE, Verdict.BLOCKED_BY_USER, Verdict.BLOCKED_BY_ADMIN),
        *(Verdict.CONVERSATION_GONE, Verdict.SERVICE_ERROR, Verdict.WRONG_HOST),
    ],
)
async def test_each_refusal_counts_as_one(desk: Desk, verdict: Verdict) -> None:
    await desk.answer([OK] * 100 + [verdict] * 100)

    assert await desk.reason() is PauseReason.REFUSALS


async def test_a_pause_is_written_and_told_once(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        # Those that were under way are answered, too.
        await desk.answer([Verdict.UNAUTHORIZED] * 50)

    assert (await desk.store.head("b")).paused_at == 1_000.0
    assert caplog.messages == ['broadcast_paused {"broadcast":"b","reason":"blocked_auth"}']


async def test_what_another_process_paused_stays_as_it_is(desk: Desk) -> None:
    await desk.store.changes.pause("b", PauseReason.BY_REQUEST, at=900.0)

    await desk.answer([Verdict.UNAUTHORIZED])

    assert await desk.reason() is PauseReason.BY_REQUEST


async def test_a_persons_pause_is_never_turned_into_one_that_ends_by_itself(desk: Desk) -> None:
    await desk.heads.head("b")
    await desk.store.changes.pause("b", PauseReason.BY_REQUEST, at=1_000.0)

    await desk.answer([Verdict.UNAUTHORIZED])

    assert await desk.reason() is PauseReason.BY_REQUEST


async def test_refusals_are_braked_after_a_pause_in_which_nobody_looked_at_them(desk: Desk) -> None:
    await desk.answer([Verdict.UNAUTHORIZED])
    await desk.resume()

    await desk.answer([OK, BLOCKED] * 200)

    assert await desk.reason() is PauseReason.REFUSALS


@pytest.mark.parametrize(
    ("first", "then", "reason"),
    [
        ([OK, BLOCKED] * 100, [OK, BLOCKED] * 200, None),  # A person looked at the refusals, and wants it to go on.
        ([OK, BLOCKED] * 100, [OK, Verdict.UNAUTHORIZED], PauseReason.BLOCKED_AUTH),  # A secret expires regardless.
        ([NO] * 20, [NO] * 20, PauseReason.MESSAGE_REJECTED),  # It is still the message.
        ([NO] * 20, [NO] * 19, None),  # What came before the resume counts no more.
        ([NO] * 20, [OK, *[NO] * 30], None),  # It was not the message.
        ([Verdict.UNAUTHORIZED], [Verdict.UNAUTHORIZED], PauseReason.BLOCKED_AUTH),  # Tokens are refused again.
    ],
)
async def test_a_resumed_broadcast_starts_anew(
    desk: Desk, first: list[Verdict], then: list[Verdict], reason: PauseReason | None
) -> None:
    await desk.answer(first)
    assert await desk.reason() is not None
    await desk.resume()

    await desk.answer(then)

    assert await desk.reason() is reason


async def test_broadcasts_are_watched_apart(desk: Desk) -> None:
    await desk.open("other")
    await desk.answer([OK], broadcast="other")

    for _ in range(FIRST_REJECTIONS):
        await desk.answer([NO])
        await desk.answer([NO], broadcast="other")

    assert (await desk.reason(), await desk.reason("other")) == (PauseReason.MESSAGE_REJECTED, None)


async def test_many_broadcasts_are_watched_without_end(desk: Desk) -> None:
    for number in range(200):
        await desk.open(f"n{number}")
        await desk.answer([NO] * 19, broadcast=f"n{number}")

    await desk.answer([NO], broadcast="n199")

    assert await desk.reason("n199") is PauseReason.MESSAGE_REJECTED


async def test_a_pause_that_storage_refuses_stops_this_process_all_the_same(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.heads.head("b")
    desk.table.hook = fail_once(StorageUnavailable("busy"), moment=Moment.BEFORE, verb="write")

    with caplog.at_level(logging.ERROR):
        await desk.answer([Verdict.UNAUTHORIZED])

    assert await desk.reason() is None
    assert await desk.heads.is_stopped("b")
    assert caplog.messages[0].startswith("pause_not_noted ")

    # The others learn of it by the next answer after this process has read the head again.
    desk.heads.forget("b")
    await desk.answer([Verdict.UNAUTHORIZED])
    assert await desk.reason() is PauseReason.BLOCKED_AUTH


async def test_a_pause_is_known_before_it_is_written(desk: Desk) -> None:
    broadcast = await desk.heads.head("b")

    desk.heads.know_paused(broadcast, PauseReason.REFUSALS, at=1_000.0)

    assert await desk.heads.is_stopped("b")
    assert await desk.reason() is None
    desk.heads.forget("b")
    assert not await desk.heads.is_stopped("b")
