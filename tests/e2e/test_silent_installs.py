"""The app alone: given ahead of time, to teams and chats as well, brought up to date, and taken away."""

from typing import Any
from uuid import uuid4

import pytest

from simulator.graph.installations import Holding
from tests.e2e.herald import Herald

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def see_to(herald: Herald, audience: dict[str, Any], action: str = "install") -> dict[str, Any]:
    """Ask for the app alone, wait until it was seen to, and answer the last report."""
    document = {"version": 1, "key": f"key-{uuid4()}", "audience": audience, "action": action}
    answer = await herald.call("POST", "/api/installs", document=document)
    assert answer.status == 202, answer
    return await herald.finished(answer.body["id"])


async def holding(herald: Herald, holder: str) -> Holding:
    """A holder's history with the app."""
    return (await herald.teams.installations())[holder]


async def test_people_have_the_app_ahead_of_time_and_nobody_hears_of_it(installing: Herald) -> None:
    strangers = await installing.people(30, installed=False)
    blocked = await installing.teams.add_people(2, policy_blocked=True)
    ids = [one.object_id for one in (*strangers, *blocked)]
    before = (await installing.teams.ledger_summary()).deliveries

    report = await see_to(installing, {"users": ids})

    assert (report["mode"], report["counts"]["installed"]) == ("install", 30)
    assert report["reasons"] == {"blocked_by_admin": 2}
    assert (await installing.teams.ledger_summary()).deliveries == before
    assert [(await holding(installing, one.object_id)).installs for one in strangers] == [1] * 30


async def test_the_app_is_upgraded_and_removed_by_request_and_comes_back_with_a_message(installing: Herald) -> None:
    (person,) = await installing.people(1, installed=False)
    audience = {"users": [person.object_id]}
    await see_to(installing, audience)
    await installing.teams.call("set_catalog", version="1.10.0")

    upgraded = await see_to(installing, audience, "upgrade")
    version = (await holding(installing, person.object_id)).version
    removed = await see_to(installing, audience, "remove")
    gone = await holding(installing, person.object_id)
    message = await installing.finished(await installing.ask(installing.request(users=[person])))

    assert (upgraded["counts"]["installed"], version) == (1, "1.10.0")
    assert (removed["counts"]["removed"], gone.installed, gone.uninstalls) == (1, False, 1)
    assert message["counts"]["sent"] == 1
    assert (await holding(installing, person.object_id)).installs == 2


async def test_teams_and_chats_get_the_app_before_their_message(installing: Herald) -> None:
    members = await installing.people(3, installed=False)
    team = await installing.teams.add_team("Sales", members=members)
    chat = await installing.teams.add_chat("Lunch", members=members)
    # The team had the app once: so its group is known.
    await installing.teams.install_in_team(team["id"], members[0])
    removed = await see_to(installing, {"teams": [team["id"]]}, "remove")

    document = installing.request(audience={"teams": [team["id"]], "chats": [chat["id"]]})
    report = await installing.finished(await installing.ask(document))

    assert (removed["counts"]["removed"], report["counts"]["sent"]) == (1, 2)
    assert (await installing.received(document["content"]["text"]))["reached"] == 2
    assert [(await holding(installing, key)).installs for key in (team["group_id"], chat["id"])] == [1, 1]
