"""Window rows: all instances share a conversation's windows, by compare-and-swap."""

import asyncio

import pytest

from shared.errors import RowConflict, StorageUnavailable
from shared.storage.windows import WindowRows
from tests.twins.loop import run_virtually
from tests.twins.storage import Call, MemoryAccount, Moment, fail_once

TENANT, CHAT = "t", "chat!19:a@thread.v2"
EPOCH = 1_800_000_000.0


class Desk:
    """Two instances over one table, and a clock that a test moves."""

    def __init__(self) -> None:
        self.late = 0.0
        self.account = MemoryAccount(lambda: EPOCH + self.late)
        self.table = self.account.table("Pace")
        self.table.hook = self._call
        self.instances = [WindowRows(self.table, self.account.clock) for _ in range(2)]
        self.writes = 0

    async def take(self, *, instance: int = 0, tenant: str = TENANT, key: str = CHAT, patience: float = 2.0) -> float:
        return await self.instances[instance].take(tenant, key, patience=patience)

    async def _call(self, call: Call) -> None:
        self.writes += call.verb == "write" and call.moment is Moment.AFTER
        await asyncio.sleep(0)


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_two_instances_share_the_windows_of_a_conversation(desk: Desk) -> None:
    waits = [await desk.take(instance=number % 2) for number in range(8)]

    assert waits[:7] == [0.0] * 7
    assert waits[7] == pytest.approx(1.05, abs=1e-3)


async def test_instances_that_take_at_once_get_a_place_each(desk: Desk) -> None:
    waits = await asyncio.gather(*(desk.take(instance=number % 2, patience=60.0) for number in range(4)))

    assert waits == [0.0] * 4
    assert await asyncio.gather(*(desk.take(instance=n % 2) for n in range(3))) == [0.0] * 3
    assert await desk.take() > 1


@pytest.mark.parametrize(("tenant", "key"), [("other", CHAT), (TENANT, "chat!19:b@thread.v2")])
async def test_conversations_and_tenants_do_not_share_windows(desk: Desk, tenant: str, key: str) -> None:
    for _ in range(7):
        await desk.take()

    assert await desk.take(tenant=tenant, key=key) == 0.0


async def test_a_place_beyond_patience_is_told_and_not_taken(desk: Desk) -> None:
    for _ in range(8):
        await desk.take()
    writes = desk.writes

    wait = await desk.take(patience=2.0)

    assert wait == pytest.approx(2.05, abs=1e-3)
    assert desk.writes == writes
    # Nobody stands there, so it is still the next one.
    desk.late = 2.1
    assert await desk.take() == 0.0


async def test_an_id_of_any_length_and_kind_has_a_row(desk: Desk) -> None:
    assert await desk.take(key="channel!19:" + "ü/\\#?" * 200 + "@thread.tacv2") == 0.0


async def test_a_lost_answer_costs_a_place_at_most(desk: Desk) -> None:
    desk.table.hook = fail_once(RowConflict("its own success"), moment=Moment.AFTER, verb="write")

    assert await desk.take() == 0.0
    assert [await desk.take() for _ in range(5)] == [0.0] * 5
    assert await desk.take() > 1


async def test_who_loses_every_race_is_told_to_come_later(desk: Desk) -> None:
    async def always(call: Call) -> None:
        if call.verb == "write":
            raise RowConflict("somebody else was faster")

    desk.table.hook = always

    assert await desk.take(patience=2.0) > 2.0


async def test_storage_that_fails_is_told(desk: Desk) -> None:
    desk.table.hook = fail_once(StorageUnavailable("busy"), moment=Moment.BEFORE, verb="get")

    with pytest.raises(StorageUnavailable):
        await desk.take()


def test_two_instances_in_a_hurry_keep_the_limits() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        account = MemoryAccount(lambda: EPOCH + loop.time())
        said = list[float]()

        async def speak(rows: WindowRows) -> None:
            while len(said) < 100:
                wait = await rows.take(TENANT, CHAT, patience=2.0)
                await asyncio.sleep(wait)
                if wait <= 2.0:
                    said.append(loop.time())

        await asyncio.gather(*(speak(WindowRows(account.table("Pace"), account.clock)) for _ in range(2)))

        for span, most in ((1.0, 7), (2.0, 8), (30.0, 60)):
            assert max(sum(at <= other <= at + span for other in said) for at in said) <= most

    run_virtually(scenario())
