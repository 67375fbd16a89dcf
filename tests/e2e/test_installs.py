"""People without the app are given it through Graph, then they get the message; what stands in the way is told."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest

from simulator.graph.installations import Holding
from simulator.places import Person
from tests.e2e.herald import Herald

pytestmark = pytest.mark.asyncio(loop_scope="session")

ONCE = (True, 1)
"""Has the app, by one install of ours."""


async def holdings(herald: Herald, people: Sequence[Person]) -> list[Holding]:
    """The people's histories with the app; those whom nobody tried to give it are left out."""
    known = await herald.teams.installations()
    return [known[one.object_id] for one in people if one.object_id in known]


async def installs(herald: Herald, people: Sequence[Person]) -> set[tuple[bool, int]]:
    """Whether people have the app, and how often it was installed for them."""
    return {(one.installed, one.installs) for one in await holdings(herald, people)}


async def is_blocked(herald: Herald, broadcast: str, state: str | None) -> dict[str, Any]:
    """Wait until the report tells what keeps installs up; the report."""
    async with asyncio.timeout(30):
        while (report := await herald.report(broadcast))["install_blocked"] != state:
            await asyncio.sleep(0.2)
    return report


async def try_again(herald: Herald) -> None:
    """Do what an operator does who has mended what kept the tenant's installs up."""
    answer = await herald.call("POST", f"/api/tenants/{herald.tenant}/installs/retry")
    assert (answer.status, answer.body["install_blocked"]) == (200, None)


async def test_strangers_get_the_app_once_and_then_the_message(installing: Herald) -> None:
    friends, strangers = await installing.people(30), await installing.people(70, installed=False)
    document = installing.request(users=[*friends, *strangers])

    report = await installing.finished(await installing.ask(document))

    received = await installing.received(document["content"]["text"])
    assert report["counts"]["sent"] == 100
    assert (received["reached"], received["duplicates"]) == (100, 0)
    assert await installs(installing, strangers) == {ONCE}
    # Who has the app is not asked about.
    assert await installs(installing, friends) == {(True, 0)}


async def test_each_failure_has_its_own_outcome_and_keeps_nobody_else_waiting(installing: Herald) -> None:
    add = installing.teams.add_people
    blocked, unlicensed = await add(4, policy_blocked=True), await add(3, licensed=False)
    unlucky, strangers = await add(2), await add(20)
    unknown = [str(uuid4()) for _ in range(5)]
    await installing.teams.call("refuse_installs", reason="transient", people=unlucky, times=1)
    ids = [one.object_id for one in (*blocked, *unlicensed, *unlucky, *strangers)] + unknown

    broadcast = await installing.ask(installing.request(audience={"users": ids}))
    report = await installing.finished(broadcast)

    assert report["reasons"] == {"blocked_by_admin": 4, "user_not_found": 5, "no_teams_license": 3}
    assert report["counts"]["sent"] == 22
    assert report["install_blocked"] is None
    assert await installs(installing, [*unlucky, *strangers]) == {ONCE}
    reasons = {one["recipient"]["id"]: one["reason"] for one in await installing.deliveries(broadcast)}
    assert {reasons[one] for one in unknown} == {"user_not_found"}


async def test_an_app_that_is_not_in_the_catalogue_holds_all_installs_and_no_message(installing: Herald) -> None:
    friends, strangers = await installing.people(10), await installing.people(50, installed=False)
    await installing.teams.call("set_catalog", listed=False)

    broadcast = await installing.ask(installing.request(users=[*friends, *strangers]))
    await installing.sent_at_least(broadcast, 10)
    held = await is_blocked(installing, broadcast, "app_not_in_catalog")
    told = await installing.call("GET", f"/api/tenants/{installing.tenant}/installs")
    await installing.teams.call("set_catalog")
    await try_again(installing)
    report = await installing.finished(broadcast)

    assert (held["counts"]["sent"], held["counts"]["awaiting_install"]) == (10, 50)
    assert told.body["install_blocked"] == "app_not_in_catalog"
    assert told.body["seen_at"]
    assert report["counts"]["sent"] == 60
    assert await installs(installing, strangers) == {ONCE}


async def test_missing_consent_holds_all_installs_until_an_admin_has_consented(installing_apart: Herald) -> None:
    herald = installing_apart
    await herald.teams.call("consent", roles=[])
    friends, strangers = await herald.people(10), await herald.people(50, installed=False)

    broadcast = await herald.ask(herald.request(users=[*friends, *strangers]))
    await herald.sent_at_least(broadcast, 10)
    held = await is_blocked(herald, broadcast, "consent_missing")
    # The token at hand stays without the permission: an app that kept it would wait for an hour.
    await herald.teams.call("consent")
    await try_again(herald)
    report = await herald.finished(broadcast)

    assert (held["state"], held["counts"]["sent"], held["counts"]["awaiting_install"]) == ("sending", 10, 50)
    assert report["counts"]["sent"] == 60
    assert await installs(herald, strangers) == {ONCE}


async def test_a_list_that_lags_behind_installs_is_waited_for(installing: Herald) -> None:
    strangers = await installing.people(40, installed=False)
    # A bot that hears of its installs would need no list.
    await installing.teams.call("set_graph", listing_lag_s=3, notify=False)

    try:
        report = await installing.finished(await installing.ask(installing.request(users=strangers)))
    finally:
        await installing.teams.call("set_graph", listing_lag_s=0, notify=True)

    assert report["counts"]["sent"] == 40
    assert await installs(installing, strangers) == {ONCE}


async def test_a_chat_that_its_person_deleted_is_found_again_once(installing: Herald) -> None:
    (person,) = await installing.people(1, installed=False)
    await installing.finished(await installing.ask(installing.request(users=[person])))
    await installing.teams.misbehave(status=404, code="ConversationNotFound", people=[person], kinds=["send"], count=1)

    documents = [installing.request(users=[person]) for _ in range(2)]
    reports = [await installing.finished(await installing.ask(document)) for document in documents]

    await installing.teams.behave()
    assert [report["counts"]["sent"] for report in reports] == [1, 1]
    assert [(await installing.received(one["content"]["text"]))["duplicates"] for one in documents] == [0, 0]
    assert await installs(installing, [person]) == {ONCE}


async def test_a_chat_that_teams_does_not_know_yet_is_made_by_the_person_s_id(installing: Herald) -> None:
    (person,) = await installing.people(1, installed=False)
    await installing.teams.misbehave(status=404, code="ConversationNotFound", people=[person], kinds=["send"], count=1)

    report = await installing.finished(await installing.ask(installing.request(users=[person])))

    await installing.teams.behave()
    assert report["counts"]["sent"] == 1


@pytest.mark.timeout(300)
async def test_a_host_that_is_killed_while_it_installs_loses_nobody_and_installs_nobody_twice(
    installing_apart: Herald,
) -> None:
    herald = installing_apart
    strangers = await herald.people(200, installed=False)
    document = herald.request(users=strangers)
    broadcast = await herald.ask(document)
    async with asyncio.timeout(60):
        while len(await holdings(herald, strangers)) < 60:
            await asyncio.sleep(0.1)

    herald.stack.kill_host(0)
    before = await holdings(herald, strangers)
    await herald.stack.restart_host(0)
    # What the dead host held stands still for a lease, 45 seconds.
    ticking = asyncio.create_task(tick(herald))
    report = await herald.finished(broadcast, within=150)
    ticking.cancel()

    received, after = await herald.received(document["content"]["text"]), await holdings(herald, strangers)
    assert 0 < len(before) < 200
    assert report["counts"]["sent"] == received["reached"] == 200
    assert {(one.installed, one.installs) for one in after} == {ONCE}
    # Only whom a call was under way for may have been asked for once more.
    assert max(one.install_requests for one in after) <= 2


async def tick(herald: Herald) -> None:
    """Sweep more often than once a minute."""
    while True:
        await asyncio.sleep(5)
        await herald.call("POST", "/admin/functions/tick")
