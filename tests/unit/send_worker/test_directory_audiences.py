"""Audiences that are read from Graph: whatever goes wrong at whatever page, each member has one delivery in the end."""

import asyncio
import logging
from collections import Counter
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from send_worker.pipeline import build_pipeline
from shared.domain.modes import Mode
from shared.domain.outcomes import State
from shared.errors import StorageUnavailable, TokenRefused, TokenUnavailable
from shared.graph.protocol import Response
from shared.storage import names
from shared.storage.broadcasts import Broadcasts
from tests.twins.directory import EXPIRED, FORBIDDEN, THROTTLED, Account, Fault, MemoryDirectory
from tests.twins.graph import refusal
from tests.twins.storage import Call, Moment, yielding
from tests.twins.world import World, in_a_world, object_id

SALES, STAFF, LOST = (f"{digit * 8}-1111-1111-1111-111111111111" for digit in "123")


def people(numbers: range, *, guests: range = range(0), disabled: range = range(0)) -> list[Account]:
    """Accounts of the people with these numbers."""
    return [Account(object_id(one), is_guest=one in guests, is_enabled=one not in disabled) for one in numbers]


async def planned(world: World, broadcast: str) -> Counter[str]:
    """How many deliveries each recipient has."""
    batches = await Broadcasts(world.account.table(names.BROADCASTS)).batches(broadcast, first=0, limit=10_000)
    return Counter(recipient.key for batch in batches for recipient in batch.recipients)


async def is_planned(world: World, broadcast: str) -> bool:
    """Whether the plan has come to its end."""
    store = Broadcasts(world.account.table(names.BROADCASTS))
    return (await store.cursor(broadcast)).cursor.is_finished


async def plan_to_the_end(world: World, broadcast: str) -> None:
    """Nudge a planner, each time one of another process, until the plan has come to its end."""
    for _ in range(1_000):
        await build_pipeline(world.app()).planner.handle(broadcast)
        if await is_planned(world, broadcast):
            return
        await asyncio.sleep(60)
    raise AssertionError("the plan does not end")


def once(numbers: range) -> Counter[str]:
    """One delivery for each of these."""
    return Counter({f"user!{object_id(number)}": 1 for number in numbers})


def test_members_of_groups_and_named_people_get_one_delivery_each() -> None:
    graph = MemoryDirectory(groups={SALES: people(range(500, 2_600)), STAFF: people(range(1_800))})

    async def scenario(world: World) -> None:
        broadcast = await world.accept(users=range(400, 600), groups=[STAFF, SALES])
        await plan_to_the_end(world, broadcast)

        assert await planned(world, broadcast) == once(range(2_600))
        assert len(graph.asked) == 5

    in_a_world(scenario, graph=graph)


def test_members_of_groups_inside_a_group_are_its_members() -> None:
    graph = MemoryDirectory(groups={SALES: [*people(range(10)), STAFF], STAFF: people(range(5, 20))}, page_size=7)

    async def scenario(world: World) -> None:
        broadcast = await world.accept(groups=[SALES])
        await plan_to_the_end(world, broadcast)

        assert await planned(world, broadcast) == once(range(20))

    in_a_world(scenario, graph=graph)


def test_everyone_of_the_tenant_is_everyone_but_guests_and_disabled_accounts() -> None:
    graph = MemoryDirectory(people(range(2_500), guests=range(2_000, 2_450), disabled=range(2_440, 2_500)))

    async def scenario(world: World) -> None:
        broadcast = await world.accept(tenant=True)
        await plan_to_the_end(world, broadcast)

        report = await world.report(broadcast)
        assert await planned(world, broadcast) == once(range(2_000))
        # Who is a guest and disabled counts as a guest.
        assert report["skipped"] == {"guests": 450, "disabled": 50}
        assert (report["unknown_groups"], report["plan_waits_for"]) == ([], None)

    in_a_world(scenario, graph=graph)


def test_who_is_left_out_of_several_groups_is_counted_once() -> None:
    members = people(range(30), guests=range(10, 25))
    graph = MemoryDirectory(groups={SALES: members[:20], STAFF: members[5:]}, page_size=7, overlap=3)

    async def scenario(world: World) -> None:
        broadcast = await world.accept(groups=[SALES, STAFF])
        await plan_to_the_end(world, broadcast)

        assert await planned(world, broadcast) == once(range(10)) + once(range(25, 30))
        assert (await world.report(broadcast))["skipped"] == {"guests": 15, "disabled": 0}

    in_a_world(scenario, graph=graph)


def test_a_group_that_is_not_there_is_told_and_the_others_get_the_message() -> None:
    graph = MemoryDirectory(groups={SALES: people(range(20)), STAFF: people(range(20, 40))})

    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(40))
        broadcast = await world.accept(groups=[SALES, LOST, STAFF])
        await world.finished(broadcast)

        report = await world.report(broadcast)
        assert world.states(broadcast) == {State.SENT: 40}
        assert (report["state"], report["unknown_groups"]) == ("finished", [LOST])

    in_a_world(scenario, graph=graph)


def test_only_groups_that_are_not_there_are_a_broadcast_to_nobody() -> None:
    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(groups=[LOST])
        await world.finished(broadcast)

        report = await world.report(broadcast)
        assert (report["state"], report["total"], report["unknown_groups"]) == ("finished", 0, [LOST])

    in_a_world(scenario, graph=MemoryDirectory())


FAULTS: dict[str, Fault] = {
    "throttled": THROTTLED,
    "away": refusal(503, "serviceNotAvailable"),
    "no answer": Response(status=0),
    "no token": TokenUnavailable,
    "expired": EXPIRED,
    "forbidden": FORBIDDEN,
    "credentials": TokenRefused,
    "unreadable": Response(status=200, body={}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_plan_goes_on_by_itself_whatever_goes_wrong_at_any_page(name: str) -> None:
    for page in (1, 3, 4, 6):
        directory = MemoryDirectory(
            groups={SALES: people(range(2_000)), STAFF: people(range(1_500, 3_000), guests=range(2_900, 3_000))},
            page_size=700,
            fault=lambda number, page=page: FAULTS[name] if page <= number < page + 3 else None,  # type: ignore[misc]
        )

        async def scenario(world: World) -> None:
            world.start()
            broadcast = await world.accept(groups=[SALES, STAFF], mode=Mode.SANDBOX)
            async with asyncio.timeout(1_000):
                while not await is_planned(world, broadcast):
                    await asyncio.sleep(5)

            report = await world.report(broadcast)
            assert await planned(world, broadcast) == once(range(2_900))
            assert report["skipped"] == {"guests": 100, "disabled": 0}
            assert report["plan_waits_for"] is None

        in_a_world(scenario, graph=directory)


def test_the_very_first_page_can_fail_too() -> None:
    graph = MemoryDirectory(people(range(10)), fault=lambda number: THROTTLED if number < 3 else None)

    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(tenant=True, mode=Mode.SANDBOX)
        await asyncio.sleep(5)
        waiting = await world.report(broadcast)
        await asyncio.sleep(100)

        assert (waiting["state"], waiting["plan_waits_for"]) == ("planning", "directory")
        assert await planned(world, broadcast) == once(range(10))

    in_a_world(scenario, graph=graph)


@pytest.mark.parametrize("moment", Moment)
def test_a_plan_that_breaks_off_at_any_call_of_storage_loses_and_doubles_nobody(moment: Moment) -> None:
    members = people(range(1_200), guests=range(1_100, 1_150), disabled=range(1_150, 1_200))
    graph = MemoryDirectory(groups={SALES: members[:1_150], STAFF: members[600:]}, page_size=400, overlap=10)

    async def scenario(world: World) -> None:
        for number in count():
            broadcast = await world.accept(groups=[SALES, STAFF], key=f"k{number}")
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
            await plan_to_the_end(world, broadcast)

            assert await planned(world, broadcast) == once(range(1_100))
            assert (await world.report(broadcast))["skipped"] == {"guests": 50, "disabled": 50}
            if not has_struck:
                break
        assert number > 15

    in_a_world(scenario, graph=graph)


def test_links_that_expire_while_a_plan_rests_begin_their_list_anew() -> None:
    graph = MemoryDirectory(
        groups={SALES: people(range(5_000), guests=range(4_000, 4_200))},
        page_size=500,
        fault=lambda number: THROTTLED if number in (4, 5, 12, 13) else None,
    )

    async def scenario(world: World) -> None:
        broadcast = await world.accept(groups=[SALES])
        for _ in range(2):
            await build_pipeline(world.app()).planner.handle(broadcast)
            graph.expire_links()
            await asyncio.sleep(60)
        await plan_to_the_end(world, broadcast)

        assert await planned(world, broadcast) == once(range(4_000)) + once(range(4_200, 5_000))
        assert (await world.report(broadcast))["skipped"] == {"guests": 200, "disabled": 0}
        assert len(graph.asked) > 12

    in_a_world(scenario, graph=graph)


@given(
    page_size=st.integers(50, 999),
    overlap=st.integers(0, 40),
    faults=st.dictionaries(st.integers(0, 60), st.sampled_from(sorted(FAULTS)), max_size=12),
    kills=st.lists(st.floats(0.05, 30.0), max_size=4),
)
def test_killed_planners_and_faults_of_any_sort_plan_everyone_once(
    page_size: int, overlap: int, faults: dict[int, str], kills: list[float]
) -> None:
    members = people(range(1_500), guests=range(1_000, 1_100), disabled=range(1_100, 1_150))
    graph = MemoryDirectory(
        members,
        {SALES: members[:1_050], STAFF: members[700:1_300]},
        page_size=page_size,
        overlap=overlap,
        fault=lambda number: FAULTS[faults[number]] if number in faults else None,
    )

    async def scenario(world: World) -> None:
        broadcast = await world.accept(users=range(900, 1_000), groups=[SALES, STAFF], tenant=True)
        for seconds in kills:
            planning = asyncio.create_task(build_pipeline(world.app()).planner.handle(broadcast))
            await asyncio.sleep(seconds)
            planning.cancel()
            await asyncio.gather(planning, return_exceptions=True)
        await plan_to_the_end(world, broadcast)

        assert await planned(world, broadcast) == once(range(1_000)) + once(range(1_150, 1_500))
        assert (await world.report(broadcast))["skipped"] == {"guests": 100, "disabled": 50}

    in_a_world(scenario, graph=graph)


@pytest.mark.parametrize("sees_ids_alone", [False, True])
def test_a_plan_without_consent_waits_with_an_alarm_and_goes_on_once_it_is_given(
    sees_ids_alone: bool, caplog: pytest.LogCaptureFixture
) -> None:
    graph = MemoryDirectory(groups={SALES: people(range(50))})

    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(50))
        if sees_ids_alone:
            graph.is_readable = False
        else:
            graph.fault = lambda _: FORBIDDEN
        broadcast = await world.accept(groups=[SALES])

        await asyncio.sleep(3600)
        waiting = await world.report(broadcast)
        asked = len(graph.asked)
        graph.is_readable, graph.fault = True, lambda _: None
        seconds = await world.finished(broadcast)

        assert (waiting["state"], waiting["plan_waits_for"], waiting["total"]) == ("planning", "consent", 0)
        # It asks once a minute, with a new token each time.
        assert 50 <= asked == graph.forgotten <= 62
        assert world.states(broadcast) == {State.SENT: 50}
        assert seconds < 180

    with caplog.at_level(logging.ERROR):
        in_a_world(scenario, graph=graph)
    assert any(message.startswith("audience_refused ") for message in caplog.messages)


def test_nudges_do_not_breed_while_graph_is_away() -> None:
    graph = MemoryDirectory(people(range(50)), fault=lambda _: refusal(503, "serviceNotAvailable"))

    async def scenario(world: World) -> None:
        world.start(3)
        broadcast = await world.accept(tenant=True, mode=Mode.SANDBOX)
        for _ in range(5):
            await world.app().nudging.plan(broadcast)
        await asyncio.sleep(3600)
        asked = len(graph.asked)
        graph.fault = lambda _: None
        await world.finished(broadcast)

        # Each ten seconds at most, and two nudges that met at the start.
        assert 200 < asked <= 375
        assert world.states(broadcast) == {State.SENT: 50}

    in_a_world(scenario, graph=graph)


def test_a_rest_that_graph_asked_for_is_kept_whoever_nudges() -> None:
    wait = refusal(429, "TooManyRequests", retry_after=300.0)
    graph = MemoryDirectory(people(range(50)), fault=lambda number: None if number else wait)

    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(tenant=True, mode=Mode.SANDBOX)
        await asyncio.sleep(300)
        asked = len(graph.asked)
        await world.finished(broadcast)

        assert (asked, len(graph.asked)) == (1, 2)

    in_a_world(scenario, graph=graph)


def test_what_waits_for_consent_can_be_cancelled() -> None:
    graph = MemoryDirectory(groups={SALES: people(range(50))}, fault=lambda _: FORBIDDEN)

    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(groups=[SALES])
        await asyncio.sleep(100)
        await world.app().broadcasts.changes.cancel(broadcast, at=world.account.now())
        await world.finished(broadcast)

        report = await world.report(broadcast)
        assert (report["state"], report["plan_waits_for"]) == ("cancelled", None)

    in_a_world(scenario, graph=graph)


def test_sending_starts_while_the_rest_of_a_large_tenant_is_still_read() -> None:
    graph = MemoryDirectory(people(range(8_000)), latency=9.0)

    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(tenant=True, mode=Mode.SANDBOX)
        await asyncio.sleep(30)

        assert not await is_planned(world, broadcast)
        assert world.states(broadcast)[State.SENT] > 100
        await world.finished(broadcast)
        assert world.states(broadcast) == {State.SENT: 8_000}
        # No page was read twice, though reading takes a planner's time several times over.
        assert len(graph.asked) == len(set(graph.asked)) == 9

    in_a_world(scenario, graph=graph)


def test_a_dry_run_counts_the_members_of_a_group() -> None:
    graph = MemoryDirectory(groups={SALES: people(range(60), guests=range(50, 60))})

    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(30))
        broadcast = await world.accept(groups=[SALES], mode=Mode.DRY_RUN)
        await world.finished(broadcast)

        report = await world.report(broadcast)
        counts = {
            "reachable": 30,
            "blocked": 0,
            "to_install": 20,
            "user_not_found": 0,
            "conversation_gone": 0,
            "opted_out": 0,
        }
        assert (report["rehearsal"]["counts"], report["skipped"]["guests"]) == (counts, 10)

    in_a_world(scenario, graph=graph)


def test_members_without_the_app_are_given_it_where_that_is_set_up() -> None:
    graph = MemoryDirectory(groups={SALES: people(range(60))})
    graph.gives_app = True

    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(30))
        broadcast = await world.accept(groups=[SALES])
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 60}
        assert graph.installs == Counter(object_id(number) for number in range(30, 60))

    in_a_world(scenario, graph=graph)


def test_a_link_that_no_row_could_keep_has_the_plan_wait() -> None:
    endless = Response(status=200, body={"value": [], "@odata.nextLink": f"https://graph.test/v1.0/{'x' * 40_000}"})
    graph = MemoryDirectory(people(range(5)), fault=lambda number: None if number else endless)

    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(tenant=True, mode=Mode.SANDBOX)
        await asyncio.sleep(10)

        assert (await world.report(broadcast))["plan_waits_for"] == "consent"

    in_a_world(scenario, graph=graph)


def test_a_link_to_another_host_is_not_followed() -> None:
    astray = Response(
        status=200, body={"value": [], "@odata.nextLink": "https://elsewhere.test/v1.0/users?$skiptoken=1"}
    )
    graph = MemoryDirectory(people(range(5)), fault=lambda number: None if number else astray)

    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(tenant=True, mode=Mode.SANDBOX)
        await asyncio.sleep(10)

        assert (await world.report(broadcast))["plan_waits_for"] == "consent"
        assert len(graph.asked) == 1

    in_a_world(scenario, graph=graph)
