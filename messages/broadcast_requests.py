"""Broadcast requests from the queue: each is accepted, or recorded with everything that is wrong with it.

Nobody waits for an answer on a queue, so a rejection is kept where operators and callers can read it, and a bad
message is done with: it must not come back. StorageUnavailable escapes, so that the host tries the message again.
"""

import logging
from collections.abc import Collection
from typing import Any

from shared.acceptance import Acceptance, Accepted
from shared.envelopes import read_json_object
from shared.errors import Fault, InvalidRequest, KeyReused
from shared.ports import Clock
from shared.requests import read_request, tenant_of
from shared.storage.rejections import UNKNOWN_TENANT, Rejection, Rejections, RejectionSource
from shared.telemetry import log_event

logger = logging.getLogger(__name__)

HOST_NAMES = frozenset(
    {"id", "dequeuecount", "popreceipt", "insertiontime", "expirationtime", "nextvisibletime", "queuetrigger"}
)
"""Members that the host would read as the message's own metadata, in lower case."""


class BroadcastRequests:
    """Takes what the queue `broadcasts`, and its poison queue, bring."""

    def __init__(
        self,
        *,
        acceptance: Acceptance,
        rejections: Rejections,
        clock: Clock,
        tenants: Collection[str],
        takes_names: bool = False,
    ) -> None:
        self._acceptance = acceptance
        self._rejections = rejections
        self._clock = clock
        self._tenants = tenants
        self._takes_names = takes_names

    async def receive(self, body: bytes, *, message_id: str) -> Accepted | Rejection:
        """Accept a message, or record why not. Without a key of its own the message's id is the key."""
        try:
            request = read_request(
                read_json_object(body), tenants=self._tenants, key=message_id, takes_names=self._takes_names
            )
            return await self._acceptance.accept(request)
        except InvalidRequest as error:
            faults = error.faults
        except KeyReused as error:
            faults = (Fault(pointer="/key", detail=str(error)),)
        return await self._reject(body, faults, source=RejectionSource.QUEUE, message_id=message_id)

    async def receive_poison(self, body: bytes, *, message_id: str) -> Rejection:
        """Record a message that failed each of its tries."""
        return await self._reject(body, _why_poison(body), source=RejectionSource.POISON, message_id=message_id)

    async def _reject(
        self, body: bytes, faults: tuple[Fault, ...], *, source: RejectionSource, message_id: str
    ) -> Rejection:
        document = _readable(body)
        key = document.get("key")
        rejection = Rejection(
            tenant=(tenant_of(document, self._tenants) if document else None) or UNKNOWN_TENANT,
            at=self._clock.now(),
            source=source,
            faults=faults,
            body=body,
            body_bytes=len(body),
            message_id=message_id,
            key=key[:200] if isinstance(key, str) else "",
        )
        await self._rejections.record(rejection)
        log_event(
            logger,
            "request_rejected",
            level=logging.WARNING,
            tenant=rejection.tenant,
            source=source,
            message=message_id,
            faults=len(faults),
        )
        return rejection


def _why_poison(body: bytes) -> tuple[Fault, ...]:
    document = _readable(body)
    taken = [name for name in document if name.lower() in HOST_NAMES]
    if taken:
        return tuple(
            Fault(
                pointer="/" + name,
                detail="there is no such field, and the Functions host reads this name as the message's own metadata",
            )
            for name in taken
        )
    detail = (
        "every try to accept this request failed, and the logs say why; put it into the queue again once that is "
        "mended (with a key of its own it cannot be sent twice)"
    )
    return (Fault(pointer="", detail=detail),)


def _readable(body: bytes) -> dict[str, Any]:
    try:
        return read_json_object(body)
    except InvalidRequest:
        return {}
