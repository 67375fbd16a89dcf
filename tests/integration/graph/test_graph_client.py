"""The Graph client with real HTTP, real MSAL and real tokens against the stand-in's Graph, singly and in batches."""

import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from shared.domain.pacing import Pace
from shared.errors import ServiceHostRefused, TokenRefused, TokenUnavailable
from shared.graph.catalog import Catalog
from shared.graph.client import GraphClient
from shared.graph.installs import (
    Installation,
    InstallState,
    Place,
    chat_id_in,
    chat_of,
    failure_of,
    find_installation,
    install,
    installation_in,
    uninstall,
    upgrade,
)
from shared.graph.protocol import OWN_PACE, Kind, Request, Response
from shared.graph.teams_app import TeamsApp
from shared.settings import Settings
from shared.storage.pace import PaceRows
from shared.tokens.credentials import graph_tokens
from shared.tokens.source import TokenSource
from simulator.config import Config
from simulator.faults import Action
from simulator.places import Person
from simulator.standin import StandIn
from tests.integration.graph.graph_side import Herald, Vault, a_herald
from tests.integration.teams.herald_side import settings_of

OTHER_TENANT = "22222222-94d1-4c7f-8f3a-61f0de2a9b84"


@pytest.fixture
async def teams(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with StandIn(Config(rate=0, graph_limits=False, other_tenants=(OTHER_TENANT,))) as standin:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(standin.ca_file))
        yield standin


@pytest.fixture
def settings(teams: StandIn) -> Settings:
    return settings_of(teams)


@pytest.fixture
async def herald(teams: StandIn, settings: Settings) -> AsyncIterator[Herald]:
    async with a_herald(teams, settings) as herald:
        yield herald


@pytest.fixture
def client(herald: Herald) -> GraphClient:
    return herald.client


@pytest.fixture
def app(teams: StandIn) -> TeamsApp:
    return TeamsApp(catalog_id=str(teams.set_catalog()["id"]))


def place_of(person: Person) -> Place:
    return Place.user(person.object_id)


def reads(people: list[Person]) -> list[Request]:
    """One cheap request for each person."""
    return [find_installation(place_of(person), TeamsApp(external_id="x")) for person in people]


def graph_token(teams: StandIn) -> TokenSource:
    """A source of the stand-in's real tokens."""
    return graph_tokens(settings_of(teams), teams.tenant_id)


async def test_whole_life_of_an_installation(teams: StandIn, client: GraphClient, app: TeamsApp) -> None:
    person = teams.add_person()
    user, tenant = place_of(person), teams.tenant_id

    before = installation_in(await client.send(tenant, find_installation(user, app)))
    installed = failure_of(await client.send(tenant, install(user, app.catalog_id)))
    again = failure_of(await client.send(tenant, install(user, app.catalog_id)))
    found = installation_in(await client.send(tenant, find_installation(user, app)))
    assert isinstance(found, Installation)
    chat = chat_id_in(await client.send(tenant, chat_of(user, found.id)))
    teams.set_catalog(version="2.0.0")
    upgraded = failure_of(await client.send(tenant, upgrade(user, found.id)))
    newer = installation_in(await client.send(tenant, find_installation(user, app)))
    removed = failure_of(await client.send(tenant, uninstall(user, found.id)))
    after = installation_in(await client.send(tenant, find_installation(user, app)))

    assert (before, after) == (None, None)
    assert {installed, again, upgraded, removed} == {InstallState.INSTALLED}
    assert chat == person.graph_chat_id
    assert (found.version, newer) == ("1.0.0", Installation(id=found.id, version="2.0.0"))


async def test_the_app_is_found_in_the_catalogue_by_its_manifest(teams: StandIn, client: GraphClient) -> None:
    app = TeamsApp(external_id=teams.config.manifest_id)

    found = await Catalog(client, app).app_in(teams.tenant_id)
    teams.set_catalog(listed=False)
    missing = await Catalog(client, app).app_in(teams.tenant_id)

    teams.set_catalog(listed=True)
    assert found == TeamsApp(catalog_id=str(teams.set_catalog()["id"]), external_id=teams.config.manifest_id)
    assert missing is InstallState.APP_NOT_IN_CATALOG


async def test_parts_of_a_batch_are_answered_each_for_itself(
    teams: StandIn, client: GraphClient, app: TeamsApp
) -> None:
    people = teams.add_people(25)
    teams.change_people([people[3]], policy_blocked=True)
    teams.change_people([people[7]], licensed=False)
    teams.refuse_installs("transient", [people[11]], times=1)
    await teams.install([people[13]], notify=False)
    places = [place_of(person) for person in people]
    places[17] = Place.user("99999999-7b42-4f0e-9a61-2d8e0c4b7f15")

    answers = await client.send_all(teams.tenant_id, [install(place, app.catalog_id) for place in places])

    refused = {
        3: InstallState.BLOCKED_BY_POLICY,
        7: InstallState.NO_TEAMS_LICENSE,
        11: InstallState.WAITING,
        17: InstallState.USER_NOT_FOUND,
    }
    assert [failure_of(answer) for answer in answers] == [
        refused.get(number, InstallState.INSTALLED) for number in range(25)
    ]
    assert answers[13].status == 409
    assert teams.graph_summary().by_kind["install"] == 25


async def test_requests_of_different_kinds_are_answered_in_their_order(
    teams: StandIn, client: GraphClient, app: TeamsApp
) -> None:
    one, other = teams.add_people(2)

    answers = await client.send_all(
        teams.tenant_id,
        [
            find_installation(place_of(one), app),
            install(place_of(one), app.catalog_id),
            find_installation(place_of(other), app),
            install(place_of(other), app.catalog_id),
        ],
    )

    assert [answer.status for answer in answers] == [200, 201, 200, 201]


async def test_no_requests_are_no_call(teams: StandIn, client: GraphClient) -> None:
    assert await client.send_all(teams.tenant_id, []) == []
    assert teams.traffic()["token_requests"] == 0


FAILING = [
    # Graph is away.
    ({"code": "ServiceUnavailable", "status": 503, "retry_after": 3}, Response(status=503, retry_after=3.0)),
    # Graph takes no more batches.
    ({"code": "TooManyRequests", "status": 429, "retry_after": 5}, Response(status=429, retry_after=5.0)),
    # The connection breaks.
    ({"action": "reset"}, Response(status=0)),
]


@pytest.mark.parametrize(("fault", "answer"), FAILING)
async def test_a_batch_that_fails_answers_for_all_of_its_parts(
    teams: StandIn, client: GraphClient, fault: dict[str, Any], answer: Response
) -> None:
    teams.misbehave(kinds=["graph.batch"], count=1, **fault)

    answers = await client.send_all(teams.tenant_id, reads(teams.add_people(20)))

    # The first 15 shared the call that failed.
    assert [each.status for each in answers] == [answer.status] * 15 + [200] * 5
    assert {each.retry_after for each in answers[:15]} == {answer.retry_after}
    assert all(each.is_transient for each in answers[:15])


async def test_a_lost_answer_leaves_the_installation_and_is_no_error_the_next_time(
    teams: StandIn, client: GraphClient, app: TeamsApp
) -> None:
    person = teams.add_person()
    teams.misbehave(Action.LOSE_ANSWER, kinds=["graph.install"], count=1)

    lost = await client.send(teams.tenant_id, install(place_of(person), app.catalog_id))
    again = await client.send(teams.tenant_id, install(place_of(person), app.catalog_id))

    assert (lost.status, again.status) == (0, 409)
    assert (failure_of(lost), failure_of(again)) == (InstallState.WAITING, InstallState.INSTALLED)


async def test_a_graph_that_hangs_is_not_waited_for(teams: StandIn, settings: Settings) -> None:
    teams.misbehave(Action.HANG, kinds=["graph"])
    async with a_herald(teams, settings, timeout=aiohttp.ClientTimeout(total=0.3)) as herald:
        await herald.client.authorize(teams.tenant_id)

        (answer,) = await herald.client.send_all(teams.tenant_id, reads([teams.add_person()]))

    assert (answer.status, answer.is_transient) == (0, True)


async def test_each_tenant_has_its_own_token_and_sees_its_own_people(
    teams: StandIn, client: GraphClient, app: TeamsApp
) -> None:
    stranger = teams.add_person(tenant_id=OTHER_TENANT)

    ours = await client.send(teams.tenant_id, find_installation(place_of(stranger), app))
    theirs = await client.send(OTHER_TENANT, find_installation(place_of(stranger), app))
    await client.send(OTHER_TENANT, find_installation(place_of(stranger), app))

    assert (ours.status, theirs.status) == (404, 200)
    assert teams.traffic()["token_requests"] == 2


async def test_missing_consent_is_told_and_a_new_token_has_it(
    teams: StandIn, client: GraphClient, settings: Settings, app: TeamsApp
) -> None:
    person = teams.add_person()
    teams.consent([])

    refused = await client.send(teams.tenant_id, install(place_of(person), app.catalog_id))
    teams.consent()
    async with a_herald(teams, settings) as later:
        granted = await later.client.send(teams.tenant_id, install(place_of(person), app.catalog_id))

    assert failure_of(refused) is InstallState.CONSENT_MISSING
    assert failure_of(granted) is InstallState.INSTALLED


async def test_a_forgotten_token_is_replaced_at_once(teams: StandIn, settings: Settings, app: TeamsApp) -> None:
    person = teams.add_person()
    teams.consent([])
    async with a_herald(teams, settings) as herald:
        await herald.client.send(teams.tenant_id, install(place_of(person), app.catalog_id))
        teams.consent()
        herald.client.forget_token(teams.tenant_id)
        granted = await herald.client.send(teams.tenant_id, install(place_of(person), app.catalog_id))

    assert failure_of(granted) is InstallState.INSTALLED


async def test_refused_credentials_send_nothing(teams: StandIn) -> None:
    settings = settings_of(teams, MicrosoftAppPassword="wrong")
    async with a_herald(teams, settings) as herald:
        with pytest.raises(TokenRefused, match="invalid_client"):
            await herald.client.send_all(teams.tenant_id, reads(teams.add_people(3)))

    assert teams.graph_summary().requests == 0


@pytest.mark.parametrize("number", [1, 5])
async def test_an_old_token_that_is_refused_is_replaced_and_the_requests_sent_once_more(
    teams: StandIn, settings: Settings, number: int
) -> None:
    vault = Vault(["expired", await graph_token(teams).token()])
    async with a_herald(teams, settings, tokens_of=vault.source) as herald:
        # A token of this very moment is believed in; one of a minute ago is not.
        first = await herald.client.send_all(teams.tenant_id, reads(teams.add_people(number)))
        vault.now += 61
        second = await herald.client.send_all(teams.tenant_id, reads(teams.add_people(number)))

    assert {(answer.status, answer.code) for answer in first} == {(401, "InvalidAuthenticationToken")}
    assert [answer.status for answer in second] == [200] * number
    assert vault.asked == 2


async def test_a_token_that_ends_half_way_keeps_what_was_answered(teams: StandIn, settings: Settings) -> None:
    vault = Vault([await graph_token(teams).token()])

    class Ending(TokenSource):
        """Has a token once, and then none."""

        used = 0

        async def token(self) -> str:
            self.used += 1
            if self.used > 1:
                raise TokenUnavailable("later")
            return await super().token()

    async with a_herald(teams, settings, tokens_of=lambda _: Ending(vault.fetch)) as herald:
        answers = await herald.client.send_all(teams.tenant_id, reads(teams.add_people(20)))

    assert [(answer.status, answer.code) for answer in answers] == [(200, "")] * 15 + [(0, "TokenUnavailable")] * 5


async def test_pages_are_followed_only_below_the_configured_graph(teams: StandIn, client: GraphClient) -> None:
    first = Request(method="GET", path="/users", kind=Kind.DIRECTORY)
    ours = Response(status=200, body={"@odata.nextLink": f"{teams.graph_url}/users?$skiptoken=a%2b"})
    theirs = Response(status=200, body={"@odata.nextLink": "https://graph.microsoft.com/v1.0/users?$skiptoken=a"})

    following = client.next_page(first, ours)

    assert following is not None
    assert following.path == "/users?$skiptoken=a%2b"
    with pytest.raises(ServiceHostRefused):
        client.next_page(first, theirs)


async def test_the_documented_pace_is_kept_and_nothing_is_throttled(
    teams: StandIn, settings: Settings, app: TeamsApp
) -> None:
    teams.set_graph_limits(on=True)
    people = teams.add_people(90)
    async with a_herald(teams, settings, is_limited=True) as herald:
        await herald.client.authorize(teams.tenant_id)
        started = time.monotonic()

        answers = await herald.client.send_all(
            teams.tenant_id, [install(place_of(person), app.catalog_id) for person in people]
        )

    assert {answer.status for answer in answers} == {201}
    assert teams.graph_summary().throttled == {}
    assert teams.graph_summary().worst_second["post_installed"] <= 45
    # Five more batches of 15 after the first, at 24.9 a second, less what is caught up at the start.
    assert 75 / 24.9 - 0.3 <= time.monotonic() - started <= 75 / 24.9 + 1.5


async def test_throttling_lowers_the_kinds_rate_and_no_others(teams: StandIn, settings: Settings) -> None:
    teams.set_graph_limits(on=True, per_tenant={"get_installed": 5.0})
    async with a_herald(teams, settings, is_limited=True) as herald:
        answers = await herald.client.send_all(teams.tenant_id, reads(teams.add_people(15)))
        found = await PaceRows(herald.table, row="graph!installs_read").read(teams.tenant_id)

    throttled = [answer for answer in answers if answer.status == 429]
    assert [answer.status for answer in answers].count(200) == 5
    assert all(answer.retry_after for answer in throttled)
    assert found is not None
    assert found[0].epoch == 1
    assert found[0].next_at > time.time()
    assert set(herald.table.rows(teams.tenant_id)) == {"graph!installs_read"}


async def test_a_slot_that_is_far_away_is_a_429_of_our_own(teams: StandIn, settings: Settings) -> None:
    async with a_herald(teams, settings, is_limited=True) as herald:
        rows = PaceRows(herald.table, row="graph!installs_read")
        await rows.swap(teams.tenant_id, Pace(rate=24.9, next_at=time.time() + 300), etag=None)

        answers = await herald.client.send_all(teams.tenant_id, reads(teams.add_people(3)))

    assert {(answer.status, answer.code) for answer in answers} == {(429, OWN_PACE)}
    assert all(answer.retry_after == pytest.approx(300, abs=5) for answer in answers)
    assert teams.graph_summary().requests == 0
