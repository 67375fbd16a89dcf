"""People, groups and teams as Graph tells of them: lists in pages, filters, counts, members."""

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from simulator.config import Config
from tests.simulator.graph_caller import GRAPH, GraphCaller, a_graph_caller

QUICK = Config(graph_limits=False)
EVENTUAL = {"ConsistencyLevel": "eventual"}


async def all_pages(
    graph: GraphCaller, path: str, *, headers: Any = None, **options: Any
) -> list[list[dict[str, Any]]]:
    """Every page of a list, by its links."""
    reply = await graph.get(path, headers=headers, **options)
    pages = [reply.body["value"]]
    while "@odata.nextLink" in reply.body:
        reply = await graph.get(reply.body["@odata.nextLink"], headers=headers)
        assert reply.status == 200, reply.body
        pages.append(reply.body["value"])
    return pages


async def test_users_come_in_pages_by_links() -> None:
    async with a_graph_caller(Config(graph_limits=False, other_tenants=("fabrikam",))) as graph:
        people = graph.teams.add_people(25)
        graph.teams.add_person(tenant_id="fabrikam")

        pages = await all_pages(graph, "/users", select="id,userType", top=10)
        usual = await graph.get("/users")

        assert [len(page) for page in pages] == [10, 10, 5]
        assert [row["id"] for page in pages for row in page] == [person.object_id for person in people]
        assert pages[0][0] == {"id": people[0].object_id, "userType": "Member"}
        assert (len(usual.body["value"]), "userType" in usual.body["value"][0]) == (25, False)


@pytest.mark.parametrize("top", ["1000", "0", "ten"])
async def test_page_size_is_bounded(top: str) -> None:
    async with a_graph_caller(QUICK) as graph:
        assert (await graph.get("/users", top=top)).status == 400
        assert (await graph.get("/users", top=999)).status == 200


async def test_link_must_be_followed_unchanged_and_in_time() -> None:
    async with a_graph_caller(QUICK) as graph:
        graph.teams.add_people(4)
        link = (await graph.get("/users", top=2)).body["@odata.nextLink"]

        tampered = [
            await graph.get(each) for each in (link + "x", link.replace("top=2", "top=3"), link + "&$select=id")
        ]
        twice = [(await graph.get(link)).status for _ in range(2)]
        graph.teams.set_graph(page_life_s=0.01)
        await asyncio.sleep(0.02)
        late = await graph.get(link)

        assert [reply.code for reply in (*tampered, late)] == ["Directory_ExpiredPageToken"] * 4
        assert twice == [200, 200]


async def test_pages_may_be_short_and_repeat_entries() -> None:
    async with a_graph_caller(QUICK) as graph:
        people = graph.teams.add_people(7)
        graph.teams.set_graph(page_limit=3, repeats=1)

        pages = await all_pages(graph, "/users", top=999)

        seen = [row["id"] for page in pages for row in page]
        assert len(seen) > len(people)
        assert list(dict.fromkeys(seen)) == [person.object_id for person in people]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("userType eq 'Member'", 4),
        ("userType eq 'Guest'", 1),
        ("accountEnabled eq true and userType eq 'Member'", 3),
        ("userPrincipalName eq '{upn}'", 1),
        ("userPrincipalName in ('{upn}', 'nobody@example.com')", 1),
        ("mail in ('{upn}') or (userType eq 'Guest' and accountEnabled eq true)", 2),
        ("mail eq null", 0),
    ],
)
async def test_users_are_filtered(condition: str, found: int) -> None:
    async with a_graph_caller(QUICK) as graph:
        person, *_ = graph.teams.add_people(3)
        graph.teams.add_people(1, guest=True)
        graph.teams.add_people(1, enabled=False)

        reply = await graph.get("/users", filter=condition.format(upn=person.upn.upper()))

        assert len(reply.body["value"]) == found


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"filter": "city eq 'Berlin'"}, "Request_UnsupportedQuery"),
        ({"filter": "mail"}, "BadRequest"),
        ({"filter": "mail eq 'a' mail"}, "BadRequest"),
        ({"filter": "mail in ({})".format(", ".join(["'a'"] * 16))}, "Request_UnsupportedQuery"),
        ({"select": "id,shoeSize"}, "BadRequest"),
        ({"skip": "3"}, "Request_BadRequest"),
        ({"count": "true"}, "Request_BadRequest"),
    ],
)
async def test_query_is_refused(options: dict[str, str], code: str) -> None:
    async with a_graph_caller(QUICK) as graph:
        graph.teams.add_people(1)

        reply = await graph.get("/users", **options)

        assert (reply.status, reply.code) == (400, code)


async def test_user_is_found_by_upn_and_tells_what_was_decided() -> None:
    async with a_graph_caller(QUICK) as graph:
        (guest,) = graph.teams.add_people(1, guest=True, licensed=False, enabled=False)
        wanted = "userType,accountEnabled,assignedLicenses,mail"

        reply = await graph.get(f"/users/{quote(guest.upn, safe='')}?$select={wanted}")

        assert "#EXT#" in guest.upn
        assert reply.body["id"] == guest.object_id
        assert (reply.body["userType"], reply.body["accountEnabled"]) == ("Guest", False)
        assert (reply.body["assignedLicenses"], "#" in reply.body["mail"]) == ([], False)


async def test_counts_are_plain_text_and_advanced() -> None:
    async with a_graph_caller(QUICK) as graph:
        people = graph.teams.add_people(3)
        group = graph.teams.add_group("Kitchen", members=people[:2])
        path = f"/groups/{group.id}/transitiveMembers"

        users = await graph.get("/users/$count", headers=EVENTUAL)
        members = await graph.get(f"{path}/$count", headers=EVENTUAL)
        refused = await graph.get("/users/$count")

        assert (users.body, users.headers["Content-Type"].partition(";")[0]) == (3, "text/plain")
        assert (members.body, refused.status) == (2, 400)


async def test_members_of_nested_groups_come_once() -> None:
    async with a_graph_caller(QUICK) as graph:
        adele, bruno, chiara = graph.teams.add_people(3)
        inner = graph.teams.add_group("Cooks", members=[bruno, chiara])
        outer = graph.teams.add_group("Kitchen", members=[adele, bruno], groups=[inner])
        graph.teams.join_group(inner, groups=[outer])
        path = f"/groups/{outer.id}/transitiveMembers"

        everything = await graph.get(path)
        (people,) = await all_pages(
            graph, f"{path}/microsoft.graph.user", headers=EVENTUAL, count="true", select="id", top=999
        )
        plain = await graph.get(f"{path}/microsoft.graph.user")
        graph.teams.leave_group(inner, members=[chiara])

        kinds = [row["@odata.type"] for row in everything.body["value"]]
        assert kinds == ["#microsoft.graph.user"] * 3 + ["#microsoft.graph.group"]
        assert {row["id"] for row in people} == {adele.object_id, bruno.object_id, chiara.object_id}
        assert plain.code == "Request_UnsupportedQuery"
        assert len((await graph.get(path)).body["value"]) == 3
        assert (await graph.get(f"/groups/{outer.id}", select="displayName")).body["displayName"] == "Kitchen"
        assert (await graph.get("/groups/none")).code == "Request_ResourceNotFound"


async def test_members_without_leave_to_read_users_are_ids() -> None:
    async with a_graph_caller(QUICK) as graph:
        (person,) = graph.teams.add_people(1)
        group = graph.teams.add_group("Kitchen", members=[person])
        graph.teams.consent(["GroupMember.Read.All"])
        graph.token = graph.teams.bearer(GRAPH)

        (member,) = (await graph.get(f"/groups/{group.id}/transitiveMembers", select="id,mail")).body["value"]

        assert (member["id"], member["mail"]) == (person.object_id, None)
        assert (await graph.get("/users")).code == "Authorization_RequestDenied"


async def test_team_tells_of_itself_its_channels_and_its_members() -> None:
    async with a_graph_caller(QUICK) as graph:
        people = graph.teams.add_people(3)
        team = graph.teams.add_team("Kitchen", channels=["Menus"], members=people)
        path = f"/teams/{team.group_id}"
        graph.teams.consent(["User.Read.All"])
        graph.token = graph.teams.bearer(GRAPH)
        assert (await graph.get(path)).status == 403
        graph.teams.consent(
            ["Team.ReadBasic.All", "Channel.ReadBasic.All", "TeamMember.Read.All", "GroupMember.Read.All"]
        )
        graph.token = graph.teams.bearer(GRAPH)

        channels = (await graph.get(f"{path}/channels")).body["value"]
        pages = await all_pages(graph, f"{path}/members", top=2)

        assert (await graph.get(path, select="internalId")).body["internalId"] == team.id
        assert [(row["id"], row["displayName"]) for row in channels] == [
            (team.id, "General"),
            (team.channels[1].id, "Menus"),
        ]
        assert [row["userId"] for page in pages for row in page] == [person.object_id for person in people]
        assert (await graph.get("/teams/none")).status == 404
        assert len((await graph.get(f"/groups/{team.group_id}/transitiveMembers")).body["value"]) == 3
