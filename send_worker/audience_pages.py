"""The audience's sources, page by page: what was named in the request, and everyone who has the app installed."""

from bisect import bisect_right

from shared.domain.audience import Audience, Source
from shared.domain.recipients import RecipientKind
from shared.domain.references import ReferenceState
from shared.storage.conversations import Conversations

_USERS = f"{RecipientKind.USER}!"
_AFTER = "\x7e"


class StoredAudience:
    """Pages of recipient keys. A token is the last key of the page before, so that a page never expires."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def page(
        self, tenant: str, audience: Audience, source: Source, token: str, limit: int
    ) -> tuple[list[str], str]:
        """Up to `limit` recipient keys behind `token`, and the next token, empty at the source's end."""
        if source is Source.INSTALLED:
            return await self._installed(tenant, token, limit)
        keys = audience.users if source is Source.USERS else audience.conversations
        start = bisect_right(keys, token) if token else 0
        page = list(keys[start : start + limit])
        return page, page[-1] if start + limit < len(keys) else ""

    async def _installed(self, tenant: str, token: str, limit: int) -> tuple[list[str], str]:
        start = token + "\x20" if token else _USERS
        known = [row async for row in self._conversations.scan(tenant, start=start, end=_USERS + _AFTER, limit=limit)]
        page = [key for key, reference in known if reference.state is ReferenceState.ACTIVE]
        return page, known[-1][0] if len(known) == limit else ""
