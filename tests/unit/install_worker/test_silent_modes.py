"""Broadcasts that see to the app and say nothing: it is installed, brought up to date, or removed."""

import asyncio

import pytest

from shared.domain.modes import Mode
from shared.domain.outcomes import State
from shared.domain.references import Reference, ReferenceState, values_of
from shared.storage import names
from shared.storage.rows import upsert
from tests.twins.graph import MemoryGraph, refusal
from tests.twins.world import SERVICE_URL, TENANT, World, in_a_world, object_id

EVERYWHERE = "personal,team,groupChat"
GROUP = "00000000-0000-0000-0000-00000000beef"
TEAM, CHAT = "channel!19:team@thread.tacv2", "chat!19:chat@thread.v2"


async def keep(world: World, key: str, reference: Reference) -> None:
    await world.account.table(names.CONVERSATIONS).write(TENANT, [upsert(key, values_of(reference))])


async def remember_team(world: World, state: ReferenceState = ReferenceState.UNINSTALLED) -> None:
    """Keep what is known of a team after its app was removed."""
    channel = TEAM.partition("!")[2]
    reference = Reference(conversation=channel, service_url=SERVICE_URL, team=channel, group=GROUP, state=state)
    await keep(world, TEAM, reference)


def state_of(world: World, key: str) -> str:
    """What the stored reference says of the app."""
    return str(world.account.table(names.CONVERSATIONS).rows(TENANT)[key]["state"])


def test_the_app_is_installed_ahead_of_time_and_nothing_is_said() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        await world.install(range(30))
        world.start(2)

        broadcast = await world.accept(users=range(100), mode=Mode.INSTALL)
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.INSTALLED: 100}
        assert world.graph.installs == {object_id(number): 1 for number in range(30, 100)}
        assert world.posts() == 0

    in_a_world(scenario, graph=MemoryGraph())


def test_a_broadcast_finds_the_chats_of_those_who_were_given_the_app_ahead_of_time() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.start()
        await world.finished(await world.accept(users=range(40), mode=Mode.INSTALL, key="ahead"))
        asked = world.graph.requests.total()

        broadcast = await world.accept(users=range(40), key="message")
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: 40}
        assert world.graph.requests.total() == asked

    in_a_world(scenario, graph=MemoryGraph())


def test_older_installations_are_upgraded_and_missing_ones_installed() -> None:
    async def scenario(world: World) -> None:
        graph = world.graph
        assert graph is not None
        for number in range(20):
            graph.has_app(object_id(number))
        graph.newest = "1.10.0"
        for number in range(20, 30):
            graph.has_app(object_id(number))
        await world.install(range(30))
        for number in range(5):
            graph.versions[object_id(number)] = "1.9.2"
        world.start()

        broadcast = await world.accept(users=range(40), mode=Mode.UPGRADE)
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.INSTALLED: 40}
        assert set(graph.versions.values()) == {"1.10.0"}
        assert graph.requests["POST upgrade"] == 20
        assert set(graph.installs) == {object_id(number) for number in range(30, 40)}
        assert world.posts() == 0

    in_a_world(scenario, graph=MemoryGraph())


def test_the_app_is_removed_and_a_later_message_gives_it_again() -> None:
    async def scenario(world: World) -> None:
        graph = world.graph
        assert graph is not None
        await world.install(range(20))
        for number in range(20):
            graph.has_app(object_id(number))
        world.start()

        removal = await world.accept(users=range(30), mode=Mode.REMOVE, key="away")
        await world.finished(removal)
        states = {state_of(world, f"user!{object_id(number)}") for number in range(20)}
        message = await world.accept(users=range(20), key="again")
        await world.finished(message)

        assert world.states(removal) == {State.REMOVED: 30}
        assert graph.requests["DELETE installedApps"] == 20
        assert states == {"uninstalled"}
        assert world.states(message) == {State.SENT: 20}
        assert set(graph.installs.values()) == {1}

    in_a_world(scenario, graph=MemoryGraph())


@pytest.mark.parametrize("mode", [Mode.SEND, Mode.INSTALL])
def test_teams_and_chats_are_given_the_app(mode: Mode) -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        await remember_team(world)
        world.start()

        broadcast = await world.accept(conversations=[TEAM, CHAT], mode=mode)
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT if mode is Mode.SEND else State.INSTALLED: 2}
        assert world.graph.installs == {GROUP: 1, CHAT.partition("!")[2]: 1}
        assert world.graph.requests["GET chat"] == 0
        assert state_of(world, TEAM) == "active"

    in_a_world(scenario, graph=MemoryGraph(scopes=EVERYWHERE))


def test_a_team_whose_group_nobody_knows_ends_as_not_installed() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.start()

        broadcast = await world.accept(conversations=[TEAM], users=range(3), mode=Mode.INSTALL)
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.INSTALLED: 3, State.UNDELIVERABLE: 1}
        assert (await world.report(broadcast))["reasons"] == {"not_installed": 1}

    in_a_world(scenario, graph=MemoryGraph(scopes=EVERYWHERE))


def test_a_chat_that_is_gone_is_told_as_such() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.graph.rule = lambda *_: refusal(404, "NotFound", "No chat found")
        world.start()

        broadcast = await world.accept(conversations=[CHAT], mode=Mode.REMOVE)
        await world.finished(broadcast)

        assert (await world.report(broadcast))["reasons"] == {"conversation_gone": 1}

    in_a_world(scenario, graph=MemoryGraph(scopes=EVERYWHERE))


def test_what_keeps_the_app_from_teams_keeps_it_from_nobody_else() -> None:
    async def scenario(world: World) -> None:
        graph = world.graph
        assert graph is not None
        missing = refusal(403, "Forbidden", "Missing role permissions on the request.")
        graph.rule = lambda _, holder: missing if holder == GROUP else None
        await remember_team(world)
        world.start()

        teams = await world.accept(conversations=[TEAM], key="teams")
        await world.until(lambda: graph.forgotten > 0)
        people = await world.accept(users=range(60), key="people")
        await world.finished(people)
        blocked = (await world.report(teams))["install_blocked"]
        graph.rule = None
        await world.finished(teams)

        assert world.states(people) == {State.SENT: 60}
        assert blocked == "consent_missing"
        assert world.states(teams) == {State.SENT: 1}

    in_a_world(scenario, graph=MemoryGraph(scopes=EVERYWHERE))


def test_a_silent_broadcast_says_nothing_even_where_nothing_can_be_installed() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(10))
        world.start()

        broadcast = await world.accept(users=range(20), conversations=[CHAT], mode=Mode.INSTALL)
        await world.finished(broadcast)

        # Herald was set up to install the app when this was asked for, and is no more.
        assert world.states(broadcast) == {State.UNDELIVERABLE: 21}
        assert world.posts() == 0

    in_a_world(scenario)


def test_removals_that_work_again_let_all_others_go_on() -> None:
    async def scenario(world: World) -> None:
        graph = world.graph
        assert graph is not None
        missing = refusal(403, "Forbidden", "Missing role permissions on the request.")
        graph.rule = lambda request, _: missing if request.method == "DELETE" else None
        for number in range(30):
            graph.has_app(object_id(number))
        world.start()
        broadcast = await world.accept(users=range(30), mode=Mode.REMOVE)
        await asyncio.sleep(20)
        graph.rule = None
        seconds = await world.finished(broadcast)

        assert seconds < 420
        assert world.states(broadcast) == {State.REMOVED: 30}
        assert not await world.app().installations.blocks(TENANT)

    in_a_world(scenario, graph=MemoryGraph())


@pytest.mark.parametrize("mode", [Mode.INSTALL, Mode.UPGRADE])
def test_who_blocked_the_bot_is_still_known_to_have_done_so(mode: Mode) -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        world.graph.has_app(object_id(1))
        person = f"user!{object_id(1)}"
        blocked = Reference(conversation="a:1", service_url=SERVICE_URL, state=ReferenceState.BLOCKED)
        await keep(world, person, blocked)
        world.start()

        broadcast = await world.accept(users=[1], mode=mode)
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.INSTALLED: 1}
        assert state_of(world, person) == "blocked"

    in_a_world(scenario, graph=MemoryGraph())


@pytest.mark.parametrize("mode", [Mode.INSTALL, Mode.REMOVE])
def test_a_channel_does_not_stand_for_its_team(mode: Mode) -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        channel, team = "19:lunch@thread.tacv2", TEAM.partition("!")[2]
        known = Reference(conversation=channel, service_url=SERVICE_URL, team=team, group=GROUP, channel=channel)
        await keep(world, f"channel!{channel}", known)
        world.graph.has_app(GROUP)
        world.start()

        # Requests cannot name channels; a saved audience, or another broadcast, brings them.
        broadcast = await world.accept(conversations=[f"channel!{channel}"], mode=mode)
        await world.finished(broadcast)

        assert (await world.report(broadcast))["reasons"] == {"not_installed": 1}
        assert world.graph.requests.total() == 0
        assert state_of(world, f"channel!{channel}") == "active"

    in_a_world(scenario, graph=MemoryGraph(scopes=EVERYWHERE))


def test_an_upgrade_that_may_not_read_the_catalogue_holds_up_nobody_elses_installs() -> None:
    async def scenario(world: World) -> None:
        graph = world.graph
        assert graph is not None
        missing = refusal(403, "Forbidden", "Missing role permissions on the request.")
        graph.rule = lambda request, _: missing if "/teamsApps?" in request.path else None
        graph.has_app(object_id(0))
        graph.newest = "1.1.0"
        world.start()

        upgrade = await world.accept(users=[0], mode=Mode.UPGRADE, key="upgrade")
        await asyncio.sleep(120)
        message = await world.accept(users=range(1, 31), key="message")
        seconds = await world.finished(message)
        waiting = world.states(upgrade)
        graph.rule = None
        await world.finished(upgrade)

        assert seconds < 30
        assert waiting == {State.AWAITING_INSTALL: 1}
        assert world.states(upgrade) == {State.INSTALLED: 1}
        assert graph.versions[object_id(0)] == "1.1.0"

    in_a_world(scenario, graph=MemoryGraph())
