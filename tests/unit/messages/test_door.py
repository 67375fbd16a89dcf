"""The door: what Teams is answered, what is kept, and what the bot says."""

import logging
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from messages.activities import MAX_BYTES, Door
from messages.bot import REPLY, HeraldBot
from shared.domain.activities import tenant_of
from shared.errors import ActivityRefused, StorageUnavailable, TokenRefused, TokenUnavailable
from shared.storage.conversations import Conversations
from shared.teams.adapter import TeamsAdapter
from shared.teams.protocol import Answer, Request, Verdict
from tests.twins.storage import MemoryTable, Moment, fail_once

TENANT = "0b7e6c52-94d1-4c7f-8f3a-61f0de2a9b84"
PERSON = "7f3c1c52-0a4d-4b58-9d8e-3d1f0a2b4c6d"
BOT = {"id": "28:5c1a9d3e-7b42-4f0e-9a61-2d8e0c4b7f15", "name": "Herald"}
HEADERS = {"Authorization": "Bearer genuine"}


@dataclass
class Guard:
    """Lets the genuine token in, and fails as told."""

    failure: Exception | None = None

    async def authenticate(self, activity: dict[str, Any], authorization: str | None) -> str:
        if self.failure is not None:
            raise self.failure
        if authorization != "Bearer genuine":
            raise ActivityRefused(401, "no token")
        return tenant_of(activity)


@dataclass
class Teams:
    """The Connector: it keeps what was sent, and answers or fails as told."""

    sent: list[Request] = field(default_factory=list)
    answer: Answer = Answer(kind=Verdict.ACCEPTED, activity_id="17")  # noqa: RUF009 - It is frozen.
    failure: Exception | None = None

    async def send(self, request: Request) -> Answer:
        if self.failure is not None:
            raise self.failure
        self.sent.append(request)
        return self.answer

    def bodies(self) -> list[dict[str, Any]]:
        return [orjson.loads(request.body) for request in self.sent]


@dataclass
class House:
    """A door with all that stands behind it."""

    guard: Guard = field(default_factory=Guard)
    teams: Teams = field(default_factory=Teams)
    table: MemoryTable = field(default_factory=lambda: MemoryTable(lambda: 0.0))
    slots: list[str] = field(default_factory=list)

    async def _take_slot(self, tenant: str) -> None:
        self.slots.append(tenant)

    @property
    def door(self) -> Door:
        return Door(
            authenticator=self.guard,
            references=Conversations(self.table),
            adapter=TeamsAdapter(self.teams, take_slot=self._take_slot),
            bot=HeraldBot(),
        )

    async def post(self, activity: object) -> tuple[int, bytes]:
        return await self.door.handle_activity(HEADERS, orjson.dumps(activity))


@pytest.fixture
def house() -> House:
    return House()


def an_activity(kind: str = "message", *, scope: str = "personal", **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "id": "f:1",
        "timestamp": "2026-11-21T10:00:00.123Z",
        "serviceUrl": "https://smba.trafficmanager.net/emea/",
        "channelId": "msteams",
        "from": {"id": "29:ada", "name": "Ada Lovelace", "aadObjectId": PERSON},
        "conversation": {"conversationType": scope, "id": "a:chat", "tenantId": TENANT},
        "recipient": BOT,
        "channelData": {"tenant": {"id": TENANT}},
        **({"text": "hello"} if kind == "message" else {}),
        **more,
    }


NO_ACTIVITIES = [
    # Malformed JSON.
    b"{",
    b"",
    b"\xff",
    # JSON that is no object.
    b"[]",
    b'"message"',
    # An object without a type.
    b"{}",
    b'{"type": 5}',
    # More than Teams ever posts.
    b'{"type":"message","text":"' + b"a" * MAX_BYTES + b'"}',
]


@pytest.mark.parametrize("body", NO_ACTIVITIES)
async def test_what_is_no_activity_is_a_bad_request(house: House, body: bytes) -> None:
    assert await house.door.handle_activity(HEADERS, body) == (400, b"")


async def test_stranger_is_turned_away_without_a_reason_and_leaves_nothing(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    status, body = await house.door.handle_activity({}, orjson.dumps(an_activity()))

    assert (status, body) == (401, b"")
    assert house.table.partitions() == []
    assert house.teams.sent == []
    assert 'activity_refused {"status":401,"reason":"no token"}' in caplog.text


async def test_refusal_keeps_its_status(house: House) -> None:
    house.guard.failure = ActivityRefused(403, "another tenant")

    assert await house.post(an_activity()) == (403, b"")


async def test_teams_is_asked_to_come_again_while_nobody_can_be_checked(house: House) -> None:
    house.guard.failure = TokenUnavailable("no keys")

    assert await house.post(an_activity()) == (503, b"")


async def test_teams_is_asked_to_come_again_when_nothing_can_be_kept(house: House) -> None:
    house.table.hook = fail_once(StorageUnavailable("down"), moment=Moment.BEFORE, verb="write")

    assert await house.post(an_activity()) == (503, b"")
    assert house.teams.sent == []
    assert await house.post(an_activity()) == (200, b"")


async def test_message_is_kept_and_answered_once(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    assert await house.post(an_activity()) == (200, b"")

    (request,) = house.teams.sent
    assert request.url == "https://smba.trafficmanager.net/emea/v3/conversations/a%3Achat/activities"
    assert house.teams.bodies()[0]["text"] == REPLY
    assert house.slots == [TENANT]
    assert house.table.rows(TENANT)[f"user!{PERSON}"]["conversation"] == "a:chat"
    assert [record.getMessage().split()[0] for record in caplog.records] == ["activity_kept"]
    assert "hello" not in caplog.text
    assert "Ada" not in caplog.text


async def test_button_of_a_card_is_not_answered_with_words(house: House) -> None:
    activity = an_activity(value={"action": "stop"})
    del activity["text"]

    assert await house.post(activity) == (200, b"")
    assert house.teams.sent == []


MENTION = {"type": "mention", "mentioned": BOT, "text": "<at>Herald</at>"}
IN_A_CHANNEL = {"conversationType": "channel", "id": "19:c@thread.tacv2;messageid=17", "tenantId": TENANT}


async def test_channel_is_answered_in_the_thread_when_the_bot_is_addressed(house: House) -> None:
    await house.post(an_activity(conversation=IN_A_CHANNEL, entities=[MENTION]))

    (request,) = house.teams.sent
    assert "/19%3Ac%40thread.tacv2%3Bmessageid%3D17/" in request.url


async def test_channel_is_not_answered_when_somebody_else_is_addressed(house: House) -> None:
    other = {"type": "mention", "mentioned": {"id": "29:bob"}, "text": "<at>Bob</at>"}

    assert await house.post(an_activity(conversation=IN_A_CHANNEL, entities=[other])) == (200, b"")
    assert house.teams.sent == []
    assert "channel!19:c@thread.tacv2" in house.table.rows(TENANT)


async def test_failing_reply_does_not_fail_the_storing(house: House) -> None:
    house.teams.failure = TokenRefused("invalid_client")

    assert await house.post(an_activity()) == (200, b"")
    assert f"user!{PERSON}" in house.table.rows(TENANT)


async def test_refused_reply_is_logged_and_not_repeated(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.teams.answer = Answer(kind=Verdict.BLOCKED_BY_USER, code="ConversationBlockedByUser")

    assert await house.post(an_activity()) == (200, b"")
    assert len(house.teams.sent) == 1
    assert "reply_not_accepted" in caplog.text


EVENTS = [
    # Installing and leaving.
    an_activity("installationUpdate", action="add"),
    an_activity("installationUpdate", action="remove"),
    # Members, which the SDK would look up in Teams' roster.
    an_activity("conversationUpdate", membersAdded=[{"id": "29:ada"}, BOT]),
    an_activity(
        "conversationUpdate",
        scope="channel",
        membersAdded=[{"id": "29:bob", "aadObjectId": "11111111-2222-3333-4444-555555555555"}],
        channelData={"tenant": {"id": TENANT}, "eventType": "teamMemberAdded", "team": {"id": "19:t@thread.tacv2"}},
    ),
    # A reaction, an edit, a read receipt.
    an_activity("messageReaction", reactionsAdded=[{"type": "like"}], replyToId="17"),
    an_activity("messageUpdate", text="hello!"),
    an_activity("event", name="application/vnd.microsoft.readReceipt", value={"lastReadMessageId": "17"}),
    # What did not exist when this was written.
    an_activity("teleportation"),
]


@pytest.mark.parametrize("activity", EVENTS)
async def test_events_are_taken_in_silence_with_one_log_line(
    house: House, activity: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    assert await house.post(activity) == (200, b"")
    assert house.teams.sent == []
    assert len(caplog.records) == 1


INVOKES = [
    # An action of a card, which nobody handles yet.
    ("adaptiveCard/action", {"action": {"type": "Action.Execute", "verb": "stop"}}, 501),
    # The kinds of invoke that belong to other features of Teams.
    ("task/fetch", {"data": {}}, 501),
    ("composeExtension/query", {"commandId": "search"}, 501),
    ("signin/verifyState", {"state": "1"}, 501),
    # A kind that did not exist when this was written.
    ("something/new", {}, 501),
]


@pytest.mark.parametrize(("name", "value", "status"), INVOKES)
async def test_invoke_is_answered_with_its_own_status(house: House, name: str, value: object, status: int) -> None:
    assert await house.post(an_activity("invoke", name=name, value=value)) == (status, b"")
    assert f"user!{PERSON}" in house.table.rows(TENANT)


async def test_malformed_card_action_is_told_what_is_missing(house: House) -> None:
    status, body = await house.post(an_activity("invoke", name="adaptiveCard/action", value={}))

    assert status == 400
    assert orjson.loads(body) == {
        "statusCode": 400,
        "type": "application/vnd.microsoft.error",
        "value": {"code": "BadRequest", "message": "Missing action property"},
    }


async def test_shape_that_the_sdk_cannot_read_is_kept_all_the_same(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    assert await house.post(an_activity(attachments="a secret")) == (200, b"")
    assert await house.post(an_activity("invoke", name="task/fetch", attachments="a secret")) == (500, b"")
    assert f"user!{PERSON}" in house.table.rows(TENANT)
    assert "turn_failed" in caplog.text
    assert "a secret" not in caplog.text
