"""Members of teams and group chats as people: whatever goes wrong at whatever page, each has one delivery."""

import asyncio
import logging
from collections import Counter
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from send_worker.pipeline import build_pipeline
from shared.domain.audience import Audience
from shared.domain.modes import Mode
from shared.domain.outcomes import State
from shared.domain.recipients import RecipientKind, recipient_key
from shared.domain.references import Reference, values_of
from shared.errors import StorageUnavailable
from shared.storage import names
from shared.storage.broadcasts import Broadcasts
from shared.storage.rows import upsert
from shared.teams.answers import Answer, Verdict
from shared.teams.protocol import Request
from tests.twins.directory import Account, MemoryDirectory
from tests.twins.storage import Call, Moment, yielding
from tests.twins.teams import MemoryConnector
from tests.twins.world import TENANT, World, in_a_world, object_id

KITCHEN, LUNCH, CHAT, LOST = (f"19:{name}@thread.tacv2" for name in ("a-kitchen", "b-lunch", "c-chat", "d-lost"))
SALES = "11111111-1111-1111-1111-111111111111"


def member(number: int, *, is_guest: bool = False) -> dict[str, Any]:
    """The person of this number as a roster shows one."""
    return {"id": f"29:{number}", "objectId": object_id(number).upper(), "userRole": "guest" if is_guest else "user"}


def members(numbers: range, *, guests: range = range(0)) -> list[dict[str, Any]]:
    """Likewise of several people, and a bot."""
    return [{"id": "28:bot", "name": "A bot"}, *(member(one, is_guest=one in guests) for one in numbers)]


def a_connector(**rosters: list[dict[str, Any]]) -> MemoryConnector:
    """A Connector that tells of the rosters of the kitchen, the lunch and the chat."""
    connector = MemoryConnector()
    places = {"kitchen": KITCHEN, "lunch": LUNCH, "chat": CHAT}
    connector.rosters = {places[name]: roster for name, roster in rosters.items()}
    return connector


async def planned(world: World, broadcast: str) -> Counter[str]:
    """How many deliveries each recipient has."""
    batches = await Broadcasts(world.account.table(names.BROADCASTS)).batches(broadcast, first=0, limit=10_000)
    return Counter(recipient.key for batch in batches for recipient in batch.recipients)


async def plan_to_the_end(world: World, broadcast: str) -> None:
    """Nudge a planner, each time one of another process, until the plan has come to its end."""
    store = Broadcasts(world.account.table(names.BROADCASTS))
    for _ in range(1_000):
        await build_pipeline(world.app()).planner.handle(broadcast)
        if (await store.cursor(broadcast)).cursor.is_finished:
            return
        await asyncio.sleep(60)
    raise AssertionError("the plan does not end")


def once(numbers: range) -> Counter[str]:
    """One delivery for each of these."""
    return Counter({f"user!{object_id(number)}": 1 for number in numbers})


def test_members_of_rosters_groups_and_named_people_get_one_delivery_each() -> None:
    connector = a_connector(kitchen=members(range(1_300)), chat=members(range(1_200, 1_400)))
    graph = MemoryDirectory(groups={SALES: [Account(object_id(number)) for number in range(1_350, 1_500)]})

    async def scenario(world: World) -> None:
        users = tuple(recipient_key(RecipientKind.USER, object_id(number)) for number in range(5))
        audience = Audience(users=users, groups=(SALES,), rosters=(KITCHEN, CHAT))
        broadcast = await world.accept(audience=audience)
        await plan_to_the_end(world, broadcast)

        assert await planned(world, broadcast) == once(range(1_500))
        assert connector.asked == [KITCHEN] * 3 + [CHAT]

    in_a_world(scenario, connector=connector, graph=graph)


def test_members_of_a_roster_get_the_message() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(250))
        broadcast = await world.accept(audience=Audience(rosters=(CHAT,)))
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 250}
        assert CHAT not in world.connector.received

    in_a_world(scenario, connector=a_connector(chat=members(range(250))))


def test_guests_of_several_rosters_are_left_out_and_counted_once() -> None:
    everybody = members(range(30), guests=range(10, 25))
    connector = a_connector(kitchen=everybody[:21], lunch=everybody[6:])
    connector.page_size = 7

    async def scenario(world: World) -> None:
        broadcast = await world.accept(audience=Audience(rosters=(KITCHEN, LUNCH)))
        await plan_to_the_end(world, broadcast)

        assert await planned(world, broadcast) == once(range(10)) + once(range(25, 30))
        assert (await world.report(broadcast))["skipped"] == {"guests": 15, "disabled": 0}

    in_a_world(scenario, connector=connector)


def test_a_roster_where_the_bot_is_not_is_told_and_the_others_get_the_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(40))
        broadcast = await world.accept(audience=Audience(rosters=(KITCHEN, LUNCH, LOST)))
        await world.finished(broadcast)

        report = await world.report(broadcast)
        assert world.states(broadcast) == {State.SENT: 40}
        assert (report["state"], report["unknown_rosters"]) == ("finished", [LUNCH, LOST])
        assert (report["unknown_groups"], report["plan_waits_for"]) == ([], None)

    with caplog.at_level(logging.WARNING):
        in_a_world(scenario, connector=a_connector(kitchen=members(range(40))))

    assert sum(message.startswith("roster_unknown ") for message in caplog.messages) == 2


FAULTS = {
    "throttled": Answer(kind=Verdict.THROTTLED, code="Throttled", retry_after=20.0),
    "away": Answer(kind=Verdict.BUSY, code="503"),
    "broken": Answer(kind=Verdict.SERVICE_ERROR, code="ServiceError"),
    "no answer": Answer(kind=Verdict.ANSWER_LOST, code="TimeoutError"),
    "unreadable": Answer(kind=Verdict.ACCEPTED, found={"something": "else"}),
    "credentials": Answer(kind=Verdict.UNAUTHORIZED, code="401"),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("page", [0, 1, 3])
def test_a_plan_goes_on_by_itself_whatever_goes_wrong_at_any_page_of_a_roster(name: str, page: int) -> None:
    connector = a_connector(kitchen=members(range(120)), lunch=members(range(100, 190), guests=range(180, 190)))
    connector.page_size = 50
    connector.read_fault = lambda number: FAULTS[name] if page <= number < page + 3 else None

    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(audience=Audience(rosters=(KITCHEN, LUNCH)), mode=Mode.SANDBOX)
        await world.finished(broadcast, within=1_000)

        assert await planned(world, broadcast) == once(range(180))
        assert (await world.report(broadcast))["skipped"] == {"guests": 10, "disabled": 0}

    in_a_world(scenario, connector=connector)


def test_a_continuation_that_leads_nowhere_begins_its_own_roster_anew() -> None:
    connector = a_connector(kitchen=members(range(600)), lunch=members(range(600, 2_000)))
    connector.read_fault = lambda number: Answer(kind=Verdict.REJECTED, code="Bad Argument") if number == 3 else None

    async def scenario(world: World) -> None:
        broadcast = await world.accept(audience=Audience(rosters=(KITCHEN, LUNCH)))
        await plan_to_the_end(world, broadcast)

        assert await planned(world, broadcast) == once(range(2_000))
        assert connector.asked == [KITCHEN] * 2 + [LUNCH] * 2 + [LUNCH] * 3

    in_a_world(scenario, connector=connector)


def test_a_page_that_leads_to_itself_is_asked_for_now_and_then_until_it_leads_on() -> None:
    class Circling(MemoryConnector):
        circles = True

        def _read(self, request: Request) -> Answer:
            answer = super()._read(request)
            if self.circles and "continuationToken" in answer.found:
                return Answer(kind=Verdict.ACCEPTED, found={**answer.found, "continuationToken": "page & 50"})
            return answer

    connector = Circling()
    connector.rosters = {KITCHEN: members(range(160))}
    connector.page_size = 50

    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(audience=Audience(rosters=(KITCHEN,)), mode=Mode.SANDBOX)
        await asyncio.sleep(300)
        waiting, asked = await world.report(broadcast), len(connector.asked)
        connector.circles = False
        await world.finished(broadcast, within=600)

        assert (waiting["plan_waits_for"], asked <= 31) == ("directory", True)
        assert await planned(world, broadcast) == once(range(160))

    in_a_world(scenario, connector=connector)


def test_a_plan_waits_while_the_credentials_are_refused_and_says_so() -> None:
    connector = a_connector(kitchen=members(range(10)))

    async def scenario(world: World) -> None:
        world.start()
        connector.refuses_tokens = True
        broadcast = await world.accept(audience=Audience(rosters=(KITCHEN,)), mode=Mode.SANDBOX)
        await asyncio.sleep(30)
        waiting = await world.report(broadcast)
        connector.refuses_tokens = False
        await world.finished(broadcast, within=180)

        assert (waiting["state"], waiting["plan_waits_for"]) == ("planning", "consent")
        assert world.states(broadcast) == {State.SENT: 10}

    in_a_world(scenario, connector=connector)


@settings(max_examples=25)
@given(size=st.integers(1, 50), shown=st.integers(1, 60), cut=st.integers(0, 40))
def test_pages_of_any_size_and_a_planner_killed_at_any_of_them_plan_everyone_once(
    size: int, shown: int, cut: int
) -> None:
    connector = a_connector(kitchen=members(range(shown)), lunch=members(range(shown // 2, 2 * shown)))
    connector.page_size = size

    async def scenario(world: World) -> None:
        broadcast = await world.accept(audience=Audience(rosters=(KITCHEN, LUNCH)))
        planner = asyncio.create_task(build_pipeline(world.app()).planner.handle(broadcast))
        while len(connector.asked) < cut and not planner.done():
            await asyncio.sleep(0.05)
        planner.cancel()
        await asyncio.gather(planner, return_exceptions=True)
        await plan_to_the_end(world, broadcast)

        assert await planned(world, broadcast) == once(range(2 * shown))

    in_a_world(scenario, connector=connector)


@pytest.mark.parametrize("moment", Moment)
def test_a_plan_that_breaks_off_at_any_call_of_storage_plans_each_member_once(moment: Moment) -> None:
    connector = a_connector(kitchen=members(range(120)), lunch=members(range(100, 200), guests=range(190, 200)))
    connector.page_size = 50

    async def scenario(world: World) -> None:
        for number in count():
            audience = Audience(rosters=(KITCHEN, LUNCH))
            broadcast = await world.accept(audience=audience, key=f"k{number}", mode=Mode.SANDBOX)
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

            assert await planned(world, broadcast) == once(range(190))
            assert (await world.report(broadcast))["skipped"] == {"guests": 10, "disabled": 0}
            if not has_struck:
                break
        assert number > 10

    in_a_world(scenario, connector=connector)


def test_members_of_a_roster_can_be_left_out_guests_among_them() -> None:
    connector = a_connector(kitchen=members(range(100)), lunch=members(range(60, 80), guests=range(60, 65)))

    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(100))
        broadcast = await world.accept(audience=Audience(rosters=(KITCHEN,), except_rosters=(LUNCH,)))
        await world.finished(broadcast)

        assert await planned(world, broadcast) == once(range(60)) + once(range(80, 100))
        assert (await world.report(broadcast))["skipped"] == {"guests": 0, "disabled": 0}

    in_a_world(scenario, connector=connector)


def test_nobody_is_sent_to_while_a_roster_that_is_left_out_is_unknown() -> None:
    connector = a_connector()

    async def scenario(world: World) -> None:
        world.start()
        await world.install(range(10))
        broadcast = await world.accept(audience=Audience(everyone_installed=True, except_rosters=(LUNCH,)))
        await asyncio.sleep(300)
        waiting, sent = await world.report(broadcast), connector.received.total()
        connector.rosters[LUNCH] = members(range(5))
        await world.finished(broadcast)

        assert (waiting["plan_waits_for"], waiting["unknown_exceptions"], sent) == ("exception", [LUNCH], 0)
        assert (await world.report(broadcast))["unknown_exceptions"] == []
        assert world.states(broadcast) == {State.SENT: 5}

    in_a_world(scenario, connector=connector)


def test_a_roster_may_be_named_by_its_teams_group() -> None:
    connector = a_connector(kitchen=members(range(1_100)), lunch=members(range(1_000, 1_200)))
    graph = MemoryDirectory()
    graph.teams = {SALES: KITCHEN}
    nobody = "22222222-1111-1111-1111-111111111111"

    async def scenario(world: World) -> None:
        broadcast = await world.accept(audience=Audience(rosters=tuple(sorted([SALES, LUNCH, nobody]))))
        await plan_to_the_end(world, broadcast)

        assert await planned(world, broadcast) == once(range(1_200))
        assert (await world.report(broadcast))["unknown_rosters"] == [nobody]
        # Each is looked up once, however many pages it has.
        assert graph.requests["GET team"] == 2

    in_a_world(scenario, connector=connector, graph=graph)


def test_a_large_team_is_read_in_slots_of_the_pace() -> None:
    connector = a_connector(kitchen=members(range(600)))
    connector.page_size = 1

    async def scenario(world: World) -> None:
        started = asyncio.get_running_loop().time()
        broadcast = await world.accept(audience=Audience(rosters=(KITCHEN,)))
        await plan_to_the_end(world, broadcast)

        assert await planned(world, broadcast) == once(range(600))
        assert asyncio.get_running_loop().time() - started >= 600 / 10 - 1
        assert connector.throttled == 0

    in_a_world(scenario, connector=connector, pace=10.0)


@pytest.mark.parametrize("kind", [RecipientKind.CHANNEL, RecipientKind.CHAT])
def test_a_roster_is_read_where_its_own_reference_says(kind: RecipientKind) -> None:
    hosts: list[str] = []

    class Listening(MemoryConnector):
        async def send(self, request: Request) -> Answer:
            hosts.append(request.url.partition("/v3/")[0])
            return await super().send(request)

    connector = Listening()
    connector.rosters = {KITCHEN: members(range(3)), LUNCH: members(range(3))}

    async def scenario(world: World) -> None:
        table = world.account.table(names.CONVERSATIONS)
        reference = Reference(conversation=KITCHEN, service_url="https://smba.trafficmanager.net/emea/")
        await table.write(TENANT, [upsert(recipient_key(kind, KITCHEN), values_of(reference))])
        await world.install(range(3))
        await plan_to_the_end(world, await world.accept(audience=Audience(rosters=(KITCHEN,)), mode=Mode.DRY_RUN))

        assert hosts == ["https://smba.trafficmanager.net/emea"]

    in_a_world(scenario, connector=connector)


def test_a_team_of_the_gcc_cloud_is_read_there() -> None:
    hosts: list[str] = []

    class Gcc(MemoryConnector):
        async def send(self, request: Request) -> Answer:
            hosts.append(request.url.partition("/v3/")[0])
            if "gcc" not in request.url:
                return Answer(kind=Verdict.WRONG_HOST, code="InvalidBotApiHost")
            return await super().send(request)

    connector = Gcc()
    connector.rosters = {KITCHEN: members(range(3))}

    async def scenario(world: World) -> None:
        broadcast = await world.accept(audience=Audience(rosters=(KITCHEN,)))
        await plan_to_the_end(world, broadcast)

        assert await planned(world, broadcast) == once(range(3))
        assert hosts == ["https://smba.trafficmanager.net/teams", "https://smba.infra.gcc.teams.microsoft.com/teams"]

    in_a_world(scenario, connector=connector)
