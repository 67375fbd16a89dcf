"""The witness: what an answer of the Connector says about a conversation reference is noted there, for people's reports
and for the next broadcast."""

import logging
from typing import Protocol
from urllib.parse import unquote

from shared.domain.activities import timestamp
from shared.domain.batches import Recipient
from shared.domain.decisions import Decision
from shared.domain.outcomes import Outcome
from shared.domain.recipients import RecipientKind, kind_of
from shared.domain.references import ReferenceState
from shared.errors import StorageError
from shared.ports import Clock
from shared.telemetry import log_event

SAYS = {
    Outcome.BLOCKED_BY_USER: ReferenceState.BLOCKED,
    Outcome.BLOCKED_BY_ADMIN: ReferenceState.BLOCKED,
    Outcome.NOT_INSTALLED: ReferenceState.UNINSTALLED,
}

logger = logging.getLogger(__name__)


class References(Protocol):
    """What is changed of conversation references."""

    async def forget_conversation(self, tenant: str, key: str, conversation: str) -> None:
        """Drop a conversation that is gone."""

    async def mark(self, tenant: str, key: str, state: ReferenceState, *, at: str) -> None:
        """Note whether the bot may speak."""


class Witness:
    """Notes what was learned. Most deliveries teach nothing, and cost nothing here."""

    def __init__(self, conversations: References, clock: Clock) -> None:
        self._conversations = conversations
        self._clock = clock

    async def note(self, tenant: str, recipient: Recipient, decision: Decision, *, conversation: str) -> None:
        """Bring a reference up to date with a decision. Never raises StorageError: the next broadcast learns it too.

        `conversation` is the (quoted) one that was known before the message was said.
        """
        if kind_of(recipient.key) is not RecipientKind.USER:
            return
        state = SAYS.get(decision.outcome)
        if recipient.is_blocked and decision.outcome is Outcome.SENT:
            state = ReferenceState.ACTIVE
        try:
            if decision.is_gone:
                await self._conversations.forget_conversation(tenant, recipient.key, unquote(conversation))
            elif state is not None:
                await self._conversations.mark(tenant, recipient.key, state, at=timestamp(self._clock.now()))
        except StorageError:
            log_event(logger, "reference_not_noted", level=logging.WARNING, recipient=recipient.key)
