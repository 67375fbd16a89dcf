"""Time zones of people's mailboxes, as Graph tells them."""

from typing import Any

import pytest

from simulator.config import Config
from tests.simulator.graph_caller import GRAPH, a_graph_caller

QUICK = Config(graph_limits=False)


def zone_of(who: str) -> str:
    return f"/users/{who}/mailboxSettings/timeZone"


async def test_mailbox_tells_windows_name_of_a_persons_zone() -> None:
    async with a_graph_caller(QUICK) as graph:
        people = graph.teams.add_people(4)
        (elsewhere,) = graph.teams.add_people(1, zones=["Asia/Kathmandu"])

        replies = [await graph.get(zone_of(person.object_id)) for person in (*people, elsewhere)]

        assert [reply.body["value"] for reply in replies] == [
            "W. Europe Standard Time",
            "Eastern Standard Time",
            "E. South America Standard Time",
            "Tokyo Standard Time",
            "Asia/Kathmandu",
        ]
        assert (
            replies[0]
            .body["@odata.context"]
            .endswith(f"/v1.0/$metadata#users('{people[0].object_id}')/mailboxSettings/timeZone")
        )


async def test_mailbox_tells_what_it_was_set_to() -> None:
    async with a_graph_caller(QUICK) as graph:
        made, changed = graph.teams.add_people(2, mailbox_zone="tzone://Microsoft/Custom")
        graph.teams.change_people([changed], mailbox_zone="Fiji Standard Time")

        told = [(await graph.get(zone_of(each.object_id))).body["value"] for each in (made, changed)]

        assert told == ["tzone://Microsoft/Custom", "Fiji Standard Time"]


@pytest.mark.parametrize("traits", [{"mailbox": False}, {"guest": True}, {"licensed": False}])
async def test_who_has_no_mailbox_is_not_found(traits: dict[str, Any]) -> None:
    async with a_graph_caller(QUICK) as graph:
        (person,) = graph.teams.add_people(1, **traits)

        reply = await graph.get(zone_of(person.object_id))

        assert (reply.status, reply.code) == (404, "MailboxNotEnabledForRESTAPI")


async def test_who_is_not_there_is_an_invalid_user() -> None:
    async with a_graph_caller(Config(graph_limits=False, other_tenants=("fabrikam",))) as graph:
        stranger = graph.teams.add_person(tenant_id="fabrikam")

        replies = [await graph.get(zone_of(each)) for each in ("nobody", stranger.object_id)]

        assert [(reply.status, reply.code) for reply in replies] == [(404, "ErrorInvalidUser")] * 2


async def test_mailboxes_need_a_permission_of_their_own() -> None:
    async with a_graph_caller(QUICK) as graph:
        (person,) = graph.teams.add_people(1)
        graph.teams.consent(["User.Read.All"])
        graph.token = graph.teams.bearer(GRAPH)

        reply = await graph.get(zone_of(person.object_id))

        assert (reply.status, reply.code) == (403, "ErrorAccessDenied")


async def test_parts_of_a_batch_are_answered_each_for_itself() -> None:
    async with a_graph_caller(QUICK) as graph:
        person, without = graph.teams.add_people(2)
        graph.teams.change_people([without], mailbox=False)

        answers = await graph.batch(
            graph.part("0", "GET", zone_of(person.object_id)), graph.part("1", "GET", zone_of(without.object_id))
        )

        assert {number: answer["status"] for number, answer in answers.items()} == {"0": 200, "1": 404}
        assert answers["0"]["body"]["value"] == "W. Europe Standard Time"


async def test_mailboxes_are_throttled_on_request_and_can_fail() -> None:
    async with a_graph_caller() as graph:
        people = graph.teams.add_people(3)
        graph.teams.set_graph_limits(per_tenant={"mailbox": 2})
        graph.teams.misbehave(status=503, code="ErrorMailboxMoveInProgress", kinds=["graph.mailbox"], count=1)

        replies = [await graph.get(zone_of(person.object_id)) for person in people]

        assert [reply.status for reply in replies] == [503, 200, 429]
        assert "Retry-After" in replies[2].headers
