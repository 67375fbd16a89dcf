"""The Connector's shapes and refusals, over real HTTP on loopback."""

import asyncio
import time
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import pytest

from simulator.config import Config
from simulator.places import Team
from tests.simulator.connector_caller import CARD, Caller, a_caller, an_installed_person

NO_LIMITS = Config(rate=0, conversation_limits=False)


async def a_team(caller: Caller, *, people: int = 3) -> Team:
    members = caller.teams.add_people(people)
    team = caller.teams.add_team("Kitchen", channels=["Menus"], members=members)
    team.installed = True
    return team


async def create_thread(caller: Caller, channel_id: str, **activity: Any) -> Any:
    body = {
        "isGroup": True,
        "channelData": {"channel": {"id": channel_id}, "tenant": {"id": caller.teams.tenant_id}},
        "activity": activity or {"type": "message", "text": "hello"},
    }
    return await caller.call("POST", "v3/conversations", body)


async def test_same_person_always_gets_the_same_chat_by_either_id() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)

        by_object_id = await caller.create(person.object_id)
        by_user_id = await caller.create(person.user_id)

        assert by_object_id.status == 201
        assert by_object_id.body["id"].startswith("a:")
        assert by_user_id.body == by_object_id.body


async def test_object_id_needs_a_personal_install() -> None:
    async with a_caller() as caller:
        team = await a_team(caller)
        person = next(iter(team.members.values()))

        by_object_id = await caller.create(person.object_id)
        by_user_id = await caller.create(person.user_id)
        sent = await caller.send(by_user_id.body["id"])

        assert (by_object_id.status, by_object_id.code) == (403, "ForbiddenOperationException")
        assert (by_user_id.status, sent.status) == (201, 201)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"members": []}, 400, "Bad Argument"),
        ({"members": [{"id": "adele@example.com"}]}, 400, "Bad Argument"),  # An address is no id.
        ({"members": [{"id": "29:nobody"}]}, 400, "Bad Argument"),
        ({"members": [{"id": "a"}, {"id": "b"}]}, 400, "Bad Argument"),  # No group chat can be made.
        ({"isGroup": True}, 400, "Bad Argument"),
        ({"bot": {"id": "28:another"}}, 400, "Bad Argument"),
        ({"channelData": {"tenant": {"id": "elsewhere"}}}, 403, "ForbiddenOperationException"),
        ({"members": [{"id": "6ff4a9d2-0000-4000-8000-000000000000"}]}, 403, "ForbiddenOperationException"),
        ({"isGroup": True, "channelData": {"channel": {"id": "19:nowhere"}}}, 404, "ConversationNotFound"),
    ],
)
async def test_create_is_refused(body: dict[str, Any], status: int, code: str) -> None:
    async with a_caller() as caller:
        whole = {"channelData": {"tenant": {"id": caller.teams.tenant_id}}, **body}

        reply = await caller.call("POST", "v3/conversations", whole)

        assert (reply.status, reply.code) == (status, code)


async def test_create_without_a_tenant_is_refused() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)

        reply = await caller.call("POST", "v3/conversations", {"members": [{"id": person.object_id}]})

        assert (reply.status, reply.code) == (400, "Bad Argument")


async def test_sent_message_gets_an_id_and_stands_in_the_ledger() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)

        reply = await caller.send(person.chat_id, "Welcome")

        assert reply.status == 201
        (entry,) = caller.teams.ledger_entries()
        assert (entry.activity_id, entry.person, entry.text) == (reply.body["id"], person.object_id, "Welcome")


async def test_text_with_attachment_counts_twice_and_has_no_id() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)

        reply = await caller.send(person.chat_id, "Look:", attachments=[CARD])

        assert (reply.status, reply.body) == (201, {})
        summary = caller.teams.ledger_summary()
        assert (summary.requests, summary.deliveries, summary.split) == (2, 1, 1)


async def test_unknown_conversation_is_not_found() -> None:
    async with a_caller() as caller:
        (person,) = caller.teams.add_people(1)

        never_created = await caller.send(person.chat_id)
        made_up = await caller.send("a:made-up")

        assert (never_created.status, never_created.code) == (404, "ConversationNotFound")
        assert (made_up.status, made_up.code) == (404, "ConversationNotFound")


async def test_uninstalled_person_is_refused_until_installed_again() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)
        await caller.teams.uninstall([person], notify=False)
        refused = await caller.send(person.chat_id)
        await caller.teams.install([person], notify=False)

        assert (refused.status, refused.code) == (403, "BotNotInConversationRoster")
        assert (await caller.send(person.chat_id)).status == 201


async def test_numbered_refusal_hides_json_in_a_string() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)
        await caller.teams.uninstall([person], code="MessageWritesBlocked", notify=False)

        reply = await caller.send(person.chat_id)

        assert (reply.status, reply.body["errorCode"]) == (403, 209)
        assert orjson.loads(reply.body["message"])["subCode"] == "MessageWritesBlocked"


async def test_empty_and_broken_bodies_are_bad_arguments() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)
        path = f"v3/conversations/{quote(person.chat_id, safe='')}/activities"

        empty = await caller.send(person.chat_id, "")
        listed = await caller.call("POST", path, ["no", "object"])

        assert [(reply.status, reply.code) for reply in (empty, listed)] == [(400, "Bad Argument")] * 2


async def test_too_large_message_is_refused() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)

        reply = await caller.send(person.chat_id, "a" * 52_000)

        assert (reply.status, reply.code) == (413, "MessageSizeTooBig")


async def test_message_is_updated_and_deleted_by_its_id() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)
        sent = await caller.send(person.chat_id, "First")
        path = f"v3/conversations/{quote(person.chat_id, safe='')}/activities/{sent.body['id']}"

        updated = await caller.call("PUT", path, {"type": "message", "text": "Second"})
        deleted = await caller.call("DELETE", path)
        gone = [await caller.call("DELETE", path), await caller.call("PUT", path, {"type": "message", "text": "x"})]

        assert (updated.status, updated.body) == (200, sent.body)
        assert (deleted.status, deleted.body) == (200, None)
        assert [(reply.status, reply.code) for reply in gone] == [(404, "ActivityNotFoundInConversation")] * 2
        assert [entry.event for entry in caller.teams.ledger_entries()] == ["sent", "updated", "deleted"]


async def test_channel_thread_is_made_replied_to_and_updated() -> None:
    async with a_caller() as caller:
        team = await a_team(caller)
        menus = team.channels[1]

        thread = await create_thread(caller, menus.id)
        reply = await caller.send(thread.body["id"], "and more")
        path = f"v3/conversations/{quote(thread.body['id'], safe='')}/activities/{thread.body['activityId']}"
        updated = await caller.call("PUT", path, {"type": "message", "text": "changed"})

        assert thread.status == 201
        assert thread.body["id"] == f"{menus.id};messageid={thread.body['activityId']}"
        assert (reply.status, updated.status) == (201, 200)


async def test_places_without_the_app_are_refused() -> None:
    async with a_caller() as caller:
        team = caller.teams.add_team("Kitchen")
        chat = caller.teams.add_chat("Lunch")

        replies = [
            await create_thread(caller, team.id),
            await caller.send(team.id),
            await caller.send(chat.id),
            await caller.call("GET", f"v3/teams/{quote(team.id, safe='')}"),
        ]

        assert [(reply.status, reply.code) for reply in replies] == [(403, "BotNotInConversationRoster")] * 4


async def test_pages_of_members_keep_to_the_documented_sizes() -> None:
    async with a_caller(NO_LIMITS) as caller:
        team = await a_team(caller, people=620)
        path = f"v3/conversations/{quote(team.id, safe='')}/pagedmembers"

        small = await caller.call("GET", path + "?pageSize=5")
        large = await caller.call("GET", path + "?pageSize=5000")
        rest = await caller.call("GET", f"{path}?pageSize=500&continuationToken={large.body['continuationToken']}")

        assert [len(reply.body["members"]) for reply in (small, large, rest)] == [50, 500, 120]
        assert "continuationToken" not in rest.body


async def test_a_group_chat_tells_all_of_its_members_at_once() -> None:
    async with a_caller(NO_LIMITS) as caller:
        people = [*caller.teams.add_people(619), *caller.teams.add_people(1, guest=True)]
        chat = caller.teams.add_chat("Lunch", members=people)
        chat.installed = True

        page = await caller.call("GET", f"v3/conversations/{quote(chat.id, safe='')}/pagedmembers?pageSize=50")

        *_, guest = page.body["members"]
        assert len(page.body["members"]) == 620
        assert "continuationToken" not in page.body
        assert "#EXT#" in guest["userPrincipalName"]


async def test_member_is_found_by_each_of_three_ids() -> None:
    async with a_caller() as caller:
        team = await a_team(caller)
        person = next(iter(team.members.values()))
        path = f"v3/conversations/{quote(team.id, safe='')}/members/"

        found = [await caller.call("GET", path + quote(key)) for key in (person.user_id, person.upn, person.object_id)]
        stranger = await caller.call("GET", path + "nobody@example.com")

        assert [reply.body for reply in found] == [person.as_member()] * 3
        assert found[0].body["objectId"] == person.object_id
        assert stranger.status == 404


async def test_team_tells_its_group_and_its_channels() -> None:
    async with a_caller() as caller:
        team = await a_team(caller)
        path = f"v3/teams/{quote(team.id, safe='')}"

        details = await caller.call("GET", path)
        channels = await caller.call("GET", path + "/conversations")

        assert details.body["aadGroupId"] == team.group_id
        general, menus = channels.body["conversations"]
        assert (general["id"], general["name"]) == (team.id, None)
        assert menus["name"] == "Menus"


async def test_calls_need_a_token_of_the_bot_for_the_connector() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)
        teams = caller.teams
        expired = teams.world.entra_keys.current.sign(
            {"aud": "https://api.botframework.com", "iss": "x", "appid": teams.app_id, "exp": int(time.time()) - 1}
        )
        stranger = teams.world.entra_keys.current.sign(
            {"aud": "https://api.botframework.com", "iss": "x", "appid": "another", "exp": int(time.time()) + 60}
        )
        tokens = ["", "junk", teams.bearer("https://graph.microsoft.com"), expired, stranger, teams.client.token()]
        path = f"v3/conversations/{quote(person.chat_id, safe='')}/activities"

        replies = [await caller.call("POST", path, {"type": "message", "text": "x"}, token=token) for token in tokens]

        assert [reply.status for reply in replies] == [401] * len(tokens)
        assert teams.ledger_summary().deliveries == 0


async def test_token_that_was_good_is_refused_once_it_expired() -> None:
    async with a_caller(Config(token_lifetime_s=1)) as caller:
        person = await an_installed_person(caller.teams)
        good = await caller.send(person.chat_id)
        token = caller.token

        assert good.status == 201
        assert (
            caller.teams.world.verifier.claims(token, audience="https://api.botframework.com", now=time.time() + 2)
            is None
        )


async def test_eighth_message_to_a_conversation_in_a_second_is_throttled_and_not_delivered() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)

        replies = [await caller.send(person.chat_id, str(number)) for number in range(8)]

        assert [reply.status for reply in replies] == [201] * 7 + [429]
        assert replies[-1].code == "Throttled"
        assert int(replies[-1].headers["Retry-After"]) >= 1
        summary = caller.teams.ledger_summary()
        assert (summary.deliveries, summary.requests, summary.throttled) == (7, 8, 1)
        assert summary.by_status == {"201": 7, "429": 1}


async def test_tenant_is_throttled_over_all_its_conversations() -> None:
    async with a_caller(Config(rate=1, depth=5)) as caller:
        people = caller.teams.add_people(8)
        await caller.teams.install(people, notify=False)

        statuses = [(await caller.send(person.chat_id)).status for person in people]

        assert statuses == [201] * 5 + [429] * 3


async def test_fault_answers_instead_of_delivering() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)
        caller.teams.misbehave(code="ServiceError", status=503, retry_after=2, people=[person], count=1)

        replies = [await caller.send(person.chat_id) for _ in range(2)]

        assert [reply.status for reply in replies] == [503, 201]
        assert replies[0].headers["Retry-After"] == "2"
        assert caller.teams.ledger_summary().deliveries == 1


@pytest.mark.parametrize(("action", "deliveries"), [("reset", 0), ("lose_answer", 1)])
async def test_connection_breaks_before_or_after_delivery(action: str, deliveries: int) -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)
        caller.teams.misbehave(action)

        with pytest.raises(aiohttp.ClientError):
            await caller.send(person.chat_id)

        summary = caller.teams.ledger_summary()
        assert (summary.deliveries, summary.answers_lost) == (deliveries, deliveries)
        assert summary.by_status == {"0": 1}


async def test_false_answer_tells_an_error_after_delivery() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)
        caller.teams.misbehave("false_answer", code="ServiceError", status=504)

        reply = await caller.send(person.chat_id)

        summary = caller.teams.ledger_summary()
        assert (reply.status, reply.code) == (504, "ServiceError")
        assert (summary.deliveries, summary.answers_lost) == (1, 1)


async def test_hanging_call_neither_delivers_nor_answers() -> None:
    async with a_caller() as caller:
        person = await an_installed_person(caller.teams)
        caller.teams.misbehave("hang", count=1)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(caller.send(person.chat_id), 0.2)

        assert caller.teams.ledger_summary().deliveries == 0
        assert (await caller.send(person.chat_id)).status == 201
