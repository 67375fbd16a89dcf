"""The intake of digests' items, for both doors: an item is read, its audience looked at, and both are kept."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from shared.audience_contract import AudienceBody
from shared.audience_requests import read_audience, read_saved
from shared.digest_items import read_item
from shared.errors import Fault, InvalidRequest
from shared.ports import Clock
from shared.snapshots import Snapshots
from shared.storage.digest_items import DigestItems, NewItem
from shared.telemetry import log_event

logger = logging.getLogger(__name__)


class ItemIntake:
    """Takes items up. With `takes_names` the people of an audience may be named by sign-in name or mail."""

    def __init__(
        self,
        items: DigestItems,
        *,
        snapshots: Snapshots,
        clock: Clock,
        tenants: Collection[str],
        takes_names: bool = False,
    ) -> None:
        self._items = items
        self._snapshots = snapshots
        self._clock = clock
        self._tenants = tenants
        self._takes_names = takes_names

    async def take_up(self, document: Mapping[str, Any], *, receipt: str, found: Sequence[Fault] = ()) -> NewItem:
        """Keep an item for its digest, once for each receipt; `found` was found wrong beside it.

        Raises InvalidRequest with every fault, ReceiptReused and StorageUnavailable.
        """
        new = read_item(
            document,
            tenants=self._tenants,
            now=self._clock.now(),
            receipt=receipt,
            found=found,
            takes_names=self._takes_names,
        )
        await self._check_audience(new)
        is_new = await self._items.put(new)
        log_event(logger, "digest_item_kept", digest=new.digest, tenant=new.tenant, item=new.id, is_new=is_new)
        return new

    async def _check_audience(self, new: NewItem) -> None:
        """Look at an audience as it stands now. It is read again when the digest comes."""
        if new.audience is None:
            return
        body = AudienceBody.model_validate(new.audience)
        whole = await self._snapshots.whole(new.tenant, read_audience(body), read_saved(body))
        if whole.conversations or whole.named_conversations:
            detail = "one of these holds channels, chats or teams, and a digest goes to people"
            raise InvalidRequest([Fault(pointer="/audience/saved", detail=detail)])
