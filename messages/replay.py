"""Replay: what was set aside is tried again, at an operator's word, and forgotten only once that is written down.

A nudge goes back into its queue, a request is accepted, an item of a digest is kept (or either is recorded as a
rejection, with what is wrong with it), and a parked batch is worked on as leftovers that are due now. To replay twice
does no more than to replay once.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from messages.broadcast_requests import BroadcastRequests
from messages.digest_requests import DigestRequests
from messages.problems import Problem
from shared.acceptance import Accepted
from shared.envelopes import read_json_object
from shared.errors import InvalidRequest, RowConflict
from shared.nudging import Nudging
from shared.ports import Clock, Queue
from shared.storage.broadcasts import Broadcasts
from shared.storage.digest_items import NewItem
from shared.storage.names import DIGEST_ITEM_QUEUE
from shared.storage.poison import PoisonMessage, PoisonMessages
from shared.telemetry import log_event

MOST_MESSAGES = 100
"""Messages of a queue, and batches of a broadcast, that one request replays."""

logger = logging.getLogger(__name__)


class Replay:
    """Tries again. `queues` are those whose messages are nudges, by name."""

    def __init__(
        self,
        messages: PoisonMessages,
        *,
        requests: BroadcastRequests,
        items: DigestRequests,
        broadcasts: Broadcasts,
        nudging: Nudging,
        queues: Mapping[str, Queue],
        clock: Clock,
    ) -> None:
        self._messages = messages
        self._requests = requests
        self._items = items
        self._broadcasts = broadcasts
        self._nudging = nudging
        self._queues = queues
        self._clock = clock

    async def message(self, queue: str, row_id: str) -> dict[str, Any]:
        """Replay one message. Raises Problem where there is none."""
        message = await self._messages.get(queue, row_id)
        if message is None:
            detail = f"nothing of the queue {queue} has this id: it may have been replayed already"
            raise Problem(HTTPStatus.NOT_FOUND, "not-found", "No such message", detail)
        return await self._replay(message)

    async def queue(self, queue: str, *, after: str = "") -> tuple[list[dict[str, Any]], str]:
        """Replay the messages of a queue, newest first, and tell behind which of them to go on (empty: no more)."""
        messages, following = await self._messages.page([queue], after=after, limit=MOST_MESSAGES)
        return [await self._replay(message) for message in messages], following

    async def broadcast(self, broadcast_id: str) -> list[int]:
        """Replay the parked batches of a broadcast; their numbers. Raises Problem and BroadcastNotFound."""
        await self._check_open(broadcast_id)
        parked = await self._broadcasts.parked.numbers(broadcast_id, limit=MOST_MESSAGES)
        for number in parked:
            await self._unpark(broadcast_id, number)
        return parked

    async def batch(self, broadcast_id: str, number: int) -> None:
        """Replay one parked batch. Raises Problem and BroadcastNotFound."""
        await self._check_open(broadcast_id)
        if not await self._is_parked(broadcast_id, number):
            detail = f"batch {number} of broadcast {broadcast_id} is not parked: it was replayed already, or never was"
            raise Problem(HTTPStatus.CONFLICT, "not-parked", "The batch is not parked", detail)
        await self._unpark(broadcast_id, number)

    async def _replay(self, message: PoisonMessage) -> dict[str, Any]:
        if message.queue in self._queues:
            outcome = await self._put_again(message)
        elif message.queue == DIGEST_ITEM_QUEUE:
            outcome = await self._keep_item(message)
        else:
            outcome = await self._accept(message)
        if outcome["result"] != "kept":
            await self._messages.remove(message)
            log_event(logger, "poison_replayed", queue=message.queue, message=message.message_id, **outcome)
        return {"queue": message.queue, "id": message.id, **outcome}

    async def _put_again(self, message: PoisonMessage) -> dict[str, Any]:
        try:
            read_json_object(message.body)
        except InvalidRequest:
            # It would be dropped: better it stays where it can be looked at.
            return {"result": "kept"}
        await self._queues[message.queue].put(message.body)
        return {"result": "nudged"}

    async def _accept(self, message: PoisonMessage) -> dict[str, Any]:
        """Without a key of its own the poison message's id is the request's key, so it is accepted once."""
        answer = await self._requests.receive(message.body, message_id=message.message_id)
        if isinstance(answer, Accepted):
            return {"result": "accepted", "broadcast": answer.broadcast_id}
        return {"result": "rejected"}

    async def _keep_item(self, message: PoisonMessage) -> dict[str, Any]:
        answer = await self._items.receive(message.body, message_id=message.message_id)
        if isinstance(answer, NewItem):
            return {"result": "accepted", "item": answer.id}
        return {"result": "rejected"}

    async def _check_open(self, broadcast_id: str) -> None:
        broadcast = await self._broadcasts.head(broadcast_id)
        is_stopped = broadcast.stopped_at(self._clock.now()) is not None and not broadcast.revision
        if broadcast.finished_at is not None or is_stopped:
            detail = f"broadcast {broadcast_id} has ended: none of its batches is worked on any more"
            raise Problem(HTTPStatus.CONFLICT, "broadcast-ended", "The broadcast has ended", detail)

    async def _is_parked(self, broadcast_id: str, number: int) -> bool:
        return number in await self._broadcasts.parked.numbers(broadcast_id, first=number, limit=1)

    async def _unpark(self, broadcast_id: str, number: int) -> None:
        """Give a batch back to the sender. A conflict is the echo of this very write, or somebody else's replay."""
        batch = await self._broadcasts.batch(broadcast_id, number)
        if batch is None:
            raise RowConflict(f"batch {number} of broadcast {broadcast_id} is parked and does not exist")
        try:
            await self._broadcasts.parked.unpark(broadcast_id, batch, at=self._clock.now())
        except RowConflict:
            if await self._is_parked(broadcast_id, number):
                raise
        await self._nudging.batch(broadcast_id, number)
        log_event(logger, "batch_replayed", broadcast=broadcast_id, batch=number)
