"""Digests in a world: items that come, broadcasts that tell them, and who was told what."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from shared.domain.audience import Audience
from shared.domain.digests import Item, Severity
from shared.domain.letters import Letter, Sheet, pack_sheet, unpack_letter, unpack_sheet
from shared.domain.recipients import RecipientKind, recipient_key
from shared.domain.requests import BroadcastRequest, Content
from shared.storage.digest_items import DigestItems, NewItem
from tests.twins.world import TENANT, World, object_id

DIGEST = "daily"


def items_of(world: World) -> DigestItems:
    """The world's items."""
    return world.app().digest_items


async def drop(
    world: World,
    title: str,
    *,
    person: int | None = None,
    audience: Mapping[str, Any] | None = None,
    key: str = "",
    severity: Severity = Severity.INFO,
    at: float = 0.0,
    expires_at: float | None = None,
) -> None:
    """Drop an item, for a person by number or for an audience as a request writes it."""
    await items_of(world).put(
        NewItem(
            tenant=TENANT,
            digest=DIGEST,
            id=key or title.replace(" ", "-"),
            item=Item(title=title, severity=severity, at=at, expires_at=expires_at),
            person="" if person is None else recipient_key(RecipientKind.USER, object_id(person)),
            audience=audience,
            receipt=f"receipt {title}",
            version="1",
        )
    )


async def tell(world: World, *, key: str = "morning", **options: Any) -> str:
    """Have the digest told, as its schedule does; the broadcast's id."""
    # Ids in a world differ by their time alone.
    await asyncio.sleep(0.01)
    request = BroadcastRequest(
        tenant=TENANT,
        key=key,
        audience=Audience(),
        content=Content(encoded=pack_sheet(Sheet(heading="Your day"))),
        digest=DIGEST,
        **options,
    )
    return (await world.app().acceptance.accept(request)).broadcast_id


async def letters(world: World, broadcast: str) -> tuple[Sheet, dict[str, Letter]]:
    """The sheet of a digest as it is planned, and the letters in its batch rows, by the recipient's key."""
    store = world.app().broadcasts
    batches = await store.batches(broadcast, first=0, limit=10_000)
    found = [(one.key, unpack_letter(one.letter)) for batch in batches for one in batch.recipients]
    assert len(found) == len(dict(found)), "nobody has two letters"
    return unpack_sheet(await store.content(broadcast)), dict(found)


async def told(world: World, *broadcasts: str) -> Counter[tuple[str, str]]:
    """How often each person's letters show an item, by key and title."""
    shown = Counter[tuple[str, str]]()
    for broadcast in broadcasts:
        sheet, found = await letters(world, broadcast)
        shown.update((key, item.title) for key, letter in found.items() for item in letter.items(sheet))
    return shown


async def waiting(world: World) -> list[str]:
    """The titles of what still waits."""
    items, titles = items_of(world), list[str]()
    titles += [one.item.title async for one in items.audience_items(TENANT, DIGEST)]
    async for one in items.people(TENANT, DIGEST):
        titles.append(one.item.title)
    return sorted(titles)
