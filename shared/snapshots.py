"""What an audience is at one moment: the saved audiences that it names are read, and the broadcast that it is from.

A request takes it once, when it is accepted: what is edited later changes nothing of its broadcast.
"""

import asyncio
from collections.abc import Iterator, Sequence

from shared.audience_contract import AudienceBody
from shared.audience_requests import read_audience
from shared.domain.audience import Audience, pack_audience
from shared.domain.saved_audiences import (
    LARGEST_AUDIENCE,
    MOST_IDS_TOGETHER,
    SavedNames,
    can_be_left_out,
    join,
    named_in_two_ways,
    number_of_ids,
)
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
        if not saved:
            return audience
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
        whole = join(
            audience,
            members=[known[name] for name in saved.members],
            exceptions=[known[name] for name in saved.exceptions],
        )
        if faults := list(_faults_together(whole)):
            raise InvalidRequest(faults)
        return whole

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


def _faults_together(whole: Audience) -> Iterator[Fault]:
    """What is wrong with an audience and its saved ones that is wrong with none of them."""
    remedy = "cut it into several requests, or save groups in the place of their people"
    if (number := number_of_ids(whole)) > MOST_IDS_TOGETHER:
        detail = f"with its saved audiences this has {number:,} ids, {MOST_IDS_TOGETHER:,} are allowed: {remedy}"
        yield Fault(pointer="/audience", detail=detail)
    elif (size := len(pack_audience(whole))) > LARGEST_AUDIENCE:
        detail = f"with its saved audiences this is kept in {size:,} bytes, {LARGEST_AUDIENCE:,} are allowed: {remedy}"
        yield Fault(pointer="/audience", detail=detail)
    for identifier in named_in_two_ways(whole):
        detail = (
            f"with its saved audiences this names {identifier} as a channel or team, and as a chat: keep one of the two"
        )
        yield Fault(pointer="/audience", detail=detail)
