"""The speaker: says a message to one recipient, creating the conversation first where there is none yet."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from shared.domain.activities import timestamp
from shared.domain.batches import Recipient
from shared.domain.clouds import CLOUDS, CloudName
from shared.domain.recipients import RecipientKind, identifier_of, kind_of
from shared.errors import ServiceHostRefused, StorageError, TokenRefused, TokenUnavailable
from shared.ports import Clock
from shared.teams.answers import Answer, Verdict
from shared.teams.protocol import (
    Request,
    create_personal,
    create_thread,
    delete_activity,
    quote_conversation_id,
    send_to,
    update_activity,
)
from shared.telemetry import log_event

WINDOW_PATIENCE = 2.0
"""Seconds that a post waits for its conversation's windows; what is further away is deferred."""
GCC_SERVICE_URL = CLOUDS[CloudName.GCC].service_url

logger = logging.getLogger(__name__)


class Connector(Protocol):
    """What the speaker needs of a Connector client."""

    async def send(self, request: Request) -> Answer:
        """Send a request and decipher its answer."""

    async def authorize(self) -> None:
        """Make sure that a token is at hand. Raises TokenRefused or TokenUnavailable."""


class References(Protocol):
    """What is changed of conversation references."""

    async def keep_created(self, tenant: str, key: str, *, conversation: str, service_url: str, at: str) -> None:
        """Store a conversation that was created."""

    async def move(self, tenant: str, key: str, service_url: str) -> None:
        """Store the service URL that a recipient really has."""


class ConversationWindows(Protocol):
    """What limits the messages of one conversation."""

    async def take(self, tenant: str, key: str, *, patience: float) -> float:
        """Take the next place; seconds to wait until it is there. Further away than `patience`, none is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What became of a message. `conversation` is the (quoted) one that had to be created; empty where none was."""

    answer: Answer
    delivering: bool = True
    """Whether the answered call was the one that delivers, rather than the creation before it."""
    conversation: str = ""


class Speaker:
    """Turns a recipient into calls to the Connector."""

    def __init__(
        self,
        connector: Connector,
        conversations: References,
        windows: ConversationWindows,
        clock: Clock,
        *,
        app_id: str,
    ) -> None:
        self._connector = connector
        self._conversations = conversations
        self._windows = windows
        self._clock = clock
        self._app_id = app_id

    async def is_authorized(self) -> bool:
        """Whether a token for the Connector can be had now."""
        try:
            await self._connector.authorize()
        except (TokenRefused, TokenUnavailable):
            return False
        return True

    async def speak(
        self,
        recipient: Recipient,
        activity: bytes,
        *,
        tenant: str,
        conversation: str,
        may_go_on: Callable[[], Awaitable[bool]],
    ) -> Spoken:
        """Deliver an encoded activity. `conversation` is quoted, and empty where it must be created.

        `may_go_on` is asked between creation and delivery, since a creation may take seconds.
        """
        if kind_of(recipient.key) is not RecipientKind.USER:
            return Spoken(answer=await self._speak_in_the_open(recipient, activity, tenant, conversation))
        if conversation:
            return Spoken(answer=await self._say(recipient, tenant, conversation, activity))
        opened = await self._send(
            lambda service_url: create_personal(
                service_url, app_id=self._app_id, member=recipient.member, tenant=tenant
            ),
            recipient,
            tenant,
        )
        if opened.kind is not Verdict.ACCEPTED:
            return Spoken(answer=opened, delivering=False)
        await self._keep(tenant, recipient, opened.conversation_id)
        created = quote_conversation_id(opened.conversation_id)
        if not await may_go_on():
            held = Answer(kind=Verdict.BUSY, code="held", retry_after=1.0)
            return Spoken(answer=held, delivering=False, conversation=created)
        return Spoken(answer=await self._say(recipient, tenant, created, activity), conversation=created)

    async def _speak_in_the_open(self, recipient: Recipient, activity: bytes, tenant: str, conversation: str) -> Answer:
        """Speak in a group chat, or start a thread in a channel, within that conversation's windows.

        A personal chat meets no window: a broadcast says one thing to each person.
        """
        try:
            wait = await self._windows.take(tenant, recipient.key, patience=WINDOW_PATIENCE)
        except StorageError as error:
            return Answer(kind=Verdict.BUSY, code=type(error).__name__)
        if wait > WINDOW_PATIENCE:
            return Answer(kind=Verdict.BUSY, code="window", retry_after=wait)
        await asyncio.sleep(wait)
        if kind_of(recipient.key) is RecipientKind.CHAT:
            return await self._say(recipient, tenant, conversation, activity)
        channel = identifier_of(recipient.key)
        return await self._send(
            lambda service_url: create_thread(
                service_url, app_id=self._app_id, channel=channel, tenant=tenant, activity=activity
            ),
            recipient,
            tenant,
        )

    async def revise(
        self, recipient: Recipient, activity: bytes, *, tenant: str, conversation: str, activity_id: str
    ) -> Answer:
        """Put an encoded activity in the place of one that was sent; an empty one takes that back."""

        def build(service_url: str) -> Request:
            if activity:
                return update_activity(service_url, conversation, activity_id, activity)
            return delete_activity(service_url, conversation, activity_id)

        return await self._send(build, recipient, tenant)

    async def _say(self, recipient: Recipient, tenant: str, conversation: str, activity: bytes) -> Answer:
        return await self._send(lambda service_url: send_to(service_url, conversation, activity), recipient, tenant)

    async def _keep(self, tenant: str, recipient: Recipient, conversation: str) -> None:
        """Store the new conversation. Without it the next broadcast would create the same one again, no more."""
        try:
            await self._conversations.keep_created(
                tenant,
                recipient.key,
                conversation=conversation,
                service_url=recipient.service_url,
                at=timestamp(self._clock.now()),
            )
        except StorageError:
            log_event(logger, "conversation_not_kept", level=logging.WARNING, recipient=recipient.key)

    async def _send(self, build: Callable[[str], Request], recipient: Recipient, tenant: str) -> Answer:
        """Send; a tenant of the GCC cloud that was addressed by the public host is addressed anew, once."""
        answer = await self._call(build(recipient.service_url))
        if answer.kind is not Verdict.WRONG_HOST or recipient.service_url == GCC_SERVICE_URL:
            return answer
        answer = await self._call(build(GCC_SERVICE_URL))
        if answer.kind is Verdict.ACCEPTED:
            try:
                await self._conversations.move(tenant, recipient.key, GCC_SERVICE_URL)
            except StorageError:
                log_event(logger, "conversation_not_kept", level=logging.WARNING, recipient=recipient.key)
        return answer

    async def _call(self, request: Request) -> Answer:
        """Call; a token that cannot be had, or a host that no setting names, proves that nothing was sent."""
        try:
            return await self._connector.send(request)
        except TokenRefused as error:
            return Answer(kind=Verdict.UNAUTHORIZED, code=type(error).__name__)
        except (TokenUnavailable, ServiceHostRefused) as error:
            return Answer(kind=Verdict.UNREACHABLE, code=type(error).__name__)
