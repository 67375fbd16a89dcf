"""The Connector client with real HTTP, real MSAL and real tokens against the stand-in for Teams."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import aiohttp
import pytest

from shared.errors import ServiceHostRefused, TokenRefused, TokenUnavailable
from shared.settings import read_settings
from shared.teams.client import ConnectorClient
from shared.teams.protocol import (
    Verdict,
    create_personal,
    create_thread,
    delete_activity,
    encode_message,
    quote_conversation_id,
    send_to,
    update_activity,
)
from shared.tokens.credentials import connector_tokens
from shared.tokens.source import Token, TokenSource
from simulator.config import Config
from simulator.faults import Action
from simulator.places import Person
from simulator.standin import StandIn
from tests.integration.teams.herald_side import HELLO, a_client, settings_of


@pytest.fixture
async def teams(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with StandIn(Config(rate=0)) as standin:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(standin.ca_file))
        yield standin


@pytest.fixture
async def client(teams: StandIn) -> AsyncIterator[ConnectorClient]:
    async with a_client(settings_of(teams)) as client:
        yield client


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens, for as long as the test lasts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def installed(teams: StandIn) -> Person:
    person = teams.add_person()
    await teams.install([person], notify=False)
    return person


def hello(teams: StandIn, person: Person, text: bytes = HELLO):  # type: ignore[no-untyped-def]  # A Request.
    return send_to(teams.service_url, quote_conversation_id(person.chat_id), text)


@dataclass
class FixedTokens:
    """A provider of the stand-in's own tokens that counts, with a clock of its own."""

    teams: StandIn
    asked: int = 0
    now: float = 0.0

    async def fetch(self) -> Token:
        self.asked += 1
        return Token(value=self.teams.bearer(), lifetime=3600.0)

    def source(self) -> TokenSource:
        return TokenSource(self.fetch, clock=lambda: self.now)


async def test_new_person_is_reached_by_create_and_send(teams: StandIn, client: ConnectorClient) -> None:
    person = await installed(teams)

    created = await client.send(
        create_personal(teams.service_url, app_id=teams.app_id, member=person.object_id, tenant=teams.tenant_id)
    )
    sent = await client.send(send_to(teams.service_url, quote_conversation_id(created.conversation_id), HELLO))

    assert (created.kind, created.conversation_id) == (Verdict.ACCEPTED, person.chat_id)
    assert (sent.kind, bool(sent.activity_id)) == (Verdict.ACCEPTED, True)
    assert teams.ledger_people() == {person.object_id: 1}


async def test_thread_is_started_edited_and_taken_back(teams: StandIn, client: ConnectorClient) -> None:
    person = await installed(teams)
    team = teams.add_team("Lunch", members=[person])
    team.installed = True

    created = await client.send(
        create_thread(teams.service_url, app_id=teams.app_id, channel=team.id, tenant=teams.tenant_id, activity=HELLO)
    )
    thread = quote_conversation_id(created.conversation_id)
    edited = await client.send(
        update_activity(teams.service_url, thread, created.activity_id, encode_message(text="good bye"))
    )
    recalled = await client.send(delete_activity(teams.service_url, thread, created.activity_id))

    assert created.conversation_id == f"{team.id};messageid={created.activity_id}"
    assert [answer.kind for answer in (created, edited, recalled)] == [Verdict.ACCEPTED] * 3
    assert [entry.event for entry in teams.ledger_entries()] == ["sent", "updated", "deleted"]


async def test_twenty_sends_at_once_cost_one_token(teams: StandIn, client: ConnectorClient) -> None:
    person = await installed(teams)
    teams.set_limits(rate=0, conversation_limits=False)

    answers = await asyncio.gather(*(client.send(hello(teams, person)) for _ in range(20)))

    assert {answer.kind for answer in answers} == {Verdict.ACCEPTED}
    assert teams.traffic()["token_requests"] == 1


async def test_multi_tenant_bot_asks_its_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    async with StandIn(Config(multi_tenant=True)) as teams:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(teams.ca_file))
        async with a_client(settings_of(teams)) as client:
            answer = await client.send(hello(teams, await installed(teams)))

    assert answer.kind is Verdict.ACCEPTED


async def test_event_loop_goes_on_while_a_token_is_fetched(teams: StandIn) -> None:
    teams.misbehave(Action.DELAY, kinds=["token"], delay_s=0.3)
    fetch = asyncio.create_task(connector_tokens(settings_of(teams)).token())
    longest = 0.0
    while not fetch.done():
        before = time.perf_counter()
        await asyncio.sleep(0.005)
        longest = max(longest, time.perf_counter() - before)

    assert await fetch
    assert longest < 0.25


BAD_CREDENTIALS = [
    # The secret is wrong.
    ({"MicrosoftAppPassword": "not-the-secret"}, "invalid_client"),
    # The app is unknown in its tenant.
    ({"MicrosoftAppId": "11111111-1111-1111-1111-111111111111"}, "unauthorized_client"),
    # The tenant does not exist.
    ({"MicrosoftAppTenantId": "22222222-2222-2222-2222-222222222222"}, "MicrosoftAppTenantId"),
]


@pytest.mark.parametrize(("changed", "told"), BAD_CREDENTIALS)
async def test_wrong_credentials_are_refused(teams: StandIn, changed: dict[str, str], told: str) -> None:
    with pytest.raises(TokenRefused, match=told):
        await connector_tokens(settings_of(teams, **changed)).token()


async def test_failing_identity_provider_is_unavailable_and_recovers(teams: StandIn) -> None:
    clock = [0.0]
    tokens = connector_tokens(settings_of(teams))
    tokens._clock = lambda: clock[0]
    teams.misbehave(Action.ANSWER, kinds=["token"], status=503, code="ServiceError", count=1)

    with pytest.raises(TokenUnavailable):
        await tokens.token()
    clock[0] += 5
    assert await tokens.token()


async def test_unreachable_identity_provider_is_unavailable(teams: StandIn, closed_port: int) -> None:
    with pytest.raises(TokenUnavailable):
        await connector_tokens(settings_of(teams, HERALD_LOGIN_URL=f"https://127.0.0.1:{closed_port}")).token()


REFUSALS = [
    # A throttled call with its pause.
    ({"code": "Throttled", "retry_after": 3}, Verdict.THROTTLED),
    # A blocked bot, in the body's second shape.
    ({"code": "MessageWritesBlocked"}, Verdict.BLOCKED_BY_USER),
    # A gateway that gave up.
    ({"code": "ServiceError", "status": 504}, Verdict.FAILED_MAYBE),
]


@pytest.mark.parametrize(("fault", "kind"), REFUSALS)
async def test_refusals_on_the_wire_are_deciphered(
    teams: StandIn, client: ConnectorClient, fault: dict[str, object], kind: Verdict
) -> None:
    person = await installed(teams)
    teams.misbehave(Action.ANSWER, kinds=["send"], **fault)

    answer = await client.send(hello(teams, person))

    assert answer.kind is kind
    assert answer.retry_after == fault.get("retry_after")


@pytest.mark.parametrize(("action", "delivered"), [(Action.RESET, 0), (Action.LOSE_ANSWER, 1), (Action.HANG, 0)])
async def test_broken_connection_leaves_open_whether_it_was_delivered(
    teams: StandIn, action: Action, delivered: int
) -> None:
    person = await installed(teams)
    teams.misbehave(action, kinds=["send"])
    settings = settings_of(teams)
    client = ConnectorClient(
        FixedTokens(teams).source(),
        service_hosts=settings.service_hosts,
        connections=1,
        timeout=aiohttp.ClientTimeout(total=0.3),
    )

    answer = await client.send(hello(teams, person))
    await client.close()

    assert answer.kind is Verdict.ANSWER_LOST
    assert teams.ledger_summary().deliveries == delivered


async def test_refused_connection_proves_that_nothing_was_delivered(teams: StandIn, closed_port: int) -> None:
    settings = settings_of(teams, HERALD_SERVICE_HOSTS=f"127.0.0.1:{closed_port}")
    async with a_client(settings, FixedTokens(teams).source()) as client:
        answer = await client.send(send_to(f"http://127.0.0.1:{closed_port}/teams/", "a", HELLO))

    assert answer.kind is Verdict.UNREACHABLE


async def test_failing_handshake_proves_that_nothing_was_delivered(teams: StandIn) -> None:
    # The stand-in's certificate is not one that this process trusts.
    host = teams.login_url.removeprefix("https://")
    settings = settings_of(teams, HERALD_SERVICE_HOSTS=host)
    async with a_client(settings, FixedTokens(teams).source()) as client:
        answer = await client.send(send_to(f"https://{host}/teams/", "a", HELLO))

    assert answer.kind is Verdict.UNREACHABLE


async def test_wait_for_a_free_connection_proves_that_nothing_was_delivered(teams: StandIn) -> None:
    person = await installed(teams)
    teams.misbehave(Action.HANG, kinds=["send"])
    client = ConnectorClient(
        FixedTokens(teams).source(),
        service_hosts=settings_of(teams).service_hosts,
        connections=1,
        timeout=aiohttp.ClientTimeout(total=0.6, connect=0.2),
    )

    first, second = await asyncio.gather(client.send(hello(teams, person)), client.send(hello(teams, person)))
    await client.close()

    assert (first.kind, second.kind) == (Verdict.ANSWER_LOST, Verdict.UNREACHABLE)


async def test_token_never_goes_to_an_unlisted_host(teams: StandIn) -> None:
    provider = FixedTokens(teams)
    async with a_client(settings_of(teams), provider.source()) as client:
        with pytest.raises(ServiceHostRefused, match=r"https://attacker\.example/teams is not"):
            await client.send(send_to("https://attacker.example/teams/", "a", HELLO))

    assert provider.asked == 0


async def test_refused_old_token_is_replaced_and_the_message_sent_once_more(teams: StandIn) -> None:
    person = await installed(teams)
    provider = FixedTokens(teams)
    async with a_client(settings_of(teams), provider.source()) as client:
        await client.send(hello(teams, person))
        provider.now += 61
        teams.misbehave(Action.ANSWER, kinds=["send"], status=401, code="Unauthorized", count=1)

        answer = await client.send(hello(teams, person))

    assert answer.kind is Verdict.ACCEPTED
    assert provider.asked == 2
    assert teams.ledger_summary().deliveries == 2


async def test_unregistered_bot_does_not_hammer_the_identity_provider(teams: StandIn) -> None:
    person = await installed(teams)
    provider = FixedTokens(teams)
    teams.misbehave(Action.ANSWER, kinds=["send"], code="BotNotRegistered")
    async with a_client(settings_of(teams), provider.source()) as client:
        answers = [await client.send(hello(teams, person)) for _ in range(5)]

    assert {(answer.kind, answer.code) for answer in answers} == {(Verdict.UNAUTHORIZED, "BotNotRegistered")}
    assert provider.asked == 1


async def test_managed_identity_that_is_not_there_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{closed_port}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    settings = read_settings(
        MicrosoftAppId="5c1a9d3e-7b42-4f0e-9a61-2d8e0c4b7f15",
        MicrosoftAppTenantId="0b7e6c52-94d1-4c7f-8f3a-61f0de2a9b84",
        MicrosoftAppType="UserAssignedMSI",
        AzureWebJobsStorage="UseDevelopmentStorage=true",
    )

    with pytest.raises(TokenUnavailable):
        await connector_tokens(settings).token()
