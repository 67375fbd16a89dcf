"""The door over real HTTP: real signatures by the stand-in's keys, forgeries, and a real rollover of keys."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from messages.activities import Door
from messages.bot import REPLY, HeraldBot
from shared.domain.references import ReferenceState
from shared.settings import Settings
from shared.storage.conversations import Conversations
from shared.teams.adapter import TeamsAdapter
from shared.teams.authentication import Authenticator
from shared.teams.keys import SigningKeys, fetch_json
from simulator.config import Config
from simulator.faults import Action
from simulator.forgery import Forgery
from simulator.places import Person
from simulator.signing import Key
from simulator.standin import StandIn
from tests.integration.teams.herald_side import a_client, settings_of
from tests.twins.storage import MemoryTable


@dataclass
class Herald:
    """A door behind a real HTTP server, with the clock of its keys in our hands."""

    teams: StandIn
    table: MemoryTable = field(default_factory=lambda: MemoryTable(time.time))
    now: float = 0.0

    @property
    def conversations(self) -> Conversations:
        return Conversations(self.table)

    @asynccontextmanager
    async def running(self, settings: Settings) -> AsyncIterator["Herald"]:
        fetch = partial(fetch_json, context=self.teams.ssl_context)
        keys = SigningKeys(settings.openid_metadata_url, fetch=fetch, clock=lambda: self.now)
        async with a_client(settings) as client:
            door = Door(
                authenticator=Authenticator(settings, keys),
                references=self.conversations,
                adapter=TeamsAdapter(client),
                bot=HeraldBot(),
            )
            async with served(door) as url:
                self.teams.set_bot(url)
                yield self


@asynccontextmanager
async def served(door: Door) -> AsyncIterator[str]:
    async def receive(request: web.Request) -> web.Response:
        status, body = await door.handle_activity(request.headers, await request.read())
        return web.Response(status=status, body=body)

    app = web.Application()
    app.router.add_post("/api/messages", receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/api/messages"
    finally:
        await runner.cleanup()


@pytest.fixture
async def teams(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with StandIn(Config(rate=0, other_tenants=("9d3b7c1e-5a40-4f6f-8e1c-2b7a9c0d4e5f",))) as standin:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(standin.ca_file))
        yield standin


@pytest.fixture
async def herald(teams: StandIn) -> AsyncIterator[Herald]:
    async with Herald(teams).running(settings_of(teams, HERALD_ALLOWED_TENANTS=teams.tenant_id)) as herald:
        yield herald


@pytest.fixture
async def person(teams: StandIn) -> Person:
    person = teams.add_person(zone="Europe/Berlin")
    await teams.install([person], notify=False)
    return person


async def test_genuine_message_is_kept_and_answered(herald: Herald, teams: StandIn, person: Person) -> None:
    posted = await teams.say(person, "hello")
    reference = await herald.conversations.get(teams.tenant_id, f"user!{person.object_id}")

    assert posted.status == 200
    assert reference is not None
    assert (reference.conversation, reference.service_url) == (person.chat_id, teams.service_url)
    assert (reference.member, reference.time_zone) == (person.user_id, "Europe/Berlin")
    assert [entry.text for entry in teams.ledger_entries(person=person)] == [REPLY]


@pytest.mark.parametrize("forgery", [each for each in Forgery if each is not Forgery.GENUINE])
async def test_forged_token_is_refused_and_leaves_nothing(
    herald: Herald, teams: StandIn, person: Person, forgery: Forgery
) -> None:
    posted = await teams.forge(forgery, person)

    assert (posted.status, posted.body) == (401, None)
    assert herald.table.partitions() == []
    assert teams.ledger_summary().deliveries == 0


def claims(teams: StandIn, **changed: Any) -> str:
    """A header with a token of the stand-in's own key; None takes a claim away."""
    given = {**teams.client.claims(time.time()), **changed}
    return f"Bearer {teams.world.bot_keys.current.sign({name: it for name, it in given.items() if it is not None})}"


def a_message(teams: StandIn, person: Person, **changed: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "text": "hello",
        "channelId": "msteams",
        "serviceUrl": teams.service_url,
        "from": {"id": person.user_id, "aadObjectId": person.object_id},
        "recipient": {"id": teams.config.bot_id},
        "conversation": {"conversationType": "personal", "id": person.chat_id, "tenantId": person.tenant_id},
        "channelData": {"tenant": {"id": person.tenant_id}},
        **changed,
    }


@pytest.mark.usefixtures("herald")
async def test_token_without_an_expiry_is_refused(teams: StandIn, person: Person) -> None:
    posted = await teams.client.post_once(a_message(teams, person), claims(teams, exp=None))

    assert posted.status == 401


@pytest.mark.usefixtures("herald")
async def test_clocks_may_differ_by_five_minutes(teams: StandIn, person: Person) -> None:
    now = int(time.time())
    late = await teams.client.post_once(a_message(teams, person), claims(teams, exp=now - 280))
    later = await teams.client.post_once(a_message(teams, person), claims(teams, exp=now - 320))
    early = await teams.client.post_once(a_message(teams, person), claims(teams, nbf=now + 280))

    assert (late.status, later.status, early.status) == (200, 401, 200)


@pytest.mark.usefixtures("herald")
async def test_activity_without_a_service_url_does_not_pass_the_check_of_it(teams: StandIn, person: Person) -> None:
    activity = a_message(teams, person, serviceUrl=None)

    with_claim = await teams.client.post_once(activity, claims(teams))
    without_claim = await teams.client.post_once(activity, claims(teams, serviceurl=None))

    assert (with_claim.status, without_claim.status) == (401, 401)


@pytest.mark.usefixtures("herald")
async def test_scheme_other_than_bearer_is_refused(teams: StandIn, person: Person) -> None:
    header = claims(teams).replace("Bearer", "Basic")

    assert (await teams.client.post_once(a_message(teams, person), header)).status == 401


@pytest.mark.usefixtures("herald")
async def test_other_channel_is_refused(teams: StandIn, person: Person) -> None:
    posted = await teams.client.post_once(a_message(teams, person, channelId="skype"), claims(teams))

    assert posted.status == 401


async def test_signed_service_url_of_a_foreign_host_is_refused(herald: Herald, teams: StandIn, person: Person) -> None:
    foreign = "https://smba.attacker.example/teams/"
    activity = a_message(teams, person, serviceUrl=foreign)

    posted = await teams.client.post_once(activity, claims(teams, serviceurl=foreign))

    assert posted.status == 403
    assert herald.table.partitions() == []


async def test_other_tenant_is_refused(herald: Herald, teams: StandIn) -> None:
    stranger = teams.add_person(tenant_id=teams.config.other_tenants[0])
    await teams.install([stranger], notify=False)

    assert (await teams.say(stranger, "hello")).status == 403
    assert herald.table.partitions() == []


async def test_new_key_is_found_and_forged_ones_do_not_make_herald_fetch(
    herald: Herald, teams: StandIn, person: Person
) -> None:
    assert (await teams.say(person, "before")).status == 200
    herald.now += 61
    teams.rotate_keys(keep_old=False)

    assert (await teams.say(person, "after")).status == 200
    answers = await asyncio.gather(*(teams.forge(Forgery.UNKNOWN_KID, person) for _ in range(10)))
    assert {posted.status for posted in answers} == {401}
    assert teams.traffic()["key_requests"] == 2


async def test_old_keys_work_while_the_metadata_cannot_be_had(herald: Herald, teams: StandIn, person: Person) -> None:
    assert (await teams.say(person, "before")).status == 200
    herald.now += 25 * 3600
    teams.misbehave(Action.ANSWER, kinds=["openid"], status=503)

    assert (await teams.say(person, "during")).status == 200


async def test_door_asks_teams_to_come_again_without_keys(herald: Herald, teams: StandIn, person: Person) -> None:
    teams.misbehave(Action.RESET, kinds=["openid"])

    unanswered = await teams.post(a_message(teams, person))
    teams.behave()
    herald.now += 1

    assert unanswered.status == 503
    assert (await teams.post(a_message(teams, person))).status == 200


async def test_key_that_was_never_published_stays_unknown_after_a_refresh(
    herald: Herald, teams: StandIn, person: Person
) -> None:
    await teams.say(person, "hello")
    herald.now += 61
    forged = Key.make(("msteams",)).sign(teams.client.claims(time.time()))

    assert (await teams.client.post_once(a_message(teams, person), f"Bearer {forged}")).status == 401


async def test_whole_life_of_an_installation_is_followed(herald: Herald, teams: StandIn) -> None:
    person = teams.add_person()
    key = f"user!{person.object_id}"

    installed = await teams.install([person])
    active = await herald.conversations.get(teams.tenant_id, key)
    removed = await teams.uninstall([person])
    gone = await herald.conversations.get(teams.tenant_id, key)

    assert (installed.failed, removed.failed) == (0, 0)
    assert active is not None
    assert gone is not None
    assert (active.state, gone.state) == (ReferenceState.ACTIVE, ReferenceState.UNINSTALLED)


async def test_team_is_known_by_its_general_channel(herald: Herald, teams: StandIn, person: Person) -> None:
    team = teams.add_team("Lunch", channels=["News"], members=[person])
    news = team.channels[1]

    tally = await teams.install_in_team(team, person, channel_id=news.id)
    reference = await herald.conversations.get(teams.tenant_id, f"channel!{team.id}")

    assert tally.failed == 0
    assert reference is not None
    assert (reference.state, reference.conversation, reference.group) == (ReferenceState.ACTIVE, team.id, team.group_id)


@pytest.mark.usefixtures("herald")
async def test_channel_is_answered_in_its_thread(teams: StandIn, person: Person) -> None:
    team = teams.add_team("Lunch", members=[person])
    await teams.install_in_team(team, person)

    posted = await teams.say(person, "what is this?", where=team.id)

    assert posted.status == 200
    assert [entry.text for entry in teams.ledger_entries()] == [REPLY]


@pytest.mark.usefixtures("herald")
async def test_invoke_gets_its_own_status(teams: StandIn, person: Person) -> None:
    value = {"action": {"type": "Action.Execute", "verb": "stop"}}

    assert (await teams.invoke(person, "adaptiveCard/action", value)).status == 501
