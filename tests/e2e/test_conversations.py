"""Audiences that Teams itself tells of: members of teams and group chats, channels by name, teams by their groups."""

from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.herald import Herald

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def told(herald: Herald, broadcast: str) -> dict[tuple[str, str], tuple[str, str | None, int]]:
    """State, reason and attempts of each delivery, by its recipient."""
    return {
        (one["recipient"]["kind"], one["recipient"]["id"]): (one["state"], one["reason"], one["attempts"])
        for one in await herald.deliveries(broadcast)
    }


SENT: tuple[str, Any, int] = ("sent", None, 1)
GONE = ("undeliverable", "conversation_gone", 0)


async def test_members_of_a_team_and_a_group_chat_get_the_message_as_people(herald: Herald) -> None:
    people = await herald.people(620)
    guests = await herald.teams.add_people(3, guest=True)
    team = await herald.teams.add_team("Kitchen", members=[*people[:600], *guests])
    chat = await herald.teams.add_chat("Lunch", members=people[580:])
    without_bot = await herald.teams.add_team("Canteen", members=people)
    left_out = await herald.teams.add_chat("Away", members=people[:10])
    await herald.teams.install_in_team(team["id"], by=people[0])
    for one in (chat, left_out):
        await herald.teams.install_in_chat(one["id"], by=people[580 if one is chat else 0])
    document = herald.request(
        audience={
            "rosters": [team["id"], chat["id"], without_bot["id"]],
            "except": {"rosters": [left_out["id"]]},
        }
    )

    report = await herald.finished(await herald.ask(document))

    received = await herald.received(document["content"]["text"])
    assert report["counts"]["sent"] == report["total"] == 610
    assert (received["reached"], received["duplicates"]) == (610, 0)
    assert report["skipped"] == {"guests": 3, "disabled": 0}
    assert report["unknown_rosters"] == [without_bot["id"]]


async def test_channels_are_reached_by_name_and_what_is_not_there_is_told(herald: Herald) -> None:
    (person,) = await herald.people(1)
    team = await herald.teams.add_team("Kitchen", channels=["Menus", "Straße 7"], members=[person])
    without_bot = await herald.teams.add_team("Canteen", channels=["Menus"], members=[person])
    await herald.teams.install_in_team(team["id"], by=person)
    names = [(team, "MENUS"), (team, " strasse 7 "), (team, "general"), (team, "Gossip"), (without_bot, "Menus")]
    document = herald.request(audience={"channels": [{"team": one["id"], "channel": name} for one, name in names]})

    report = await herald.finished(await herald.ask(document))

    general, menus, street = (room["id"] for room in team["channels"])
    assert report["reasons"] == {"conversation_gone": 2}
    assert await told(herald, report["id"]) == {
        ("channel", general): SENT,
        ("channel", menus): SENT,
        ("channel", street): SENT,
        ("channel_name", f"{team['id']}/gossip"): GONE,
        ("channel_name", f"{without_bot['id']}/menus"): GONE,
    }
    assert (await herald.received(document["content"]["text"]))["reached"] == 3
    asked = await herald.call("GET", f"/api/broadcasts/{report['id']}/deliveries?recipient={team['id']}/Gossip")
    assert [one["reason"] for one in asked.body["deliveries"]] == ["conversation_gone"]


async def test_teams_are_reached_by_the_ids_of_their_groups(installing: Herald) -> None:
    people = await installing.people(5)
    strangers = await installing.people(3, installed=False)
    team = await installing.teams.add_team("Kitchen", channels=["Menus"], members=[*people, *strangers])
    await installing.teams.install_in_team(team["id"], by=people[0])
    group, no_team = team["group_id"].upper(), str(uuid4())
    document = installing.request(
        audience={
            "teams": [group, no_team],
            "channels": [{"team": group, "channel": "menus"}],
            "rosters": [group, no_team],
        }
    )

    report = await installing.finished(await installing.ask(document))

    general, menus = (room["id"] for room in team["channels"])
    assert report["counts"]["sent"] == 10
    assert report["unknown_rosters"] == [no_team]
    deliveries = await told(installing, report["id"])
    assert deliveries[("channel", general)] == deliveries[("channel", menus)] == SENT
    assert deliveries[("team", no_team)] == GONE
    # Members without the app are given it first.
    known = await installing.teams.installations()
    assert all(known[one.object_id].installed for one in strangers)
    received = await installing.received(document["content"]["text"])
    assert (received["reached"], received["duplicates"]) == (10, 0)


async def test_a_team_that_nobody_met_is_given_the_app_by_its_groups_id(installing: Herald) -> None:
    team = await installing.teams.add_team("Canteen", members=await installing.people(2, installed=False))
    document = installing.request(audience={"teams": [team["group_id"]]})

    report = await installing.finished(await installing.ask(document))

    assert (report["counts"]["sent"], report["total"]) == (1, 1)
    assert (await installing.received(document["content"]["text"]))["reached"] == 1
    assert (await installing.teams.installations())[team["group_id"]].installs == 1


async def test_a_team_by_its_groups_id_is_refused_where_nobody_looks_it_up(herald: Herald) -> None:
    document = herald.request(audience={"teams": [str(uuid4())]})

    answer = await herald.call("POST", "/api/broadcasts", document=document)

    assert answer.status == 422
    assert [fault["pointer"] for fault in answer.body["errors"]] == ["/audience/teams/0"]
    assert "internalId" in answer.body["errors"][0]["detail"]
