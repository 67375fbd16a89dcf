"""Items from the queue `digest-items`: each is kept for its digest, or recorded with everything that is wrong with it.

As with requests for broadcasts nobody waits for an answer, and StorageUnavailable escapes.
"""

from messages.item_intake import ItemIntake
from messages.rejecting import Rejecting, why_poison
from shared.envelopes import read_json_object
from shared.errors import Fault, InvalidRequest, ReceiptReused
from shared.storage.digest_items import NewItem
from shared.storage.rejections import Rejection, RejectionSource

_POISON_ADVICE = (
    "every try to keep this item failed, and the logs say why; put it into the queue again once that is mended"
)


class DigestRequests:
    """Takes what the queue `digest-items`, and its poison queue, bring."""

    def __init__(self, intake: ItemIntake, rejecting: Rejecting) -> None:
        self._intake = intake
        self._rejecting = rejecting

    async def receive(self, body: bytes, *, message_id: str) -> NewItem | Rejection:
        """Keep an item, or record why not. The message's id tells whether it came before."""
        try:
            return await self._intake.take_up(read_json_object(body), receipt=f"message!{message_id}")
        except InvalidRequest as error:
            faults = error.faults
        except ReceiptReused as error:
            faults = (Fault(pointer="", detail=str(error)),)
        return await self._rejecting.record(body, faults, source=RejectionSource.DIGEST_ITEM, message_id=message_id)

    async def receive_poison(self, body: bytes, *, message_id: str) -> Rejection:
        """Record a message that failed each of its tries."""
        faults, source = why_poison(body, otherwise=_POISON_ADVICE), RejectionSource.DIGEST_ITEM_POISON
        return await self._rejecting.record(body, faults, source=source, message_id=message_id)
