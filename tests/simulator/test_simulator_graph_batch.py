"""Batches of Graph requests: each part is judged singly, and the whole is 200."""

import base64

import aiohttp
import pytest

from simulator.config import Config
from tests.simulator.graph_caller import a_graph_caller, apps_of

QUICK = Config(graph_limits=False)


async def test_parts_are_answered_singly_and_in_any_order() -> None:
    async with a_graph_caller(QUICK) as graph:
        people = graph.teams.add_people(18)
        parts = [graph.part(str(number), "POST", apps_of(person), graph.app) for number, person in enumerate(people)]
        lists = [graph.part("list", "GET", f"{apps_of(people[0])}?$expand=teamsApp"), graph.part("no", "GET", "/no")]

        reply = await graph.call("POST", "/$batch", {"requests": [*parts, *lists]})

        answers = {part["id"]: part for part in reply.body["responses"]}
        assert reply.status == 200
        assert list(answers) != [part["id"] for part in (*parts, *lists)]
        assert [answers[part["id"]]["status"] for part in parts] == [201] * 18
        assert "body" not in answers["0"]
        assert answers["list"]["body"]["value"][0]["teamsApp"]["externalId"] == QUICK.manifest_id
        assert answers["no"]["status"] == 400
        assert graph.teams.graph_summary().by_kind == {"batch": 1, "install": 18, "installations": 1, "unknown": 1}


async def test_part_fails_with_the_one_it_depends_on() -> None:
    async with a_graph_caller(QUICK) as graph:
        (person,) = graph.teams.add_people(1)

        answers = await graph.batch(
            graph.part("1", "POST", apps_of(person), graph.app),
            graph.part("2", "POST", apps_of(person), graph.app, dependsOn=["1"]),
            graph.part("3", "GET", apps_of(person), dependsOn=["2"]),
        )

        assert {number: answer["status"] for number, answer in answers.items()} == {"1": 201, "2": 409, "3": 424}


async def test_each_part_is_throttled_with_its_own_retry_after() -> None:
    async with a_graph_caller() as graph:
        graph.teams.set_graph_limits(per_tenant={"post_installed": 3})
        people = graph.teams.add_people(5)

        answers = await graph.batch(
            *(graph.part(str(number), "POST", apps_of(each), graph.app) for number, each in enumerate(people))
        )

        refused = [answer for answer in answers.values() if answer["status"] == 429]
        assert len(refused) == 2
        assert all(int(answer["headers"]["Retry-After"]) >= 1 for answer in refused)
        summary = graph.teams.graph_summary()
        assert (summary.answers["install"], summary.throttled) == ({"201": 3, "429": 2}, {"post_installed": 2})
        assert summary.worst_second == {"post_installed": 5}


async def test_each_part_needs_its_own_role() -> None:
    async with a_graph_caller(QUICK) as graph:
        (person,) = graph.teams.add_people(1)
        graph.teams.consent(["User.Read.All"])
        graph.token = graph.teams.bearer("https://graph.microsoft.com")

        answers = await graph.batch(
            graph.part("user", "GET", f"/users/{person.object_id}"), graph.part("apps", "GET", apps_of(person))
        )
        graph.token = "nothing"
        outer = await graph.call("POST", "/$batch", {"requests": [graph.part("1", "GET", apps_of(person))]})

        assert (answers["user"]["status"], answers["apps"]["status"], outer.status) == (200, 403, 401)
        message = answers["apps"]["body"]["error"]["message"]
        assert message.startswith("Missing role permissions on the request. API requires one of '")
        assert "Roles on the request 'User.Read.All'" in message


@pytest.mark.parametrize(
    ("change", "count", "words"),
    [
        ({}, 21, "exceeds the maximum value of 20"),
        ({}, 0, "Invalid batch payload"),
        ({"id": "same"}, 2, "an id of its own"),
        ({"url": "https://graph.microsoft.com/v1.0/users"}, 1, "begins with a slash"),
        ({"dependsOn": ["9"]}, 1, "does not come before it"),
        ({"headers": {}}, 1, "does not contain Content-Type header"),
    ],
)
async def test_batch_is_refused_as_a_whole(change: dict[str, object], count: int, words: str) -> None:
    async with a_graph_caller(QUICK) as graph:
        (person,) = graph.teams.add_people(1)
        parts = [graph.part(str(number), "POST", apps_of(person), graph.app) | change for number in range(count)]

        reply = await graph.call("POST", "/$batch", {"requests": parts})

        assert reply.status == 400
        assert words in reply.body["error"]["message"]
        assert not person.installed


async def test_broken_part_breaks_the_whole_after_its_deeds() -> None:
    async with a_graph_caller(QUICK) as graph:
        people = graph.teams.add_people(2)
        graph.teams.misbehave("lose_answer", kinds=["graph.install"], people=people[:1])

        with pytest.raises(aiohttp.ClientError):
            await graph.batch(*(graph.part(each.upn, "POST", apps_of(each), graph.app) for each in people))

        assert [person.installed for person in people] == [True, True]


async def test_outer_call_can_be_refused_alone() -> None:
    async with a_graph_caller(QUICK) as graph:
        (person,) = graph.teams.add_people(1)
        graph.teams.misbehave(code="Throttled", retry_after=2, kinds=["graph.batch"], count=1)

        reply = await graph.call("POST", "/$batch", {"requests": [graph.part("1", "GET", apps_of(person))]})

        assert (reply.status, reply.headers["Retry-After"]) == (429, "2")


async def test_number_in_a_batch_is_a_string_in_base64() -> None:
    async with a_graph_caller(QUICK) as graph:
        graph.teams.add_people(3)
        advanced = {"ConsistencyLevel": "eventual"}

        answers = await graph.batch(graph.part("1", "GET", "/users/$count", headers=advanced))

        assert base64.b64decode(answers["1"]["body"]) == b"3"
