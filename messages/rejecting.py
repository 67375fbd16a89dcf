"""Rejecting: what a queue brings and nobody can accept is kept with every fault, where operators and callers look."""

import logging
from collections.abc import Collection
from typing import Any

from shared.envelopes import read_json_object
from shared.errors import Fault, InvalidRequest
from shared.ports import Clock
from shared.requests import tenant_of
from shared.storage.rejections import UNKNOWN_TENANT, Rejection, Rejections, RejectionSource
from shared.telemetry import log_event

logger = logging.getLogger(__name__)

HOST_NAMES = frozenset(
    {"id", "dequeuecount", "popreceipt", "insertiontime", "expirationtime", "nextvisibletime", "queuetrigger"}
)
"""Members that the host would read as the message's own metadata, in lower case."""


class Rejecting:
    """Records rejections."""

    def __init__(self, rejections: Rejections, *, clock: Clock, tenants: Collection[str]) -> None:
        self._rejections = rejections
        self._clock = clock
        self._tenants = tenants

    async def record(
        self, body: bytes, faults: tuple[Fault, ...], *, source: RejectionSource, message_id: str
    ) -> Rejection:
        """Keep a message as it came, once, with what is wrong with it."""
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


def why_poison(body: bytes, *, otherwise: str) -> tuple[Fault, ...]:
    """What can be told of a request that failed each of its tries; `otherwise` where its words do not show it."""
    taken = [name for name in _readable(body) if name.lower() in HOST_NAMES]
    detail = "there is no such field, and the Functions host reads this name as the message's own metadata"
    if taken:
        return tuple(Fault(pointer="/" + name, detail=detail) for name in taken)
    return (Fault(pointer="", detail=otherwise),)


def _readable(body: bytes) -> dict[str, Any]:
    try:
        return read_json_object(body)
    except InvalidRequest:
        return {}
