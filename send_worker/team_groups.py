"""Teams by the ids of their Microsoft 365 groups: Graph tells which team a group has, and Herald remembers it."""

from collections.abc import Collection
from typing import Protocol

from send_worker.connector_calls import ServiceUrls
from shared.domain.pages import Trouble
from shared.domain.recipients import RecipientKind, recipient_key
from shared.domain.references import Reference, ReferenceState
from shared.graph.directory_calls import DirectoryCalls
from shared.graph.teams import find_team, team_in


class References(Protocol):
    """Where teams are remembered."""

    async def insert_if_absent(self, tenant: str, key: str, reference: Reference) -> bool:
        """Store a reference where none stands; whether it was stored."""

    async def know_group(self, tenant: str, key: str, group: str) -> None:
        """Note the group of a team where none is known."""


class TeamGroups:
    """Finds teams."""

    def __init__(self, calls: DirectoryCalls, references: References, service_urls: ServiceUrls) -> None:
        self._calls = calls
        self._references = references
        self._service_urls = service_urls

    async def find(self, tenant: str, groups: Collection[str]) -> dict[str, str]:
        """Teams' ids of the teams of these groups; those that have none are left out.

        Raises DirectoryError and StorageError.
        """
        wanted = sorted(set(groups))
        answers = await self._calls.send(tenant, [find_team(group) for group in wanted]) if wanted else []
        found: dict[str, str] = {}
        for group, answer in zip(wanted, answers, strict=True):
            team = team_in(answer)
            if team is Trouble.NOT_FOUND:
                continue
            if isinstance(team, Trouble):
                self._calls.fail(tenant, team, answer)
            found[group] = team
        for group, team in found.items():
            await self._remember(tenant, group, team)
        return found

    async def _remember(self, tenant: str, group: str, team: str) -> None:
        """Note which group a team has. Where nothing is known of it, it has the app only once an activity says so."""
        key = recipient_key(RecipientKind.CHANNEL, team)
        reference = Reference(
            service_url=await self._service_urls.service_url(tenant, [key]),
            team=team,
            group=group,
            channel=team,
            state=ReferenceState.UNINSTALLED,
        )
        if not await self._references.insert_if_absent(tenant, key, reference):
            await self._references.know_group(tenant, key, group)
