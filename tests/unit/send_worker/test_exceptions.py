"""People who are left out at an author's word: nobody of them gets the message, whatever breaks off."""

import asyncio
from collections import Counter
from itertools import count

import pytest

from send_worker.pipeline import build_pipeline
from shared.domain.audience import Audience
from shared.domain.modes import Mode
from shared.domain.outcomes import State
from shared.errors import StorageUnavailable
from shared.storage import names
from shared.storage.broadcasts import Broadcasts
from tests.twins.directory import THROTTLED, Account, MemoryDirectory
from tests.twins.storage import Call, Moment, yielding
from tests.twins.world import World, in_a_world, object_id

SALES, STAFF = (f"{digit * 8}-1111-1111-1111-111111111111" for digit in "12")


def people(numbers: range) -> list[Account]:
    """Accounts of the people with these numbers; each third one is a guest."""
    return [Account(object_id(one), is_guest=one % 3 == 0, upn=f"u{one}@contoso.com") for one in numbers]


def but(*users: str, groups: tuple[str, ...] = ()) -> Audience:
    """Those who are left out, by keys and by groups."""
    return Audience(except_people=tuple(sorted(users)), except_groups=groups)


def key(number: int) -> str:
    return f"user!{object_id(number)}"


async def planned(world: World, broadcast: str) -> Counter[str]:
    """How many deliveries each recipient has."""
    batches = await Broadcasts(world.account.table(names.BROADCASTS)).batches(broadcast, first=0, limit=10_000)
    return Counter(recipient.key for batch in batches for recipient in batch.recipients)


def test_who_is_left_out_gets_nothing_however_else_they_are_meant() -> None:
    graph = MemoryDirectory(people(range(300)), {SALES: people(range(100, 300)), STAFF: people(range(250, 300))})

    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(300))
        # 251 and 252 are in the group that is left out, one of them as a guest.
        broadcast = await world.accept(
            users=[1, 2, 251, 252],
            names=["u4@contoso.com", "u5@contoso.com", "u253@contoso.com"],
            groups=[SALES],
            but=but(key(2), "name!u5@contoso.com", key(101), groups=(STAFF,)),
        )
        await world.finished(broadcast)

        expected = {1, 4} | {number for number in range(100, 250) if number % 3 and number != 101}
        assert await planned(world, broadcast) == Counter({key(number): 1 for number in expected})
        assert world.states(broadcast) == {State.SENT: len(expected)}

    in_a_world(scenario, graph=graph)


def test_a_few_named_people_can_be_left_out_of_everyone_installed() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(1_500))
        broadcast = await world.accept(everyone=True, but=but(key(3), key(1_200)))
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 1_498}

    in_a_world(scenario)


@pytest.mark.parametrize("moment", Moment)
def test_a_plan_that_breaks_off_at_any_call_leaves_them_out(moment: Moment) -> None:
    graph = MemoryDirectory(people(range(700)), {STAFF: people(range(300, 600))}, page_size=200, overlap=5)

    async def scenario(world: World) -> None:
        for number in count():
            broadcast = await world.accept(
                users=range(650), but=but(key(7), groups=(STAFF,)), key=f"k{number}", mode=Mode.SANDBOX
            )
            left = number
            has_struck = False

            async def hook(call: Call) -> None:
                nonlocal left, has_struck
                await asyncio.sleep(0)
                if call.moment is moment and not has_struck:
                    left -= 1
                    has_struck = left < 0
                    if has_struck:
                        raise StorageUnavailable("the answer never came")

            world.account.use_hook(hook)
            await build_pipeline(world.app()).planner.handle(broadcast)
            world.account.use_hook(yielding)
            for _ in range(3):
                await build_pipeline(world.app()).planner.handle(broadcast)

            expected = [one for one in range(650) if one != 7 and not 300 <= one < 600]
            assert await planned(world, broadcast) == Counter({key(one): 1 for one in expected})
            if not has_struck:
                break
        assert number > 10

    in_a_world(scenario, graph=graph)


def test_nobody_is_sent_to_while_a_group_that_is_left_out_is_unknown() -> None:
    graph = MemoryDirectory(people(range(10)), {SALES: people(range(2, 4))})

    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(10))
        left_out = but(key(1), "name!nobody@contoso.com", groups=(SALES, STAFF))
        broadcast = await world.accept(everyone=True, but=left_out)
        await asyncio.sleep(600)
        waiting = await world.report(broadcast)
        posts = world.posts()
        graph.groups[STAFF] = people(range(5, 6))
        await world.finished(broadcast)

        nobody = "nobody@contoso.com"
        assert (waiting["plan_waits_for"], waiting["unknown_exceptions"], posts) == ("exception", [nobody, STAFF], 0)
        assert (await world.report(broadcast))["unknown_exceptions"] == [nobody]
        assert key(5) not in await planned(world, broadcast)

    in_a_world(scenario, graph=graph)


def test_one_person_whom_nobody_knows_holds_up_nobody_else() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(10))
        broadcast = await world.accept(everyone=True, but=but(key(1), "name!nobody@contoso.com"))
        seconds = await world.finished(broadcast)

        report = await world.report(broadcast)
        assert seconds < 60
        assert (report["counts"]["sent"], report["unknown_exceptions"]) == (9, ["nobody@contoso.com"])
        assert key(1) not in await planned(world, broadcast)

    in_a_world(scenario, graph=MemoryDirectory(people(range(10)), {}))


def test_nobody_is_sent_to_before_all_exceptions_are_read() -> None:
    graph = MemoryDirectory(
        people(range(10)), {STAFF: people(range(5))}, fault=lambda number: THROTTLED if number < 4 else None
    )

    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(10))
        broadcast = await world.accept(everyone=True, but=but(groups=(STAFF,)))
        await asyncio.sleep(60)
        posts = world.posts()
        await world.finished(broadcast)

        assert posts == 0
        assert set(await planned(world, broadcast)) == {key(number) for number in range(5, 10)}

    in_a_world(scenario, graph=graph)
