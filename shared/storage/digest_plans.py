"""The rows by which a digest's plan knows what it has taken, in the partition of its broadcast.

frozen               the items for audiences that it took up, and which of its audiences each is for
part!<name>!<n>      one of its audiences
taken                the items that the cursor's last step named: written with it, and removed behind it

The items' words are in the broadcast's content, and those of single people in its batch rows.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import orjson

from shared.domain.audience import Audience, pack_audience, unpack_audience
from shared.ports import Table
from shared.storage.broadcast_keys import content_key
from shared.storage.digest_items import Named
from shared.storage.rows import Operation, pack_bytes, unpack_bytes, upsert

_FROZEN, _TAKEN = "frozen", "taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """The items for audiences of one digest, in the order of its sheet."""

    name: str = ""
    """The name of its audiences' rows. It is random, so that two planners do not write over each other's."""
    parts: int = 0
    """How many audiences it has: those that are alike are one."""
    places: tuple[int, ...] = ()
    """Of each item, which audience it is for."""
    named: tuple[Named, ...] = ()
    """The items' rows."""

    def items_for(self, parts: Collection[int]) -> list[int]:
        """The places of the items that are for any of these audiences."""
        return [item for item, part in enumerate(self.places) if part in parts]

    def named_for(self, part: int) -> list[Named]:
        """The rows of the items that are for this audience."""
        return [one for place, one in zip(self.places, self.named, strict=True) if place == part]


class DigestPlans:
    """Reads and writes of a digest's own rows. Decides nothing."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def save_part(self, broadcast_id: str, name: str, part: int, audience: Audience) -> None:
        """Store an audience. It becomes valid by the row `frozen` alone."""
        await self._table.write(
            broadcast_id, [upsert(_part_key(name, part), pack_bytes("audience", pack_audience(audience)))]
        )

    async def part(self, broadcast_id: str, frozen: Frozen, part: int) -> Audience:
        """One of the digest's audiences."""
        row = await self._table.get(broadcast_id, _part_key(frozen.name, part))
        return Audience() if row is None else unpack_audience(unpack_bytes("audience", row.values))

    async def frozen(self, broadcast_id: str) -> Frozen:
        """What the digest took up for audiences; nothing before it did."""
        row = await self._table.get(broadcast_id, _FROZEN)
        if row is None:
            return Frozen()
        values = orjson.loads(unpack_bytes("frozen", row.values))
        return Frozen(
            name=values["name"],
            parts=values["parts"],
            places=tuple(values["places"]),
            named=_unpack_named(values["named"]),
        )

    async def taken(self, broadcast_id: str) -> tuple[Named, ...]:
        """What the plan's last step named."""
        row = await self._table.get(broadcast_id, _TAKEN)
        return () if row is None else _unpack_named(orjson.loads(unpack_bytes("named", row.values)))


def freeze(frozen: Frozen, sheet: bytes) -> list[Operation]:
    """What the step writes by which the digest takes up items for audiences: their rows, and their words."""
    values = {"name": frozen.name, "parts": frozen.parts, "places": frozen.places, "named": _pack_named(frozen.named)}
    return [
        upsert(_FROZEN, pack_bytes("frozen", orjson.dumps(values))),
        upsert(content_key(0), pack_bytes("content", sheet)),
    ]


def name_taken(named: Sequence[Named]) -> Operation:
    """What a step writes whose batch rows tell these items."""
    return upsert(_TAKEN, pack_bytes("named", orjson.dumps(_pack_named(named))))


def _part_key(name: str, part: int) -> str:
    return f"part!{name}!{part:03d}"


def _pack_named(named: Sequence[Named]) -> list[list[str]]:
    return [[one.key, one.etag] for one in named]


def _unpack_named(packed: Sequence[Sequence[str]]) -> tuple[Named, ...]:
    return tuple(Named(key=key, etag=etag) for key, etag in packed)
