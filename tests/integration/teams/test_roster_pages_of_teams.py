"""Rosters and channels by name read from the stand-in's Connector, with real HTTP and real tokens."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest

from send_worker.connector_calls import ConnectorCalls
from send_worker.named_conversations import NamedConversations
from send_worker.roster_pages import RosterPages
from send_worker.team_groups import TeamGroups
from shared.domain.audience import Audience, Source
from shared.domain.pages import Page
from shared.domain.recipients import RecipientKind, named_channel_key, recipient_key
from shared.errors import DirectoryRefused, DirectoryUnavailable, PageExpired
from shared.graph.directory_calls import DirectoryCalls
from shared.pacer import Pacers
from shared.storage.conversations import Conversations
from shared.storage.pace import PaceRows
from simulator.config import Config
from simulator.places import Person, Team
from simulator.standin import StandIn
from tests.integration.graph.graph_side import Clock, a_herald
from tests.integration.teams.herald_side import a_client, settings_of
from tests.twins.storage import MemoryTable

UNKNOWN = "19:00000000000000000000000000000000@thread.tacv2"
NO_TEAM = "00000000-1111-2222-3333-444444444444"


@dataclass(frozen=True)
class ServiceUrl:
    """The one service URL that the stand-in has."""

    url: str

    async def service_url(self, tenant: str, keys: Sequence[str]) -> str:  # noqa: ARG002
        return self.url


@dataclass(frozen=True)
class Reader:
    """What the planner reads with."""

    teams: StandIn
    rosters: RosterPages
    conversations: NamedConversations

    async def page(self, *rosters: str, token: str = "") -> Page:
        audience = Audience(rosters=tuple(sorted(rosters)))
        return await self.rosters.page(self.teams.tenant_id, audience, Source.ROSTERS, token)

    async def resolve(self, *keys: str) -> list[str]:
        return await self.conversations.resolve(self.teams.tenant_id, keys)


@pytest.fixture
async def teams(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with StandIn(Config(rate=0, graph_limits=False)) as standin:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(standin.ca_file))
        yield standin


@pytest.fixture
async def reader(teams: StandIn) -> AsyncIterator[Reader]:
    settings, service_url, clock = settings_of(teams), ServiceUrl(teams.service_url), Clock()
    pacers = Pacers(PaceRows(MemoryTable(clock.now)), ceiling=None, clock=clock)
    async with a_client(settings) as client, a_herald(teams, settings) as herald:
        calls = ConnectorCalls(client, service_urls=service_url, pacers=pacers, clock=clock)
        groups = TeamGroups(
            DirectoryCalls(herald.client), Conversations(MemoryTable(clock.now)), service_urls=service_url
        )
        yield Reader(teams, RosterPages(calls, groups), NamedConversations(calls, groups))


def a_team(teams: StandIn, members: Sequence[Person], *channels: str) -> Team:
    """A team with the app."""
    team = teams.add_team("Kitchen", channels=channels, members=members)
    team.installed = True
    return team


def keys_of(people: Sequence[Person]) -> set[str]:
    return {recipient_key(RecipientKind.USER, person.object_id) for person in people}


async def test_a_team_is_read_by_pages_and_its_guests_are_left_out(teams: StandIn, reader: Reader) -> None:
    members, guests = teams.add_people(900), teams.add_people(10, guest=True)
    team = a_team(teams, [*guests, *members])

    first = await reader.page(team.id)
    second = await reader.page(team.id, token=first.token)

    assert set(first.keys) | set(second.keys) == keys_of(members)
    assert (len(first.keys), len(second.keys), second.token) == (490, 410, "")
    assert first.skipped.keys() == keys_of(guests)


async def test_a_group_chat_is_read_at_once(teams: StandIn, reader: Reader) -> None:
    members = teams.add_people(600)
    chat = teams.add_chat("Lunch", members=members)
    chat.installed = True

    page = await reader.page(chat.id)

    assert (set(page.keys), page.token) == (keys_of(members), "")


async def test_a_roster_is_read_by_its_teams_group(teams: StandIn, reader: Reader) -> None:
    members = teams.add_people(510)
    team = a_team(teams, members)

    first = await reader.page(team.group_id)
    second = await reader.page(team.group_id, token=first.token)

    assert set(first.keys) | set(second.keys) == keys_of(members)
    assert teams.graph_summary().requests == 1
    assert await reader.page(NO_TEAM) == Page(unknown=NO_TEAM)


async def test_a_roster_where_the_bot_is_not_is_unknown(teams: StandIn, reader: Reader) -> None:
    team = teams.add_team("Kitchen", members=teams.add_people(3))
    first, second = sorted([team.id, UNKNOWN])

    page = await reader.page(first, second)

    assert page == Page(unknown=first, token=f"{second} ")
    assert await reader.page(first, second, token=page.token) == Page(unknown=second)


@pytest.mark.parametrize(
    ("fault", "retry_after"),
    [
        ({"code": "Throttled", "retry_after": 7}, 7.0),
        ({"code": "ServiceError", "status": 500}, None),
        ({"code": "ServiceError", "status": 503}, None),
    ],
)
async def test_what_may_pass_is_asked_for_again(
    teams: StandIn, reader: Reader, fault: dict[str, object], retry_after: float | None
) -> None:
    team = a_team(teams, teams.add_people(3), "Menus")
    teams.misbehave(kinds=["members", "channels"], **fault)  # type: ignore[arg-type]  # Options of one fault.

    with pytest.raises(DirectoryUnavailable) as of_the_roster:
        await reader.page(team.id)
    with pytest.raises(DirectoryUnavailable) as of_the_channels:
        await reader.resolve(named_channel_key(team.id, "Menus"))

    assert of_the_roster.value.retry_after == of_the_channels.value.retry_after == retry_after


async def test_a_refused_token_is_a_refusal(teams: StandIn, reader: Reader) -> None:
    team = a_team(teams, teams.add_people(3))
    teams.misbehave(kinds=["members"], code="BotNotRegistered")

    with pytest.raises(DirectoryRefused, match="BotNotRegistered"):
        await reader.page(team.id)


async def test_a_continuation_that_leads_nowhere_begins_the_roster_anew(teams: StandIn, reader: Reader) -> None:
    team = a_team(teams, teams.add_people(3))

    with pytest.raises(PageExpired) as caught:
        await reader.page(team.id, token=f"{team.id} {team.id} not a page & nonsense")

    assert len((await reader.page(team.id, token=caught.value.start)).keys) == 3


async def test_channels_are_found_by_name_in_one_request_for_each_team(teams: StandIn, reader: Reader) -> None:
    team = a_team(teams, teams.add_people(1), "Menus", "Straße & Büro / Ost")
    elsewhere = teams.add_team("Lunch", channels=["Menus"])
    menus, street = (room.id for room in team.channels[1:])
    lost = [named_channel_key(team.id, "Gossip"), named_channel_key(elsewhere.id, "Menus"), f"team!{NO_TEAM}"]
    keys = [
        named_channel_key(team.id, " MENUS "),
        named_channel_key(team.group_id, "STRASSE & büro / OST"),
        f"team!{team.group_id}",
        *lost,
    ]

    found = await reader.resolve(*keys)

    assert found == [f"channel!{menus}", f"channel!{street}", f"channel!{team.id}", *lost]
    assert teams.ledger_summary().requests == 2


async def test_a_missing_permission_for_teams_is_a_refusal(teams: StandIn, reader: Reader) -> None:
    team = a_team(teams, teams.add_people(1))
    teams.consent(["User.Read.All"])

    with pytest.raises(DirectoryRefused, match="403"):
        await reader.resolve(f"team!{team.group_id}")
