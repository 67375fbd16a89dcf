"""What handlers can do in a turn, and what leaves for Teams because of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from botbuilder.core import TurnContext
from botbuilder.schema import Activity, Attachment, InvokeResponse

from shared.teams.adapter import TeamsAdapter, read_invoke_response
from shared.teams.protocol import Answer, Request, Verdict

Handler = Callable[[TurnContext], Awaitable[None]]
INCOMING: dict[str, Any] = {
    "type": "message",
    "id": "17",
    "serviceUrl": "https://smba.trafficmanager.net/emea/",
    "channelId": "msteams",
    "conversation": {"id": "a:chat"},
    "recipient": {"id": "28:bot"},
    "from": {"id": "29:ada"},
}


@dataclass
class Teams:
    """The Connector: it accepts everything and keeps what was sent."""

    sent: list[Request] = field(default_factory=list)

    async def send(self, request: Request) -> Answer:
        self.sent.append(request)
        return Answer(kind=Verdict.ACCEPTED, activity_id="18")


@pytest.fixture
def teams() -> Teams:
    return Teams()


async def turn(teams: Teams, handler: Handler, **changed: Any) -> tuple[int, bytes]:
    return await TeamsAdapter(teams).run_turn({**INCOMING, **changed}, handler)


async def test_reply_carries_its_card_and_the_message_it_answers(teams: Teams) -> None:
    card = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": "hello"}]}
    ids = []

    async def handler(context: TurnContext) -> None:
        attachment = Attachment(content_type="application/vnd.microsoft.card.adaptive", content=card)
        ids.append((await context.send_activity(Activity(type="message", attachments=[attachment]))).id)

    await turn(teams, handler)

    body = orjson.loads(teams.sent[0].body)
    assert ids == ["18"]
    assert body["attachments"][0]["content"] == card
    assert (body["replyToId"], body["conversation"]["id"], body["recipient"]["id"]) == ("17", "a:chat", "29:ada")


async def test_messages_are_edited_and_taken_back_in_a_turn(teams: Teams) -> None:
    async def handler(context: TurnContext) -> None:
        await context.update_activity(Activity(type="message", id="16", text="better"))
        await context.delete_activity("15")

    await turn(teams, handler)

    prefix = "https://smba.trafficmanager.net/emea/v3/conversations/a%3Achat/activities/"
    assert [(request.method, request.url.removeprefix(prefix)) for request in teams.sent] == [
        ("PUT", "16"),
        ("DELETE", "15"),
    ]
    assert orjson.loads(teams.sent[0].body)["text"] == "better"


async def test_traces_for_developers_stay_at_home(teams: Teams) -> None:
    async def handler(context: TurnContext) -> None:
        await context.send_trace_activity("state", {"a": 1})

    await turn(teams, handler)

    assert teams.sent == []


async def test_invoke_answers_with_the_response_of_its_handler(teams: Teams) -> None:
    async def handler(context: TurnContext) -> None:
        response = InvokeResponse(status=200, body={"task": {"type": "message"}})
        await context.send_activity(Activity(type="invokeResponse", value=response))

    assert await turn(teams, handler, type="invoke", name="task/fetch") == (200, b'{"task":{"type":"message"}}')
    assert teams.sent == []


async def test_invoke_that_nobody_answers_is_not_implemented(teams: Teams) -> None:
    async def handler(_context: TurnContext) -> None: ...

    assert await turn(teams, handler, type="invoke", name="task/fetch") == (501, b"")


def test_invoke_response_without_a_form_on_the_wire_is_a_bug() -> None:
    with pytest.raises(TypeError):
        read_invoke_response(InvokeResponse(status=200, body=object()))
