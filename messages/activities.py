"""The use case of an incoming activity: authenticate it, keep where it came from, let the bot answer."""

import logging
import traceback
from collections.abc import Mapping
from typing import Any, Protocol

import orjson

from messages.bot import HeraldBot
from shared.domain.activities import conversation_of, text_at
from shared.domain.references import ReferenceChange, reference_from_activity
from shared.errors import ActivityRefused, HeraldError, RowTooLarge, StorageError, TokenUnavailable
from shared.teams.adapter import TeamsAdapter
from shared.telemetry import log_event

logger = logging.getLogger(__name__)

Answer = tuple[int, bytes]
"""HTTP status and body."""
MAX_BYTES = 1024 * 1024
"""Teams' activities stay far below this; more is not even parsed before its sender is known."""


class Authenticator(Protocol):
    """Tells who posts."""

    async def authenticate(self, activity: dict[str, Any], authorization: str | None) -> str:
        """Answer the tenant. Raises ActivityRefused, or TokenUnavailable while no key can be had."""


class References(Protocol):
    """Keeps where Herald may speak."""

    async def keep(self, change: ReferenceChange) -> bool:
        """Write a change; False where a newer state stands already."""


class Door:
    """Takes one activity after the other from Teams."""

    def __init__(
        self, *, authenticator: Authenticator, references: References, adapter: TeamsAdapter, bot: HeraldBot
    ) -> None:
        self._authenticator = authenticator
        self._references = references
        self._adapter = adapter
        self._bot = bot

    async def handle_activity(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one post of Teams. `headers` find their names in any letter case.

        200 for whatever Teams may post, an invoke's own status for an invoke; 400 for what is no activity; 401 and
        403 without a reason for strangers; 503 where the same post may succeed later, for Teams tries again then.
        """
        activity = read_activity(body)
        if activity is None:
            return 400, b""
        try:
            tenant = await self._authenticator.authenticate(activity, headers.get("Authorization"))
        except ActivityRefused as refusal:
            log_event(logger, "activity_refused", level=logging.WARNING, status=refusal.status, reason=refusal.reason)
            return refusal.status, b""
        except TokenUnavailable as error:
            log_event(logger, "keys_unavailable", level=logging.ERROR, reason=str(error))
            return 503, b""
        try:
            await self._keep(activity, tenant)
        except RowTooLarge as error:
            # Posting it again would not make it smaller.
            log_event(logger, "activity_not_kept", level=logging.ERROR, tenant=tenant, reason=type(error).__name__)
        except StorageError as error:
            log_event(logger, "activity_not_kept", level=logging.ERROR, tenant=tenant, reason=type(error).__name__)
            return 503, b""
        return await self._answer(activity, tenant)

    async def _keep(self, activity: dict[str, Any], tenant: str) -> None:
        kind, conversation = text_at(activity, "type"), conversation_of(activity)
        change = reference_from_activity(activity)
        if change is None:
            log_event(logger, "activity_ignored", tenant=tenant, type=kind, conversation=conversation)
            return
        event = "activity_kept" if await self._references.keep(change) else "activity_outdated"
        log_event(logger, event, tenant=tenant, type=kind, key=change.key, state=change.values.get("state"))

    async def _answer(self, activity: dict[str, Any], tenant: str) -> Answer:
        """Let the bot take its turn; what goes wrong in it must not make Teams post the activity again."""
        failed = 500 if text_at(activity, "type") == "invoke" else 200
        try:
            return await self._adapter.run_turn(activity, self._bot.on_turn)
        except HeraldError as error:
            log_event(logger, "reply_failed", level=logging.ERROR, tenant=tenant, reason=type(error).__name__)
        except Exception as error:
            # The SDK fails on shapes that it does not know, and new ones will come. Its messages may quote what a
            # person wrote, so the place in the code is logged instead.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{frame.filename}:{frame.lineno}"
            log_event(
                logger, "turn_failed", level=logging.ERROR, tenant=tenant, reason=type(error).__name__, where=where
            )
        return failed, b""


def read_activity(body: bytes) -> dict[str, Any] | None:
    """Read a posted body (pure); None where it is no JSON object with a type."""
    if len(body) > MAX_BYTES:
        return None
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and text_at(found, "type") else None
