"""Zones of mailboxes read from the stand-in's Graph, with real HTTP, real tokens and the pace."""

import time
from collections.abc import AsyncIterator

import pytest

from shared.domain.local_time import zone_named
from shared.errors import DirectoryUnavailable
from shared.graph.mailbox_zones import MailboxZones
from simulator.config import Config
from simulator.standin import StandIn
from tests.integration.graph.graph_side import a_herald
from tests.integration.teams.herald_side import settings_of

UNKNOWN = "00000000-1111-2222-3333-444444444444"


@pytest.fixture
async def teams(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    async with StandIn(Config(rate=0, graph_limits=False)) as standin:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(standin.ca_file))
        yield standin


@pytest.fixture
async def mailboxes(teams: StandIn) -> AsyncIterator[MailboxZones]:
    async with a_herald(teams, settings_of(teams)) as herald:
        yield MailboxZones(herald.client)


async def test_each_zone_that_a_mailbox_tells_is_known(teams: StandIn, mailboxes: MailboxZones) -> None:
    people = teams.add_people(190)
    lacking = [
        *teams.add_people(3, guest=True),
        *teams.add_people(3, mailbox=False),
        *teams.add_people(3, mailbox_zone="Customized Time Zone"),
    ]

    zones = await mailboxes.zones(teams.tenant_id, [*(person.object_id for person in (*people, *lacking)), UNKNOWN])

    assert zones == {person.object_id: person.zone for person in people}
    assert all(zone_named(zone) for zone in set(zones.values()))
    # Twenty in a batch.
    assert teams.graph_summary().by_kind == {"batch": 10, "mailbox": 200}


async def test_consent_that_is_given_later_is_met_by_a_new_token(teams: StandIn, mailboxes: MailboxZones) -> None:
    people = [person.object_id for person in teams.add_people(30)]
    teams.consent(["User.Read.All"])

    before = await mailboxes.zones(teams.tenant_id, people)
    teams.consent()
    after = await mailboxes.zones(teams.tenant_id, people)

    assert before == {}
    assert after.keys() == set(people)


async def test_mailboxes_that_exchange_keeps_from_the_app_are_left_out(teams: StandIn, mailboxes: MailboxZones) -> None:
    people = teams.add_people(30)
    teams.misbehave(status=403, code="ErrorAccessDenied", kinds=["graph.mailbox"], people=people[:10])

    zones = await mailboxes.zones(teams.tenant_id, [person.object_id for person in people])

    assert zones.keys() == {person.object_id for person in people[10:]}


async def test_a_batch_that_is_lost_is_asked_again(teams: StandIn, mailboxes: MailboxZones) -> None:
    people = [person.object_id for person in teams.add_people(60)]
    teams.misbehave("lose_answer", kinds=["graph.batch"], count=1)

    zones = await mailboxes.zones(teams.tenant_id, people)

    assert zones.keys() == set(people)
    assert teams.graph_summary().by_kind["mailbox"] == 80


async def test_a_graph_that_throttles_says_when_to_come_again(teams: StandIn, mailboxes: MailboxZones) -> None:
    people = [person.object_id for person in teams.add_people(3)]
    teams.misbehave(status=429, code="ApplicationThrottled", retry_after=7, kinds=["graph.mailbox"], count=6)

    with pytest.raises(DirectoryUnavailable) as caught:
        await mailboxes.zones(teams.tenant_id, people)

    assert caught.value.retry_after == 7
    assert (await mailboxes.zones(teams.tenant_id, people)).keys() == set(people)


async def test_the_pace_is_kept_by_batches_side_by_side(teams: StandIn) -> None:
    teams.set_graph_limits(on=True)
    people = [person.object_id for person in teams.add_people(300)]
    async with a_herald(teams, settings_of(teams), is_limited=True) as herald:
        await herald.client.authorize(teams.tenant_id)
        started = time.monotonic()

        zones = await MailboxZones(herald.client).zones(teams.tenant_id, people)

    assert zones.keys() == set(people)
    assert teams.graph_summary().throttled == {}
    # The last of 15 batches leaves at its first slot; a quarter of a second was caught up at the start.
    assert time.monotonic() - started >= 280 / 83 - 0.3
