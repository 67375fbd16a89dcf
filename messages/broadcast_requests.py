"""Broadcast requests from the queue: each is accepted, or recorded with everything that is wrong with it.

Nobody waits for an answer on a queue, so a rejection is kept where operators and callers can read it, and a bad
message is done with: it must not come back. StorageUnavailable escapes, so that the host tries the message again.
"""

from collections.abc import Collection

from messages.rejecting import Rejecting, why_poison
from shared.acceptance import Acceptance, Accepted
from shared.envelopes import read_json_object
from shared.errors import Fault, InvalidRequest, KeyReused
from shared.ports import Clock
from shared.requests import read_request
from shared.storage.rejections import Rejection, Rejections, RejectionSource

_POISON_ADVICE = (
    "every try to accept this request failed, and the logs say why; put it into the queue again once that is "
    "mended (with a key of its own it cannot be sent twice)"
)


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
        self._rejecting = Rejecting(rejections, clock=clock, tenants=tenants)
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
        return await self._rejecting.record(body, faults, source=RejectionSource.QUEUE, message_id=message_id)

    async def receive_poison(self, body: bytes, *, message_id: str) -> Rejection:
        """Record a message that failed each of its tries."""
        faults = why_poison(body, otherwise=_POISON_ADVICE)
        return await self._rejecting.record(body, faults, source=RejectionSource.POISON, message_id=message_id)
