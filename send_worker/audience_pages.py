"""The audience's sources, page by page, from Herald's own tables: who was named, who has the app, who got another one.

Those that are read from Microsoft Graph are in `directory_pages.py`, rosters in `roster_pages.py`.
"""

from bisect import bisect_right

from send_worker.directory_pages import DirectoryPages
from send_worker.named_conversations import NamedConversations
from send_worker.roster_pages import RosterPages
from shared.domain.audience import Audience, Derived, Source
from shared.domain.lanes import BATCH_SIZE
from shared.domain.pages import Page
from shared.domain.recipients import RecipientKind, kind_of
from shared.domain.references import ReferenceState
from shared.families import Families
from shared.graph.named_people import NamedPeople
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.storage.conversations import Conversations

_USERS = f"{RecipientKind.USER}!"
_AFTER = "\x7e"


class AudiencePages:
    """Reads any source of an audience. What one keeps in a token is its own affair."""

    def __init__(
        self,
        conversations: Conversations,
        broadcasts: Broadcasts,
        families: Families,
        clock: Clock,
        *,
        directory: DirectoryPages,
        rosters: RosterPages,
        people: NamedPeople,
        named_conversations: NamedConversations,
    ) -> None:
        self._conversations = conversations
        self._broadcasts = broadcasts
        self._families = families
        self._clock = clock
        self._directory = directory
        self._rosters = rosters
        self._people = people
        self._named_conversations = named_conversations

    async def page(self, tenant: str, audience: Audience, source: Source, token: str, limit: int) -> Page:
        """Some recipients from `token` on, about `limit` of them. An empty token is the source's start.

        Tokens of Herald's own tables never expire. Raises DirectoryError where Graph or the Connector is asked.
        """
        if audience.shared is not None:
            # Whoever was not found by the split stays so: as a person they might stand in another share.
            return await self._broadcasts.shares.page(audience.shared, kind=source.kind, token=token)
        if source in (Source.GROUPS, Source.TENANT, Source.EXCEPT_GROUPS):
            return await self._directory.page(tenant, audience, source, token)
        if source in (Source.ROSTERS, Source.EXCEPT_ROSTERS):
            return await self._rosters.page(tenant, audience, source, token)
        if source in (Source.NAMES, Source.EXCEPT_PEOPLE):
            people = audience.names if source is Source.NAMES else audience.except_people
            return await self._people.page(tenant, people, token)
        if source is Source.NAMED_CONVERSATIONS:
            return await self._named_conversations.page(tenant, audience.named_conversations, token)
        keys, following = await self._stored(tenant, audience, source, token, limit)
        # What was not found for an earlier broadcast may be there by now.
        keys = await self._named_conversations.resolve(tenant, await self._people.resolve(tenant, keys))
        return Page(keys=keys, token=following)

    async def _stored(
        self, tenant: str, audience: Audience, source: Source, token: str, limit: int
    ) -> tuple[list[str], str]:
        """Up to `limit` recipient keys behind `token`, the last key of the page before, and the next token."""
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
        batches = await self._families.batches(derived.broadcast, first=int(token or 0), limit=most)
        now = self._clock.now()
        keys = [
            recipient.key
            for one in batches
            for recipient, outcome in zip(one.batch.recipients, one.outcomes(now), strict=True)
            if outcome in derived.outcomes and (kind_of(recipient.key) is RecipientKind.USER) == (source.kind == "user")
        ]
        return keys, str(batches[-1].number + 1) if len(batches) == most else ""
