"""The seam between the bot SDK and Herald: turns run through the SDK's handlers, replies leave by the Connector client.

The SDK's own adapters make a new client and a new token for each turn, which costs 8 ms and a connection; this one
makes none.
"""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Protocol

import orjson
from botbuilder.core import BotAdapter, TurnContext
from botbuilder.schema import Activity, ActivityTypes, ConversationReference, InvokeResponse, ResourceResponse
from msrest.serialization import Model

from shared.domain.activities import tenant_of
from shared.teams.answers import Answer, Verdict
from shared.teams.protocol import Request, delete_activity, quote_conversation_id, send_to, update_activity
from shared.telemetry import log_event

logger = logging.getLogger(__name__)

TENANT = "herald.tenant"
"""Where a turn keeps its tenant: the SDK's conversation has it under different names."""
TakeSlot = Callable[[str], Awaitable[None]]
"""Waits for a slot of a tenant's pace."""


class Connector(Protocol):
    """What the adapter needs of a `ConnectorClient`."""

    async def send(self, request: Request) -> Answer:
        """Send a request and decipher its answer."""


async def at_once(_tenant: str) -> None:
    """Take no slot: there is no limit to keep."""


class TeamsAdapter(BotAdapter):  # type: ignore[misc]  # The SDK ships no types.
    """Runs one turn for one activity that was authenticated, and sends what its handlers say."""

    def __init__(self, client: Connector, *, take_slot: TakeSlot = at_once) -> None:
        super().__init__()
        self._client = client
        self._take_slot = take_slot

    async def run_turn(
        self, activity: dict[str, Any], on_turn: Callable[[TurnContext], Awaitable[None]]
    ) -> tuple[int, bytes]:
        """Give the activity to the bot's `on_turn`; answer status and body, which matter for an invoke alone."""
        context = TurnContext(self, Activity().deserialize(activity))
        context.turn_state[TENANT] = tenant_of(activity)
        await self.run_pipeline(context, on_turn)
        if activity.get("type") != ActivityTypes.invoke:
            return HTTPStatus.OK, b""
        answered = context.turn_state.get(BotAdapter._INVOKE_RESPONSE_KEY)  # noqa: SLF001 - The SDK's own convention.
        if answered is None:
            return HTTPStatus.NOT_IMPLEMENTED, b""
        return read_invoke_response(answered.value)

    async def send_activities(self, context: TurnContext, activities: list[Activity]) -> list[ResourceResponse]:
        """Send to the conversation and the service URL of the turn; keep an invoke's answer for `run_turn`."""
        return [await self._send(context, activity) for activity in activities]

    async def update_activity(self, context: TurnContext, activity: Activity) -> ResourceResponse:
        """Put an activity in the place of the one with its id."""
        service_url, conversation = _place_of(context)
        request = update_activity(service_url, conversation, activity.id, orjson.dumps(activity.serialize()))
        return ResourceResponse(id=(await self._call(context, request)).activity_id)

    async def delete_activity(self, context: TurnContext, reference: ConversationReference) -> None:
        """Take back the activity that the reference names."""
        service_url, conversation = _place_of(context)
        await self._call(context, delete_activity(service_url, conversation, reference.activity_id))

    async def _send(self, context: TurnContext, activity: Activity) -> ResourceResponse:
        if activity.type == ActivityTypes.invoke_response:
            context.turn_state[BotAdapter._INVOKE_RESPONSE_KEY] = activity  # noqa: SLF001 - The SDK's own convention.
            return ResourceResponse(id="")
        if activity.type == ActivityTypes.trace:
            return ResourceResponse(id="")
        service_url, conversation = _place_of(context)
        answer = await self._call(context, send_to(service_url, conversation, orjson.dumps(activity.serialize())))
        return ResourceResponse(id=answer.activity_id)

    async def _call(self, context: TurnContext, request: Request) -> Answer:
        await self._take_slot(context.turn_state[TENANT])
        answer = await self._client.send(request)
        if answer.kind is not Verdict.ACCEPTED:
            log_event(
                logger,
                "reply_not_accepted",
                level=logging.WARNING,
                verdict=answer.kind.name.lower(),
                code=answer.code,
                conversation=context.activity.conversation.id,
            )
        return answer


def _place_of(context: TurnContext) -> tuple[str, str]:
    incoming = context.activity
    return incoming.service_url, quote_conversation_id(incoming.conversation.id)


def read_invoke_response(response: InvokeResponse) -> tuple[int, bytes]:
    """Read the answer to an invoke as the HTTP status and body that Teams expects (pure)."""
    body = b"" if response.body is None else orjson.dumps(response.body, default=_plain)
    return response.status, body


def _plain(value: object) -> object:
    """The SDK's values without its serializer, which fails on the exceptions that its own error answers hold."""
    if isinstance(value, Exception):
        return dict(zip(("code", "message"), value.args, strict=False))
    if isinstance(value, Model):
        names = value._attribute_map.items()  # noqa: SLF001 - The one place where a model has its wire names.
        return {wire["key"]: getattr(value, name) for name, wire in names}
    raise TypeError(f"{type(value).__name__} has no form on the wire")
