"""The lookup: how to reach recipients, from the conversation references that Herald keeps.

Keys come sorted, and so do the table's rows: the lookup merges the two by range reads and skips ahead. A few keys, or
keys so far apart that a range holds hardly any of them, are cheaper to read one by one.
"""

import asyncio
from collections.abc import Collection, Sequence

from shared.domain.batches import Recipient
from shared.domain.recipients import RecipientKind, identifier_of, is_unresolved, kind_of
from shared.domain.references import Reference, ReferenceState
from shared.domain.scopes import Scope
from shared.storage.conversations import Conversations
from shared.teams.protocol import quote_conversation_id

PAGE_ROWS = 1_000
POINT_READS = 100
"""So many keys or fewer are read one by one."""
SPARSE = 0.02
"""A range that hit fewer of its rows than this was not worth its read."""
AT_ONCE = 16


class Lookup:
    """Finds recipients. `service_url` is used for a tenant of whom no reference brings one.

    `scopes` are those in which Herald installs the app: elsewhere teams and chats are taken to have it.
    """

    def __init__(self, conversations: Conversations, *, service_url: str, scopes: Collection[Scope] = ()) -> None:
        self._conversations = conversations
        self._service_url = service_url
        self._scopes = scopes

    async def recipients(self, tenant: str, keys: Sequence[str]) -> list[Recipient]:
        """The recipients in the order of their keys, which are sorted where there are more than 100."""
        known = await self._known(tenant, [key for key in keys if not is_unresolved(key)])
        fallback = await self._fallback(tenant, known)
        return [self._recipient(key, known.get(key), fallback) for key in keys]

    async def service_url(self, tenant: str, keys: Sequence[str]) -> str:
        """Where the Connector is to be reached for a conversation that has one of these keys."""
        return await self._fallback(tenant, await self._known(tenant, keys))

    async def _known(self, tenant: str, keys: Sequence[str]) -> dict[str, Reference]:
        if len(keys) <= POINT_READS:
            return await self._read_each(tenant, keys)
        known: dict[str, Reference] = {}
        wanted = set(keys)
        position = 0
        while position < len(keys):
            start, hits, last, rows = keys[position], 0, "", 0
            async for last, reference in self._conversations.scan(
                tenant, start=start, end=keys[-1] + "\x20", limit=PAGE_ROWS
            ):
                rows += 1
                if last in wanted:
                    hits += 1
                    known[last] = reference
            if rows < PAGE_ROWS:
                break
            while position < len(keys) and keys[position] <= last:
                position += 1
            if hits < SPARSE * rows:
                known |= await self._read_each(tenant, keys[position : position + POINT_READS])
                position += POINT_READS
        return known

    async def _read_each(self, tenant: str, keys: Sequence[str]) -> dict[str, Reference]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def read(key: str) -> tuple[str, Reference | None]:
            async with gate:
                return key, await self._conversations.get(tenant, key)

        found = await asyncio.gather(*(read(key) for key in keys))
        return {key: reference for key, reference in found if reference is not None}

    async def _fallback(self, tenant: str, known: dict[str, Reference]) -> str:
        """The tenant's service URL by the latest reference at hand, by any other one, or the cloud's own."""
        if known:
            return max(known.values(), key=lambda reference: reference.seen_at).service_url
        async for _, reference in self._conversations.scan(tenant, limit=1):
            return reference.service_url
        return self._service_url

    def _recipient(self, key: str, reference: Reference | None, fallback: str) -> Recipient:
        """What a sender needs: channels and chats are their own conversation, a person without one is named by id."""
        kind, identifier = kind_of(key), identifier_of(key)
        service_url = (reference and reference.service_url) or fallback
        is_there = reference is not None and reference.state is not ReferenceState.UNINSTALLED
        if kind is RecipientKind.CHAT:
            return Recipient(
                key=key,
                conversation=quote_conversation_id(identifier),
                service_url=service_url,
                lacks_app=Scope.GROUP_CHAT in self._scopes and not is_there,
            )
        if kind is RecipientKind.CHANNEL:
            group = _group_of(reference, identifier)
            return Recipient(
                key=key,
                conversation=quote_conversation_id(identifier),
                group=group,
                service_url=service_url,
                lacks_app=Scope.TEAM in self._scopes and bool(group) and not is_there,
            )
        if kind is not RecipientKind.USER:
            return Recipient(key=key, service_url=service_url)
        time_zone = "" if reference is None else reference.time_zone
        # A person who blocked the bot is tried once by each broadcast: nobody tells when a block ends.
        if reference is None or not is_there or not reference.conversation:
            return Recipient(key=key, member=identifier, service_url=service_url, lacks_app=True, time_zone=time_zone)
        return Recipient(
            key=key,
            conversation=quote_conversation_id(reference.conversation),
            member=identifier,
            service_url=service_url,
            is_blocked=reference.state is ReferenceState.BLOCKED,
            time_zone=time_zone,
        )


def _group_of(reference: Reference | None, channel: str) -> str:
    """The group of the team that a channel stands for, by which Graph knows it; empty for a team's other channels."""
    return reference.group if reference is not None and reference.team == channel else ""
