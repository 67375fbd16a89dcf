"""The installer in the whole pipeline, on twins and in virtual time: who has no app gets it, then the message."""

import asyncio
from collections import Counter

import orjson
import pytest

from messages import parts
from shared.domain.outcomes import State
from shared.domain.references import ReferenceState
from shared.graph.install_states import failure_of
from shared.graph.protocol import Request, Response
from shared.storage import names
from shared.storage.broadcasts import Broadcasts
from shared.teams.answers import Answer as ConnectorAnswer
from shared.teams.answers import Verdict
from tests.twins.graph import MemoryGraph, refusal
from tests.twins.teams import MemoryConnector
from tests.twins.world import TENANT, World, in_a_world, object_id


def reasons(world: World, broadcast: str) -> Counter[str]:
    """How often each outcome stands in the table, by its character."""
    rows = world.account.table(names.BROADCASTS).rows(broadcast)
    return Counter("".join(str(values["outcomes"]) for key, values in rows.items() if key.startswith("batch!")))


@pytest.mark.parametrize("instances", [1, 3])
def test_people_without_the_app_get_it_once_and_then_the_message(instances: int) -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        await world.install(range(150))
        world.start(instances)

        broadcast = await world.accept(users=range(100, 400), everyone=True)
        seconds = await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 400}
        assert world.graph.installs == {object_id(number): 1 for number in range(150, 400)}
        assert set(world.connector.received.values()) == {1}
        assert seconds < 300

    in_a_world(scenario, graph=MemoryGraph())


def test_a_chat_that_graph_told_is_kept_for_the_next_broadcast() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.start()
        first = await world.accept(users=range(30), key="first")
        await world.finished(first)
        asked = world.graph.requests.total()

        second = await world.accept(users=range(30), key="second")
        await world.finished(second)

        assert world.states(second) == {State.SENT: 30}
        assert world.graph.requests.total() == asked
        assert set(world.connector.received) == {f"19:{object_id(n)}_bot@unq.gbl.spaces" for n in range(30)}

    in_a_world(scenario, graph=MemoryGraph())


def test_a_chat_of_graphs_that_the_connector_does_not_know_is_made_by_the_persons_id() -> None:
    async def scenario(world: World) -> None:
        gone = ConnectorAnswer(kind=Verdict.CONVERSATION_GONE, code="ConversationNotFound")
        world.connector.rule = lambda whom: gone if whom.startswith("19:") else None
        world.start()

        first = await world.accept(users=range(30), key="first")
        await world.finished(first)
        asked = world.connector.posted_at[-1]
        second = await world.accept(users=range(30), key="second")
        await world.finished(second)

        assert world.states(first) == world.states(second) == {State.SENT: 30}
        # The chat that was made took the place of the one that nobody knew.
        later = [at for at in world.connector.posted_at if at > asked]
        assert len(later) == 30

    in_a_world(scenario, graph=MemoryGraph())


def test_two_broadcasts_to_the_same_strangers_install_the_app_once() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.start(2)
        broadcasts = [await world.accept(users=range(200), key=f"{number}") for number in range(3)]
        for broadcast in broadcasts:
            await world.finished(broadcast)

        assert [world.states(broadcast) for broadcast in broadcasts] == [{State.SENT: 200}] * 3
        assert set(world.graph.installs.values()) == {1}

    in_a_world(scenario, graph=MemoryGraph(latency=2.0))


def test_a_list_that_lags_behind_an_install_is_waited_for() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.start()
        broadcast = await world.accept(users=range(40))
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 40}
        assert set(world.graph.installs.values()) == {1}

    in_a_world(scenario, graph=MemoryGraph(lag=7.0))


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (refusal(403, "Forbidden", "App is blocked by app permission policy. AppType: Private"), "2"),
        (refusal(403, "Forbidden", "Failed to get license information for the user."), "4"),
        (refusal(404, "NotFound", "User Id 'x' not found."), "3"),
        (refusal(400, "BadRequest", "This will never be right."), "9"),
    ],
)
def test_who_cannot_be_given_the_app_ends_in_an_outcome_of_their_own(answer: Response, outcome: str) -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        unlucky = {object_id(number) for number in range(0, 60, 7)}
        world.graph.rule = lambda request, person: answer if request.method == "POST" and person in unlucky else None
        world.start()

        broadcast = await world.accept(users=range(60))
        await world.finished(broadcast)

        assert reasons(world, broadcast) == {"S": 51, outcome: 9}
        assert world.graph.requests["POST installedApps"] == 60

    in_a_world(scenario, graph=MemoryGraph())


def test_what_fails_in_passing_is_tried_again_until_it_works() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        failures = Counter({object_id(number): number % 5 for number in range(60)})

        def sometimes(_request: Request, person: str) -> Response | None:
            if failures[person] == 0:
                return None
            failures[person] -= 1
            passing = [
                refusal(429, "TooManyRequests", retry_after=3.0),
                refusal(503, "ServiceUnavailable"),
                refusal(400, "BadRequest", "CreateOrUpdateUserAppEntitlementForTeamsAsync: Schema validation"),
                Response(status=0),
            ]
            return passing[failures[person] % 4]

        world.graph.rule = sometimes
        world.start()

        broadcast = await world.accept(users=range(60))
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 60}
        assert set(world.graph.installs.values()) == {1}

    in_a_world(scenario, graph=MemoryGraph())


def test_an_app_that_is_forbidden_to_everybody_pauses_the_broadcast_before_it_burns_through_the_audience() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        forbidden = refusal(403, "Forbidden", "Something that nobody has recorded.")
        world.graph.rule = lambda request, _: forbidden if request.method == "POST" else None
        world.start()

        broadcast = await world.accept(users=range(1_000))
        async with asyncio.timeout(600):
            while (report := await world.report(broadcast))["paused_for"] is None:
                await asyncio.sleep(1.0)
        await asyncio.sleep(30)

        report = await world.report(broadcast)
        assert report["paused_for"] == "refusals"
        assert 200 <= report["reasons"]["blocked_by_admin"] <= 300
        assert report["counts"]["awaiting_install"] >= 700

    in_a_world(scenario, graph=MemoryGraph())


def test_who_can_never_be_reached_is_given_up_after_a_day() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.graph.rule = lambda _, person: refusal(503, "ServiceUnavailable") if person == object_id(3) else None
        world.start()

        broadcast = await world.accept(users=range(6))
        seconds = await world.finished(broadcast, within=30 * 3600.0)

        assert reasons(world, broadcast) == {"S": 5, "9": 1}
        assert 23 * 3600 < seconds < 25 * 3600

    in_a_world(scenario, graph=MemoryGraph())


@pytest.mark.parametrize(
    "answer",
    [
        refusal(403, "Forbidden", "Missing role permissions on the request. API requires one of 'X'."),
        refusal(404, "NotFound", "The app is not found in the catalog."),
    ],
)
def test_what_concerns_everybody_holds_all_installs_and_burns_nobody(answer: Response) -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.graph.rule = lambda request, _: answer if request.method == "POST" else None
        await world.install(range(50))
        world.start(2)
        broadcast = await world.accept(users=range(600))

        await asyncio.sleep(3600)
        posts = world.graph.requests["POST installedApps"]
        held = world.states(broadcast)
        report = await world.report(broadcast)
        world.graph.rule = None
        await world.finished(broadcast)

        # Who has the app got the message meanwhile; of the others a few were asked for each five minutes, and where a
        # permission is missing once more with a new token.
        assert held == {State.SENT: 50, State.AWAITING_INSTALL: 550}
        assert posts <= 2 * (12 * 20 + 8 * 20)
        assert report["install_blocked"] == failure_of(answer)
        assert world.states(broadcast) == {State.SENT: 600}
        assert (await world.report(broadcast))["install_blocked"] is None

    in_a_world(scenario, graph=MemoryGraph())


def test_a_token_from_before_the_consent_blocks_nobody() -> None:
    async def scenario(world: World) -> None:
        graph = world.graph
        assert graph is not None
        missing = refusal(403, "Forbidden", "Missing role permissions on the request. API requires one of 'X'.")
        graph.rule = lambda _, __: None if graph.forgotten else missing
        world.start()
        broadcast = await world.accept(users=range(30))
        seconds = await world.finished(broadcast)

        assert seconds < 30
        assert world.states(broadcast) == {State.SENT: 30}

    in_a_world(scenario, graph=MemoryGraph())


def test_an_operator_need_not_wait_for_the_next_try() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        missing = refusal(403, "Forbidden", "Missing role permissions on the request. API requires one of 'X'.")
        world.graph.rule = lambda request, _: missing if request.method == "POST" else None
        world.start()
        broadcast = await world.accept(users=range(30))
        await asyncio.sleep(20)
        world.graph.rule = None

        answer = await parts.install_api(world.app()).retry(TENANT)
        seconds = await world.finished(broadcast)

        assert orjson.loads(answer.body)["install_blocked"] is None
        assert seconds < 30

    in_a_world(scenario, graph=MemoryGraph())


def test_refused_credentials_hold_the_installs_too() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.graph.refuses_tokens = True
        world.start()
        broadcast = await world.accept(users=range(30))

        await asyncio.sleep(1800)
        held = world.states(broadcast)
        world.graph.refuses_tokens = False
        await world.finished(broadcast)

        assert held == {State.AWAITING_INSTALL: 30}
        assert world.states(broadcast) == {State.SENT: 30}

    in_a_world(scenario, graph=MemoryGraph())


def test_who_removed_the_app_is_given_it_again() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        await world.install(range(3))
        await world.app().conversations.mark(
            TENANT, f"user!{object_id(1)}", ReferenceState.UNINSTALLED, at="2026-01-01T00:00:00.000000Z"
        )
        world.start()

        broadcast = await world.accept(users=range(3))
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 3}
        assert world.graph.installs == {object_id(1): 1}

    in_a_world(scenario, graph=MemoryGraph())


def test_a_cancel_gives_nobody_the_app_any_more() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.start()
        broadcast = await world.accept(users=range(2_000))
        await asyncio.sleep(10)
        store = Broadcasts(world.account.table(names.BROADCASTS))
        await store.changes.cancel(broadcast, at=world.account.clock.now())
        await asyncio.sleep(10)
        installed = world.graph.installs.total()
        await world.finished(broadcast)

        assert 0 < installed < 2_000
        assert world.graph.installs.total() == installed

    in_a_world(scenario, graph=MemoryGraph(latency=2.0))


def test_an_instance_that_dies_while_it_installs_loses_nobody_and_installs_nobody_twice() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.start(2)
        broadcast = await world.accept(users=range(500))
        for _ in range(6):
            await asyncio.sleep(3.1)
            await world.instances.pop(0).stop()
            world.start(1)
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 500}
        assert set(world.graph.installs.values()) == {1}

    in_a_world(scenario, graph=MemoryGraph(latency=1.0), connector=MemoryConnector())


@pytest.mark.parametrize("lag", [0.0, 3.0])
def test_the_first_message_goes_out_before_the_hundredth_install(lag: float) -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.start()
        await world.accept(users=range(900))

        while not world.connector.posted_at:
            await asyncio.sleep(0.1)

        assert world.graph.installs.total() < 100

    in_a_world(scenario, graph=MemoryGraph(latency=1.0, lag=lag))


def test_an_install_of_which_the_bot_was_told_is_not_looked_for() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.graph.tells = lambda person: world.install([int(person.rpartition("-")[2], 16)])
        world.start()
        broadcast = await world.accept(users=range(40))
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 40}
        assert world.graph.requests == {"GET installedApps": 40, "POST installedApps": 40}

    in_a_world(scenario, graph=MemoryGraph())
