"""What an audience is at one moment: the saved audiences that it names are read, and the broadcast that it is from.

A request takes it once, when it is accepted: what is edited later changes nothing of its broadcast.
"""

import asyncio
from collections.abc import Iterator, Sequence

from shared.audience_contract import AudienceBody
from shared.audience_requests import read_audience, whole_faults
from shared.domain.audience import Audience
from shared.domain.saved_audiences import SavedNames, can_be_left_out, join
from shared.errors import BroadcastNotFound, Fault, InvalidRequest
from shared.storage.audiences import Audiences
from shared.storage.broadcasts import Broadcasts

_MEMBERS, _EXCEPTIONS = "/audience/saved", "/audience/except/saved"


class Snapshots:
    """Reads what audiences name. All methods raise InvalidRequest with every fault, and StorageUnavailable."""

    def __init__(self, audiences: Audiences, broadcasts: Broadcasts) -> None:
        self._audiences = audiences
        self._broadcasts = broadcasts

    async def check_source(self, tenant: str, audience: Audience) -> None:
        """Make sure that the broadcast that an audience is from is one of the tenant's."""
        if audience.derived is None:
            return
        try:
            known = (await self._broadcasts.head(audience.derived.broadcast)).tenant == tenant
        except BroadcastNotFound:
            known = False
        if not known:
            raise InvalidRequest([Fault(pointer="/audience/from", detail="the tenant has no broadcast with this id")])

    async def whole(self, tenant: str, audience: Audience, saved: SavedNames) -> Audience:
        """The audience with the saved ones that belong to it, as they stand now."""
        whole = await self._join(tenant, audience, saved) if saved else audience
        if faults := whole_faults(whole):
            raise InvalidRequest(faults)
        return whole

    async def _join(self, tenant: str, audience: Audience, saved: SavedNames) -> Audience:
        names = sorted({*saved.members, *saved.exceptions})
        read = await asyncio.gather(*(self._read(tenant, name) for name in names))
        known = {name: one for name, one in zip(names, read, strict=True) if one is not None}
        faults = [
            *_unknown(_MEMBERS, saved.members, known),
            *_unknown(_EXCEPTIONS, saved.exceptions, known),
            *(
                Fault(pointer=f"{_EXCEPTIONS}/{place}", detail=name + _NOT_OUT)
                for place, name in enumerate(saved.exceptions)
                if name in known and not can_be_left_out(known[name])
            ),
        ]
        if faults:
            raise InvalidRequest(faults)
        return join(
            audience,
            members=[known[name] for name in saved.members],
            exceptions=[known[name] for name in saved.exceptions],
        )

    async def _read(self, tenant: str, name: str) -> Audience | None:
        saved = await self._audiences.get(tenant, name)
        return None if saved is None else read_audience(AudienceBody.model_validate(saved.document))


_NOT_OUT = " is not of people, groups and rosters alone: channels, group chats and everyone cannot be left out"


def _unknown(place: str, names: Sequence[str], known: dict[str, Audience]) -> Iterator[Fault]:
    for index, name in enumerate(names):
        if name not in known:
            detail = (
                "the tenant has no saved audience of this name: GET /api/audiences lists those that there are, and "
                f"PUT /api/audiences/{name} saves one"
            )
            yield Fault(pointer=f"{place}/{index}", detail=detail)
