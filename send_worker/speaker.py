"""The speaker: says a message to one recipient, creating the conversation first where there is none yet."""

import logging
from dataclasses import dataclass
from typing import Protocol

from shared.domain.batches import Recipient
from shared.domain.recipients import RecipientKind, identifier_of, kind_of
from shared.domain.references import Reference
from shared.errors import ServiceHostRefused, StorageError, TokenRefused, TokenUnavailable
from shared.storage.conversations import Conversations
from shared.teams.answers import Answer, Verdict
from shared.teams.protocol import Request, create_personal, create_thread, quote_conversation_id, send_to
from shared.telemetry import log_event

logger = logging.getLogger(__name__)


class Connector(Protocol):
    """The one call that the speaker needs of a Connector client."""

    async def send(self, request: Request) -> Answer:
        """Send a request and decipher its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """What became of a message. `conversation` is the (quoted) one that had to be created; empty where none was."""

    answer: Answer
    delivering: bool = True
    """Whether the answered call was the one that delivers, rather than the creation before it."""
    conversation: str = ""


class Speaker:
    """Turns a recipient into calls to the Connector."""

    def __init__(self, connector: Connector, conversations: Conversations, *, app_id: str) -> None:
        self._connector = connector
        self._conversations = conversations
        self._app_id = app_id

    async def speak(self, recipient: Recipient, activity: bytes, *, tenant: str, conversation: str) -> Spoken:
        """Deliver an encoded activity. `conversation` is quoted, and empty where it must be created."""
        if kind_of(recipient.key) is RecipientKind.CHANNEL:
            thread = create_thread(
                recipient.service_url,
                app_id=self._app_id,
                channel=identifier_of(recipient.key),
                tenant=tenant,
                activity=activity,
            )
            return Spoken(answer=await self._send(thread))
        if conversation:
            return Spoken(answer=await self._send(send_to(recipient.service_url, conversation, activity)))
        opened = await self._send(
            create_personal(recipient.service_url, app_id=self._app_id, member=recipient.member, tenant=tenant)
        )
        if opened.kind is not Verdict.ACCEPTED:
            return Spoken(answer=opened, delivering=False)
        await self._keep(tenant, recipient, opened.conversation_id)
        created = quote_conversation_id(opened.conversation_id)
        answer = await self._send(send_to(recipient.service_url, created, activity))
        return Spoken(answer=answer, conversation=created)

    async def _keep(self, tenant: str, recipient: Recipient, conversation: str) -> None:
        """Store the new conversation. Without it the next broadcast would create the same one again, no more."""
        try:
            await self._conversations.insert_if_absent(
                tenant, recipient.key, Reference(conversation=conversation, service_url=recipient.service_url)
            )
        except StorageError:
            log_event(logger, "conversation_not_kept", level=logging.WARNING, recipient=recipient.key)

    async def _send(self, request: Request) -> Answer:
        """Send; a token that cannot be had, or a host that no setting names, proves that nothing was sent."""
        try:
            return await self._connector.send(request)
        except (TokenRefused, TokenUnavailable, ServiceHostRefused) as error:
            return Answer(kind=Verdict.UNREACHABLE, code=type(error).__name__)
