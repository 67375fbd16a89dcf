"""The audience's sources, page by page: what was named in the request, and everyone who has the app installed."""

from bisect import bisect_right

from shared.domain.audience import Audience, Derived, Source
from shared.domain.broadcasts import LEASE_SECONDS, count_as
from shared.domain.lanes import BATCH_SIZE
from shared.domain.recipients import RecipientKind, kind_of
from shared.domain.references import ReferenceState
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.storage.conversations import Conversations

_USERS = f"{RecipientKind.USER}!"
_AFTER = "\x7e"


class StoredAudience:
    """Pages of recipient keys. A token is the last key of the page before, so that a page never expires."""

    def __init__(self, conversations: Conversations, broadcasts: Broadcasts, clock: Clock) -> None:
        self._conversations = conversations
        self._broadcasts = broadcasts
        self._clock = clock

    async def page(
        self, tenant: str, audience: Audience, source: Source, token: str, limit: int
    ) -> tuple[list[str], str]:
        """Up to `limit` recipient keys behind `token`, and the next token, empty at the source's end."""
        if source is Source.INSTALLED:
            return await self._installed(tenant, token, limit)
        if audience.derived is not None and source in (Source.DERIVED_USERS, Source.DERIVED_CONVERSATIONS):
            return await self._derived(audience.derived, source, token, limit)
        keys = audience.users if source is Source.USERS else audience.conversations
        start = bisect_right(keys, token) if token else 0
        page = list(keys[start : start + limit])
        return page, page[-1] if start + limit < len(keys) else ""

    async def _installed(self, tenant: str, token: str, limit: int) -> tuple[list[str], str]:
        start = token + "\x20" if token else _USERS
        known = [row async for row in self._conversations.scan(tenant, start=start, end=_USERS + _AFTER, limit=limit)]
        page = [key for key, reference in known if reference.state is not ReferenceState.UNINSTALLED]
        return page, known[-1][0] if len(known) == limit else ""

    async def _derived(self, derived: Derived, source: Source, token: str, limit: int) -> tuple[list[str], str]:
        """Recipients of another broadcast by what became of them; a token is the number of the next batch."""
        most = max(1, limit // BATCH_SIZE)
        broadcast = await self._broadcasts.head(derived.broadcast)
        batches = await self._broadcasts.batches(derived.broadcast, first=int(token or 0), limit=most)
        ends_as = broadcast.ends_open_as(self._clock.now())
        keys = [
            recipient.key
            for batch in batches
            for recipient, outcome in zip(
                batch.recipients,
                count_as(batch.progress.outcomes, held=batch.is_held(LEASE_SECONDS), ends_as=ends_as),
                strict=True,
            )
            if outcome in derived.outcomes and (kind_of(recipient.key) is RecipientKind.USER) == (source.kind == "user")
        ]
        return keys, str(batches[-1].number + 1) if len(batches) == most else ""
