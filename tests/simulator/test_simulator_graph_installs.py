"""The app's installations by Graph: their life, their refusals, the chat they lead to, and what the bot hears."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from simulator.config import Config
from tests.simulator.connector_caller import Caller, Inbox, a_bot
from tests.simulator.graph_caller import GRAPH, a_graph_caller, apps_of

QUICK = Config(graph_limits=False)


async def heard(inbox: Inbox, count: int) -> list[tuple[str, str | None]]:
    """The types and actions of the activities, once so many have come."""
    async with asyncio.timeout(5):
        while len(inbox.activities) < count:
            await asyncio.sleep(0.01)
    return [(activity["type"], activity.get("action")) for activity in inbox.activities]


async def test_install_is_created_once_listed_upgraded_and_removed() -> None:
    async with a_graph_caller(QUICK) as graph:
        (person,) = graph.teams.add_people(1)

        first, second = await graph.install(person), await graph.install(person)
        assert (first.status, first.body, second.status, second.code) == (201, None, 409, "Conflict")

        wanted = {"expand": "teamsApp,teamsAppDefinition", "filter": f"teamsApp/externalId eq '{QUICK.manifest_id}'"}
        (listed,) = (await graph.get(apps_of(person), **wanted)).body["value"]
        assert listed["teamsApp"]["externalId"] == QUICK.manifest_id
        assert listed["teamsAppDefinition"]["version"] == "1.0.0"

        graph.teams.set_catalog(version="2.0.0")
        one = f"{apps_of(person)}/{quote(listed['id'], safe='')}"
        assert (await graph.get(one, expand="teamsAppDefinition")).body["teamsAppDefinition"]["version"] == "1.0.0"
        assert (await graph.call("POST", f"{one}/upgrade")).status == 204
        assert (await graph.get(one, expand="teamsAppDefinition")).body["teamsAppDefinition"]["version"] == "2.0.0"

        assert (await graph.call("DELETE", one)).status == 204
        assert (await graph.get(apps_of(person))).body["value"] == []
        assert (await graph.call("DELETE", one)).status == 404
        holding = graph.teams.installations()[person.object_id]
        assert (holding.installed, holding.installs, holding.install_requests) == (False, 1, 2)
        assert (holding.upgrades, holding.uninstalls) == (1, 1)


async def test_an_install_and_a_message_tell_which_came_first() -> None:
    async with a_graph_caller(QUICK) as graph:
        teams = graph.teams
        early, late = teams.add_people(2)
        caller = Caller(teams, graph.session, teams.bearer())
        await graph.install(early)
        await graph.install(early)
        await caller.send((await caller.create(early.object_id)).body["id"])
        await graph.install(late)

        (message,) = teams.ledger_entries()
        given = {who: holding.given_at for who, holding in teams.installations().items()}
        teams.clear_graph_summary()

        assert 0 < given[early.object_id] < message.monotonic < given[late.object_id]
        assert {holding.given_at for holding in teams.installations().values()} == {0.0}


async def test_filter_by_the_catalogue_id_finds_the_app_only() -> None:
    async with a_graph_caller(QUICK) as graph:
        (person,) = graph.teams.add_people(1)
        await graph.install(person)
        app_id = graph.teams.set_catalog()["id"]

        found = await graph.get(apps_of(person), filter=f"teamsApp/id eq '{app_id}'")
        other = await graph.get(apps_of(person), filter="teamsApp/id eq 'another'")
        wrong = await graph.get(apps_of(person), filter="id eq 'another'")

        assert [len(found.body["value"]), len(other.body["value"]), wrong.status] == [1, 0, 400]


async def test_both_ids_of_the_chat_lead_to_the_same_place() -> None:
    async with a_graph_caller(QUICK) as graph:
        teams = graph.teams
        (person,) = teams.add_people(1)
        await graph.install(person)
        chat = (await graph.get(f"{apps_of(person)}/{quote(await graph.installation(person), safe='')}/chat")).body
        caller = Caller(teams, graph.session, teams.bearer())

        sent = await caller.send(chat["id"])
        again = await caller.send((await caller.create(person.object_id)).body["id"])

        assert chat["id"] == f"19:{person.object_id}_{teams.app_id}@unq.gbl.spaces"
        assert (chat["chatType"], sent.status, again.status) == ("oneOnOne", 201, 201)
        assert {entry.conversation for entry in teams.ledger_entries()} == {person.chat_id}
        assert teams.ledger_summary().duplicates == 1


async def test_bot_hears_of_an_install_and_of_a_removal() -> None:
    async with a_graph_caller(QUICK) as graph, a_bot(graph.teams) as inbox:
        (person,) = graph.teams.add_people(1)

        await graph.install(person)
        assert inbox.activities == []
        await heard(inbox, 2)
        await graph.call("DELETE", f"{apps_of(person)}/{quote(await graph.installation(person), safe='')}")

        events = [("installationUpdate", "add"), ("conversationUpdate", None), ("installationUpdate", "remove")]
        assert await heard(inbox, 3) == events
        assert inbox.activities[0]["conversation"]["id"] == person.chat_id


async def test_bot_hears_nothing_where_events_are_lost() -> None:
    async with a_graph_caller(QUICK) as graph, a_bot(graph.teams) as inbox:
        graph.teams.set_graph(notify=False, notify_delay_s=0)
        (person,) = graph.teams.add_people(1)

        await graph.install(person)
        await asyncio.sleep(0.05)

        assert inbox.activities == []
        assert person.installed
        assert person.chat_open


async def test_install_shows_in_lists_later() -> None:
    async with a_graph_caller(QUICK) as graph:
        graph.teams.set_graph(listing_lag_s=0.1)
        (person,) = graph.teams.add_people(1)

        await graph.install(person)
        early = await graph.get(apps_of(person))
        again = await graph.install(person)
        await asyncio.sleep(0.12)
        late = await graph.get(apps_of(person))

        assert (early.body["value"], again.status, len(late.body["value"])) == ([], 409, 1)


@pytest.mark.parametrize(
    ("reason", "status", "words"),
    [
        ("policy", 403, "App is blocked by app permission policy"),
        ("license", 403, "Failed to get license information for the user."),
        ("user_missing", 404, "does not exist"),
        ("app_missing", 404, "was not found in the catalog"),
        ("wrong_app", 403, "is not allowed to manage the Teams App"),
        ("consent", 403, "Missing role permissions on the request. API requires one of '"),
        ("transient", 400, "Exception in CreateOrUpdateUserAppEntitlementForTeamsAsync"),
        ("precondition", 412, "IsUserAuthorizedToGrant"),
    ],
)
async def test_install_is_refused_as_told(reason: str, status: int, words: str) -> None:
    async with a_graph_caller(QUICK) as graph:
        first, second = graph.teams.add_people(2)
        graph.teams.refuse_installs(reason, [first], times=1)

        refused, other, again = [await graph.install(person) for person in (first, second, first)]

        assert (refused.status, other.status, again.status) == (status, 201, 201)
        assert words in refused.body["error"]["message"]


@pytest.mark.parametrize(
    ("trait", "words"),
    [({"licensed": False}, "license information"), ({"policy_blocked": True}, "permission policy")],
)
async def test_what_a_person_is_like_decides(trait: dict[str, Any], words: str) -> None:
    async with a_graph_caller(QUICK) as graph:
        (person,) = graph.teams.add_people(1, **trait)

        refused = await graph.install(person)
        graph.teams.change_people([person], licensed=True, policy_blocked=False)

        assert refused.status == 403
        assert words in refused.body["error"]["message"]
        assert (await graph.install(person)).status == 201


async def test_nobody_and_no_app_are_not_found() -> None:
    async with a_graph_caller(Config(graph_limits=False, other_tenants=("fabrikam",))) as graph:
        stranger = graph.teams.add_person(tenant_id="fabrikam")
        (person,) = graph.teams.add_people(1)
        other = {"teamsApp@odata.bind": f"{GRAPH}/v1.0/appCatalogs/teamsApps/another"}

        assert (await graph.install(stranger)).code == "Request_ResourceNotFound"
        assert (await graph.call("POST", apps_of(person), other)).status == 404
        assert (await graph.call("POST", apps_of(person), {"teamsApp": "no"})).status == 400
        graph.teams.set_catalog(listed=False)
        assert (await graph.install(person)).status == 404


async def test_app_uploaded_anew_is_another_app() -> None:
    async with a_graph_caller(QUICK) as graph:
        (person,) = graph.teams.add_people(1)
        before = graph.app
        await graph.install(person)

        graph.teams.set_catalog(new_id=True)

        assert (await graph.get(apps_of(person))).body["value"] == []
        assert (await graph.call("POST", apps_of(person), before)).status == 404
        assert (await graph.install(person)).status == 201


async def test_catalogue_tells_of_the_app() -> None:
    async with a_graph_caller(QUICK) as graph:
        wanted = {"filter": f"externalId eq '{QUICK.manifest_id}'", "expand": "appDefinitions"}

        (app,) = (await graph.get("/appCatalogs/teamsApps", **wanted)).body["value"]
        other = await graph.get("/appCatalogs/teamsApps", filter="externalId eq 'another'")
        graph.teams.set_catalog(listed=False)
        gone = await graph.get("/appCatalogs/teamsApps", **wanted)

        assert app["id"] in graph.app["teamsApp@odata.bind"]
        assert (app["distributionMethod"], app["appDefinitions"][0]["version"]) == ("organization", "1.0.0")
        assert (other.body["value"], gone.body["value"]) == ([], [])


async def test_answer_can_be_lost_after_the_install() -> None:
    async with a_graph_caller(QUICK) as graph:
        (person,) = graph.teams.add_people(1)
        graph.teams.misbehave("false_answer", status=503, kinds=["graph.install"], count=1)

        lost, again = await graph.install(person), await graph.install(person)

        assert (lost.status, again.status) == (503, 409)
        assert graph.teams.graph_summary().answers == {"install": {"409": 1, "503": 1}}


@pytest.mark.parametrize("kind", ["teams", "chats"])
async def test_team_and_group_chat_have_the_app_too(kind: str) -> None:
    async with a_graph_caller(QUICK) as graph, a_bot(graph.teams) as inbox:
        people = graph.teams.add_people(2)
        team = graph.teams.add_team("Kitchen", members=people)
        chat = graph.teams.add_chat("Lunch", members=people)
        path = f"/teams/{team.group_id}" if kind == "teams" else f"/chats/{quote(chat.id, safe='')}"

        installs = [(await graph.call("POST", f"{path}/installedApps", graph.app)).status for _ in range(2)]
        (listed,) = (await graph.get(f"{path}/installedApps", expand="teamsApp")).body["value"]
        one = f"{path}/installedApps/{quote(listed['id'], safe='')}"
        upgraded = await graph.call("POST", f"{one}/upgrade")
        events = await heard(inbox, 2)

        assert (installs, upgraded.status) == ([201, 409], 204)
        assert (team.installed, chat.installed) == (kind == "teams", kind == "chats")
        assert ("installationUpdate", "add") in events
        assert (await graph.call("DELETE", one)).status == 204
        await heard(inbox, 4)
        assert [team.installed, chat.installed] == [False, False]


async def test_hand_made_installs_are_listed_too() -> None:
    async with a_graph_caller(QUICK) as graph:
        (person,) = graph.teams.add_people(1)

        await graph.teams.install([person], notify=False)
        before = (await graph.get(apps_of(person))).body["value"]
        await graph.teams.uninstall([person], notify=False)
        after = (await graph.get(apps_of(person))).body["value"]

        assert (len(before), len(after)) == (1, 0)
        assert graph.teams.installations()[person.object_id].installs == 0


async def test_app_of_another_registration_is_neither_seen_nor_managed() -> None:
    async with a_graph_caller(QUICK) as graph:
        first, second = graph.teams.add_people(2)
        await graph.install(first)

        graph.teams.set_catalog(self_managed=False)

        assert (await graph.get(apps_of(first))).body["value"] == []
        refused = await graph.install(second)
        assert "is not allowed to manage the Teams App" in refused.body["error"]["message"]


async def test_select_chooses_what_is_told() -> None:
    async with a_graph_caller(QUICK) as graph:
        (person,) = graph.teams.add_people(1)
        await graph.install(person)
        one = f"{apps_of(person)}/{quote(await graph.installation(person), safe='')}"

        (app,) = (await graph.get("/appCatalogs/teamsApps", select="id,distributionMethod")).body["value"]
        chat = (await graph.get(f"{one}/chat", select="id")).body

        assert set(app) == {"id", "distributionMethod"}
        assert set(chat) == {"@odata.context", "id"}
