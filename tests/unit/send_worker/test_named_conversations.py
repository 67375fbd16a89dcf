"""Teams by their group's id and channels by name: found when a broadcast is planned, or told as not there."""

from collections import Counter
from dataclasses import replace

import pytest

from messages import parts
from shared.domain.audience import Audience, Derived
from shared.domain.modes import Mode
from shared.domain.outcomes import Outcome, State
from shared.domain.recipients import RecipientKind, named_channel_key, recipient_key
from shared.domain.references import Reference, ReferenceState, reference_of, values_of
from shared.graph.protocol import Response
from shared.storage import names
from shared.storage.rows import upsert
from shared.teams.answers import Answer, Verdict
from tests.twins.graph import MemoryGraph, refusal
from tests.twins.teams import MemoryConnector
from tests.twins.world import SERVICE_URL, TENANT, World, in_a_world

KITCHEN, LUNCH, LOST = (f"19:{name}@thread.tacv2" for name in ("a-kitchen", "b-lunch", "c-lost"))
SALES_CHANNEL, NEWS = "19:sales@thread.tacv2", "19:news@thread.tacv2"
KITCHEN_GROUP, LUNCH_GROUP, NO_TEAM = (f"{digit * 8}-1111-1111-1111-111111111111" for digit in "123")


def a_connector() -> MemoryConnector:
    """A Connector that tells of the channels of two teams."""
    connector = MemoryConnector()
    connector.channels = {KITCHEN: {"Sales": SALES_CHANNEL, "News & more / all": NEWS}, LUNCH: {"Menus": "19:menus@x"}}
    return connector


def a_graph() -> MemoryGraph:
    """A Graph that knows both teams by their groups."""
    graph = MemoryGraph()
    graph.teams = {KITCHEN_GROUP: KITCHEN, LUNCH_GROUP: LUNCH}
    return graph


def named(*keys: str) -> Audience:
    """An audience of teams and channels by name."""
    return Audience(named_conversations=tuple(sorted(keys)))


def team(group: str) -> str:
    return recipient_key(RecipientKind.TEAM, group)


async def recipients(world: World, broadcast: str) -> dict[tuple[str, str], tuple[str, str | None, int]]:
    """State, reason and attempts of each delivery, by its recipient."""
    page = await parts.reports(world.app()).deliveries(broadcast, first=0, most=1_000)
    return {
        (one["recipient"]["kind"], one["recipient"]["id"]): (one["state"], one["reason"], one["attempts"])
        for one in page.deliveries
    }


SENT, GONE = ("sent", None, 1), ("undeliverable", "conversation_gone", 0)


def test_channels_are_reached_by_name_and_what_is_not_there_is_told() -> None:
    connector = a_connector()

    async def scenario(world: World) -> None:
        world.start()
        audience = named(
            named_channel_key(KITCHEN, " SALES"),
            named_channel_key(KITCHEN, "news & More / all"),
            named_channel_key(KITCHEN, "Gossip"),
            named_channel_key(LOST, "Sales"),
            named_channel_key(LOST, "News"),
        )
        broadcast = await world.accept(audience=audience)
        await world.finished(broadcast)

        report = await world.report(broadcast)
        assert (report["state"], report["reasons"]) == ("finished", {"conversation_gone": 3})
        assert await recipients(world, broadcast) == {
            ("channel", SALES_CHANNEL): SENT,
            ("channel", NEWS): SENT,
            ("channel_name", f"{KITCHEN}/gossip"): GONE,
            ("channel_name", f"{LOST}/sales"): GONE,
            ("channel_name", f"{LOST}/news"): GONE,
        }
        assert connector.received == Counter({SALES_CHANNEL: 1, NEWS: 1})
        # One request for each team, however many of its channels are named.
        assert connector.asked == [KITCHEN, LOST]

    in_a_world(scenario, connector=connector)


def test_teams_are_reached_by_their_groups_and_a_group_without_a_team_is_told() -> None:
    connector, graph = a_connector(), a_graph()

    async def scenario(world: World) -> None:
        world.start()
        audience = named(
            team(KITCHEN_GROUP),
            team(NO_TEAM),
            named_channel_key(LUNCH_GROUP, "menus"),
            named_channel_key(NO_TEAM, "menus"),
        )
        broadcast = await world.accept(audience=audience)
        await world.finished(broadcast)

        assert await recipients(world, broadcast) == {
            ("channel", KITCHEN): SENT,
            ("channel", "19:menus@x"): SENT,
            ("team", NO_TEAM): GONE,
            ("channel_name", f"{NO_TEAM}/menus"): GONE,
        }
        # Each group once, in one batch; no team is asked whose channels are not named.
        assert graph.requests["GET team"] == 3
        assert connector.asked == [LUNCH]

    in_a_world(scenario, connector=connector, graph=graph)


def test_who_is_named_in_several_ways_gets_the_message_once() -> None:
    connector, graph = a_connector(), a_graph()

    async def scenario(world: World) -> None:
        world.start()
        keys = (team(KITCHEN_GROUP), named_channel_key(KITCHEN, "Sales"), named_channel_key(KITCHEN_GROUP, "SALES"))
        both = tuple(sorted(recipient_key(RecipientKind.CHANNEL, one) for one in (KITCHEN, SALES_CHANNEL)))
        broadcast = await world.accept(
            audience=Audience(conversations=both, named_conversations=tuple(sorted(keys))),
        )
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 2}
        assert connector.received == Counter({KITCHEN: 1, SALES_CHANNEL: 1})

    in_a_world(scenario, connector=connector, graph=graph)


def test_many_teams_are_found_in_batches_and_their_channels_by_a_request_each() -> None:
    connector, graph = MemoryConnector(), MemoryGraph()
    groups = [f"00000000-2222-2222-2222-{number:012d}" for number in range(100)]
    graph.teams = {group: f"19:team-{number:03d}@x" for number, group in enumerate(groups)}
    connector.channels = {
        one: {f"Channel {number}": f"{one}-{number}" for number in range(9)} for one in graph.teams.values()
    }

    async def scenario(world: World) -> None:
        world.start()
        keys = [named_channel_key(group, f"channel {number}") for group in groups for number in range(9)]
        broadcast = await world.accept(audience=named(*keys, *map(team, groups)), mode=Mode.SANDBOX)
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 1_000}
        assert Counter(connector.asked) == Counter(list(graph.teams.values()))

    in_a_world(scenario, connector=connector, graph=graph)


def test_a_team_that_was_found_is_remembered_as_one_that_does_not_have_the_app() -> None:
    async def scenario(world: World) -> None:
        world.start()
        await world.install([1])
        broadcast = await world.accept(audience=named(team(KITCHEN_GROUP)))
        await world.finished(broadcast)

        row = world.account.table(names.CONVERSATIONS).rows(TENANT)[recipient_key(RecipientKind.CHANNEL, KITCHEN)]
        assert reference_of(row) == Reference(
            service_url=SERVICE_URL,
            team=KITCHEN,
            group=KITCHEN_GROUP,
            channel=KITCHEN,
            state=ReferenceState.UNINSTALLED,
        )

    in_a_world(scenario, connector=a_connector(), graph=a_graph())


def test_a_team_that_was_found_is_given_the_app_where_that_is_set_up() -> None:
    graph = a_graph()
    graph.scopes = "personal,team"

    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(audience=named(team(KITCHEN_GROUP), team(NO_TEAM)))
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 1, State.UNDELIVERABLE: 1}
        assert graph.installs == Counter({KITCHEN_GROUP: 1})

    in_a_world(scenario, connector=a_connector(), graph=graph)


def test_what_an_activity_told_of_a_team_stays() -> None:
    stands = Reference(conversation=KITCHEN, service_url="https://smba.trafficmanager.net/emea/", team=KITCHEN)

    async def scenario(world: World) -> None:
        world.start()
        table, key = world.account.table(names.CONVERSATIONS), recipient_key(RecipientKind.CHANNEL, KITCHEN)
        await table.write(TENANT, [upsert(key, values_of(stands))])
        await world.finished(await world.accept(audience=named(team(KITCHEN_GROUP))))

        # A message in a channel does not tell the team's group; that is learned here.
        assert reference_of(table.rows(TENANT)[key]) == replace(stands, group=KITCHEN_GROUP)

    in_a_world(scenario, connector=a_connector(), graph=a_graph())


def test_a_team_is_given_the_app_again_by_the_group_that_no_activity_told() -> None:
    graph = a_graph()
    graph.scopes = "personal,team"
    removed = Reference(conversation=KITCHEN, service_url=SERVICE_URL, team=KITCHEN, state=ReferenceState.UNINSTALLED)

    async def scenario(world: World) -> None:
        world.start()
        key = recipient_key(RecipientKind.CHANNEL, KITCHEN)
        await world.account.table(names.CONVERSATIONS).write(TENANT, [upsert(key, values_of(removed))])
        broadcast = await world.accept(audience=named(team(KITCHEN_GROUP)))
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 1}
        assert graph.installs == Counter({KITCHEN_GROUP: 1})

    in_a_world(scenario, connector=a_connector(), graph=graph)


CONNECTOR_FAULTS = [
    Answer(kind=Verdict.THROTTLED, code="Throttled", retry_after=3.0),
    Answer(kind=Verdict.FAILED_MAYBE, code="502"),
    Answer(kind=Verdict.UNAUTHORIZED, code="401"),
]


@pytest.mark.parametrize("fault", CONNECTOR_FAULTS, ids=lambda answer: answer.kind.name)
def test_channels_by_name_wait_for_the_connector(fault: Answer) -> None:
    connector = a_connector()
    connector.read_fault = lambda number: fault if number < 2 else None

    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(audience=named(named_channel_key(KITCHEN, "Sales")))
        await world.finished(broadcast, within=600)

        assert world.states(broadcast) == {State.SENT: 1}

    in_a_world(scenario, connector=connector)


GRAPH_FAULTS = [refusal(429, "TooManyRequests", retry_after=3.0), refusal(403, "Forbidden"), Response(status=0)]


@pytest.mark.parametrize("fault", GRAPH_FAULTS, ids=lambda response: str(response.status))
def test_teams_by_their_groups_wait_for_graph(fault: Response) -> None:
    graph = a_graph()
    graph.rule = lambda _, __: fault if graph.requests["GET team"] < 3 else None

    async def scenario(world: World) -> None:
        world.start()
        broadcast = await world.accept(audience=named(team(KITCHEN_GROUP)))
        await world.finished(broadcast, within=600)

        assert world.states(broadcast) == {State.SENT: 1}

    in_a_world(scenario, connector=a_connector(), graph=graph)


def test_a_retry_looks_for_what_was_not_there_once_more() -> None:
    connector, graph = a_connector(), a_graph()
    del graph.teams[KITCHEN_GROUP]

    async def scenario(world: World) -> None:
        world.start()
        keys = (
            team(KITCHEN_GROUP),
            team(NO_TEAM),
            named_channel_key(LUNCH, "Gossip"),
            named_channel_key(LUNCH, "Menus"),
        )
        first = await world.accept(audience=named(*keys))
        await world.finished(first)
        graph.teams[KITCHEN_GROUP] = KITCHEN
        connector.channels[LUNCH]["Gossip"] = "19:gossip@x"
        again = await world.accept(
            audience=Audience(derived=Derived(broadcast=first, outcomes=Outcome.CONVERSATION_GONE.value)), key="again"
        )
        await world.finished(again)

        assert world.states(first) == {State.SENT: 1, State.UNDELIVERABLE: 3}
        assert await recipients(world, again) == {
            ("channel", KITCHEN): SENT,
            ("channel", "19:gossip@x"): SENT,
            ("team", NO_TEAM): GONE,
        }

    in_a_world(scenario, connector=connector, graph=graph)


def test_a_dry_run_tells_what_is_not_there_and_sends_nothing() -> None:
    async def scenario(world: World) -> None:
        world.start()
        keys = (
            team(KITCHEN_GROUP),
            team(NO_TEAM),
            named_channel_key(KITCHEN, "Sales"),
            named_channel_key(LOST, "Sales"),
        )
        broadcast = await world.accept(audience=named(*keys), mode=Mode.DRY_RUN)
        await world.finished(broadcast)

        rehearsal = (await world.report(broadcast))["rehearsal"]
        assert rehearsal["recipients"] == 4
        assert {name: number for name, number in rehearsal["counts"].items() if number} == {
            "reachable": 2,
            "conversation_gone": 2,
        }
        assert rehearsal["estimated_seconds"] == 1
        assert not world.connector.received

    in_a_world(scenario, connector=a_connector(), graph=a_graph())


def test_one_channel_that_is_not_there_can_be_asked_for() -> None:
    async def scenario(world: World) -> None:
        world.start()
        keys = [named_channel_key(KITCHEN, f"Rumour {number}") for number in range(150)]
        broadcast = await world.accept(audience=named(*keys, named_channel_key(KITCHEN, "Straße #1")))
        await world.finished(broadcast)

        found = await world.app().search.find(broadcast, [named_channel_key(KITCHEN, "STRASSE #1")])
        assert len(found.found) == 1

    in_a_world(scenario, connector=a_connector())
