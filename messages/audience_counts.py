"""The parts of an audience with their counts, each from where it is known: the request, Herald's tables, Graph."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from messages.directory_counts import DirectoryCounts
from shared.domain.audience import Audience, Derived, Source
from shared.domain.broadcasts import LEASE_SECONDS, count_as
from shared.domain.estimates import Counted, Part, Sample, share_up_to
from shared.domain.reachability import Reach, reach_of
from shared.domain.recipients import identifier_of, is_name
from shared.domain.rehearsals import Prospect
from shared.families import Families
from shared.graph.named_people import NamedPeople
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.storage.conversations import Conversations

MOST_COUNTED = 50_000
"""People with the app who are counted one by one: some seconds."""
LOOKED_AT = 100
"""Batches of another broadcast from which recipients are taken as a sample."""
COUNTED = frozenset(
    {
        *(Source.USERS, Source.NAMES, Source.CONVERSATIONS, Source.INSTALLED),
        *(Source.DERIVED_USERS, Source.DERIVED_CONVERSATIONS, Source.GROUPS, Source.TENANT),
        *(Source.NAMED_CONVERSATIONS, Source.ROSTERS),
    }
)
"""The sources that are counted here: of each other one that an audience has, the count is unknown."""
_PROSPECTS = {
    Reach.ACTIVE: Prospect.REACHABLE,
    Reach.BLOCKED: Prospect.BLOCKED,
    Reach.NO_CONVERSATION: Prospect.TO_INSTALL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of an audience, and what the directory does not know of it: names, and ids of groups."""

    parts: tuple[Part, ...]
    unknown: tuple[str, ...]


class AudienceCounts:
    """Counts audiences. Raises DirectoryError and StorageError."""

    def __init__(
        self,
        conversations: Conversations,
        broadcasts: Broadcasts,
        families: Families,
        *,
        names: NamedPeople,
        directory: DirectoryCounts,
        clock: Clock,
    ) -> None:
        self._conversations = conversations
        self._broadcasts = broadcasts
        self._families = families
        self._names = names
        self._directory = directory
        self._clock = clock

    async def read(self, tenant: str, audience: Audience) -> Parts:
        """All parts of an audience. Whom it leaves out is only looked for: their number is not taken off."""
        people = await self._names.resolve(tenant, (*audience.users, *audience.names))
        exceptions = await self._names.resolve(tenant, audience.except_people)
        parts = list[Part]()
        if people:
            parts.append(_named("users", [key for key in people if not is_name(key)]))
        if audience.conversations:
            parts.append(_named("conversations", audience.conversations, counted=Counted.CONVERSATIONS))
        if audience.everyone_installed:
            parts.append(await self._installed(tenant))
        if audience.derived is not None:
            parts.append(await self._derived(audience.derived))
        if audience.named_conversations:
            parts.append(_unresolved(len(audience.named_conversations)))
        parts += [Part(source=Source.ROSTERS.value, id=one, count=None) for one in audience.rosters]
        others = [one for one in audience.sources if one not in COUNTED and not one.is_exception]
        parts += [Part(source=one.value, count=None) for one in others]
        counted, unknown_groups = await self._directory.parts(tenant, audience)
        unknown_groups += await self._directory.unknown_in(tenant, audience.except_groups)
        unknown_names = [identifier_of(key) for key in (*people, *exceptions) if is_name(key)]
        return Parts(parts=(*parts, *counted), unknown=tuple(dict.fromkeys([*unknown_names, *unknown_groups])))

    async def _installed(self, tenant: str) -> Part:
        """Everybody who has the app: counted, or where they are very many extrapolated from the first of them."""
        reach, last = Counter[Reach](), ""
        async for key, reference in self._conversations.people(tenant, limit=MOST_COUNTED):
            reach[reach_of(reference)] += 1
            last = key
        share = 1.0 if reach.total() < MOST_COUNTED else share_up_to(identifier_of(last))
        known = {prospect: round(reach[one] / share) for one, prospect in _PROSPECTS.items()}
        sample = Sample(keys=(), size=reach.total() - reach[Reach.UNINSTALLED])
        return Part(source="installed", count=sum(known.values()), known=known, sample=sample)

    async def _derived(self, derived: Derived) -> Part:
        """Recipients of another broadcast by what became of them, and a sample from its first batches."""
        now, count = self._clock.now(), 0
        for head in await self._families.heads(derived.broadcast):
            async for row in self._broadcasts.summaries(head.id, lease_seconds=LEASE_SECONDS):
                outcomes = count_as(row.outcomes, held=row.held, ends_as=head.ends_open_as(now))
                count += sum(outcome in derived.outcomes for outcome in outcomes)
        keys = [
            recipient.key
            for one in await self._families.batches(derived.broadcast, first=0, limit=LOOKED_AT)
            for recipient, outcome in zip(one.batch.recipients, one.outcomes(now), strict=True)
            if outcome in derived.outcomes
        ]
        return Part(source="from", count=count, counted=Counted.DELIVERIES, sample=Sample(keys=keys, size=len(keys)))


def _named(source: str, keys: Iterable[str], *, counted: Counted = Counted.PEOPLE) -> Part:
    """Recipients who were named, all of whom are looked at."""
    named = sorted(set(keys))
    return Part(source=source, count=len(named), counted=counted, sample=Sample(keys=named, size=len(named)))


def _unresolved(number: int) -> Part:
    """Channels by name and teams by their groups, which nobody looks for before they are planned."""
    known = {Prospect.REACHABLE: number}
    return Part(source="conversations", count=number, counted=Counted.CONVERSATIONS, known=known)
