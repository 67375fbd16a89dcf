"""Bugs planted where digests take the items that they tell."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Any
from unittest.mock import patch

from send_worker.digest_walk import DigestWalk
from send_worker.digesting import Digesting
from send_worker.emitting import Emitting
from shared.domain.broadcasts import Broadcast
from shared.domain.plans import Portion
from shared.errors import RowConflict
from shared.storage import digest_items
from shared.storage.broadcasts import Held
from shared.storage.digest_items import DigestItems, Named
from shared.storage.rows import delete, upsert


def items_removed_first() -> AbstractContextManager[object]:
    """Items are removed before the step is written that tells them."""
    write = Emitting._write

    async def early(emitting: Emitting, broadcast: Broadcast, held: Held, portion: Portion, walk: Any) -> Held:
        if isinstance(walk, DigestWalk):
            named = [one for recipient in portion.recipients for one in walk._named[recipient.key]]
            await emitting._digesting._items.take(broadcast.tenant, broadcast.digest, named)
        return await write(emitting, broadcast, held, portion, walk)

    return patch.object(Emitting, "_write", early)


def items_removed_without_etag() -> AbstractContextManager[object]:
    """Whatever stands where an item was read is removed with it."""

    async def blind(items: DigestItems, partition: str, named: Sequence[Named]) -> None:
        for one in named:
            with suppress(RowConflict):
                await items._table.write(partition, [delete(one.key)])

    return patch.object(DigestItems, "_take", blind)


def taken_not_looked_at() -> AbstractContextManager[object]:
    """Whoever goes on with a plan that broke off does not remove what its last step named."""
    write, remove = Emitting._write, Digesting.remove_taken

    async def step(emitting: Emitting, broadcast: Broadcast, *rest: Any) -> Held:
        held = await write(emitting, broadcast, *rest)
        await remove(emitting._digesting, broadcast)
        return held

    stack = ExitStack()
    stack.enter_context(patch.object(Emitting, "_write", step))
    stack.enter_context(patch.object(Digesting, "remove_taken", _nothing))
    return stack


def no_turns() -> AbstractContextManager[object]:
    """Two plans take the items of one digest at once."""

    async def mine(_digesting: Digesting, _broadcast: Broadcast) -> bool:
        return True

    return patch.object(Digesting, "_take_turn", mine)


def plans_not_settled() -> AbstractContextManager[object]:
    """What a plan that has ended has taken stays, so that it is told once more."""

    return patch.object(Digesting, "settle", _nothing)


def set_aside_is_taken() -> AbstractContextManager[object]:
    """Items whose audiences cannot be read are removed like all others."""

    async def all_of_them(digesting: Digesting, broadcast: Broadcast, _cursor: Any) -> None:
        await digesting.remove_taken(broadcast)
        frozen = await digesting._store.digests.frozen(broadcast.id)
        await digesting._items.take(broadcast.tenant, broadcast.digest, frozen.named)

    return patch.object(Digesting, "settle", all_of_them)


def requests_not_remembered() -> AbstractContextManager[object]:
    """A request for an item that comes again is carried out again."""
    return patch.object(digest_items, "insert", upsert)


async def _nothing(*_given: object) -> None:
    return


BUGS_OF_DIGESTS: tuple[Callable[[], AbstractContextManager[object]], ...] = (
    items_removed_first,
    items_removed_without_etag,
    taken_not_looked_at,
    no_turns,
    plans_not_settled,
    set_aside_is_taken,
    requests_not_remembered,
)
