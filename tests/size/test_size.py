"""Size in small: whatever kills a planner, and wherever, everybody has one delivery; its memory does not grow."""

import asyncio
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from send_worker.pipeline import build_pipeline
from shared.composition import App
from shared.domain import plans
from shared.storage import names
from shared.storage.rows import Operation
from tests.size.planning import app_of, ask, recipients_of
from tests.size.promises import broken_by
from tests.size.register import Register
from tests.size.run import run_plan
from tests.twins.loop import run_virtually
from tests.twins.storage import MemoryAccount, MemoryTable
from tests.twins.world import EPOCH

FEW, MORE = 600, 3_000


def an_account() -> MemoryAccount:
    return MemoryAccount(lambda: EPOCH)


async def plan_for(app: App, broadcast: str, *, turns: int | None = None) -> bool:
    """Let a new planner work for so many turns of the loop and kill it, or to its end; whether it got there."""
    work = asyncio.create_task(build_pipeline(app).planner.handle(broadcast))
    while not work.done() and turns != 0:
        await asyncio.sleep(0)
        turns = turns and turns - 1
    if work.done():
        await work
        return True
    work.cancel()
    await asyncio.wait([work])
    return False


async def killed_after(turns: Sequence[int], *, people: int) -> tuple[Register, bool]:
    """Plan with planners of so many turns and a last one without a bound; and whether one of them was killed."""
    app = app_of(an_account(), people=people)
    broadcast = await ask(app, people=people)
    got_there = [await plan_for(app, broadcast, turns=number) for number in turns]
    await plan_for(app, broadcast)
    register = Register(recipients_of(people))
    await register.read(app.broadcasts, broadcast)
    return register, not all(got_there)


def test_a_planner_killed_at_any_await_is_followed_by_one_that_loses_and_doubles_nobody() -> None:
    async def scenario() -> int:
        turns, was_killed = 0, True
        while was_killed:
            register, was_killed = await killed_after([turns], people=FEW)
            assert register.is_exact, (turns, register.lost, register.doubled, register.faults)
            turns += 1
        return turns

    assert run_virtually(scenario()) > 50


@settings(max_examples=12)
@given(turns=st.lists(st.integers(0, 100), min_size=2, max_size=6))
def test_planners_killed_one_after_the_other_lose_and_double_nobody(turns: list[int]) -> None:
    register, _ = run_virtually(killed_after(turns, people=MORE))

    assert register.is_exact, (register.lost, register.doubled, register.faults)


class ForgetfulTable(MemoryTable):
    """Takes batch rows and their index, and keeps none: what memory then grows is the planner's, and its runs'."""

    async def write(self, partition: str, operations: Sequence[Operation]) -> list[str]:
        kept = [one for one in operations if not one.key.startswith(("batch!", "prints!"))]
        return await super().write(partition, kept)


def test_the_planner_does_not_hold_its_audience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "LARGEST_RUN", 1_000)

    async def peak_of(people: int) -> int:
        account = an_account()
        account._tables[names.BROADCASTS] = ForgetfulTable(lambda: EPOCH)
        app = app_of(account, people=people)
        broadcast = await ask(app, people=people)
        tracemalloc.start()
        try:
            assert await plan_for(app, broadcast)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small, large = run_virtually(peak_of(2_000)), run_virtually(peak_of(8_000))

    # A stored run has 16 bytes for each person, a key that is held has 90 and its place in a list.
    assert (large - small) / 6_000 < 40


@pytest.mark.azurite
async def test_killed_processes_plan_everyone_once(azurite: str) -> None:
    plan = await run_plan(azurite, people=3_000, kills=2)

    assert list(broken_by(plan)) == []
