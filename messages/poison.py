"""What arrives in poison queues is kept, with why, and logged: it means a bug, or an app that is not set up.

A nudge holds nothing, so nothing is lost with it; a request is all that there is of a broadcast, or of an item.
"""

import logging

from messages.broadcast_api import known_id
from messages.broadcast_requests import BroadcastRequests
from messages.digest_requests import DigestRequests
from shared.envelopes import unpack_nudge
from shared.errors import BroadcastNotFound, InvalidRequest
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.storage.names import BROADCAST_QUEUE, DIGEST_ITEM_QUEUE, INSTALL_QUEUE, PLAN_QUEUE, SEND_QUEUE
from shared.storage.poison import PoisonMessage, PoisonMessages
from shared.telemetry import log_event

FUNCTIONS = {
    BROADCAST_QUEUE: "broadcast_request",
    PLAN_QUEUE: "plan",
    SEND_QUEUE: "send",
    INSTALL_QUEUE: "install",
    DIGEST_ITEM_QUEUE: "digest_item",
}
"""The queues whose messages may turn out to be poison, and the functions that fail then."""

logger = logging.getLogger(__name__)


class PoisonKeeper:
    """Keeps poison. A request is also recorded among the rejections, where its caller looks."""

    def __init__(
        self,
        messages: PoisonMessages,
        *,
        requests: BroadcastRequests,
        items: DigestRequests,
        broadcasts: Broadcasts,
        clock: Clock,
    ) -> None:
        self._messages = messages
        self._doors: dict[str, BroadcastRequests | DigestRequests] = {
            BROADCAST_QUEUE: requests,
            DIGEST_ITEM_QUEUE: items,
        }
        self._broadcasts = broadcasts
        self._clock = clock

    async def receive(self, queue: str, body: bytes, *, message_id: str) -> None:
        """Keep a message that was for this queue; once, however often it comes."""
        door = self._doors.get(queue)
        if door is not None:
            rejection = await door.receive_poison(body, message_id=message_id)
            why = rejection.faults[0].detail
        else:
            why = await self._why(queue, body)
        message = PoisonMessage(queue=queue, at=self._clock.now(), message_id=message_id, why=why, body=body)
        if await self._messages.keep(message):
            log_event(logger, "poison_kept", level=logging.ERROR, queue=queue, message=message_id, why=why)

    async def _why(self, queue: str, body: bytes) -> str:
        """What can be told of a nudge that failed each of its tries."""
        try:
            broadcast = await self._broadcasts.head(known_id(unpack_nudge(body).broadcast))
        except InvalidRequest:
            return "this is no nudge of Herald's"
        except BroadcastNotFound:
            return "no broadcast has the id that it names"
        if broadcast.finished_at is not None:
            return "the broadcast that it names has ended: nothing is left to do"
        return f"each of its tries failed: the exceptions of the function `{FUNCTIONS[queue]}` tell why"
