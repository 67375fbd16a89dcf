"""Teams by their group's id and channels by name: which conversations the names of an audience stand for."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from send_worker.connector_calls import ConnectorCalls
from send_worker.team_groups import TeamGroups
from shared.domain.pages import Page, Trouble
from shared.domain.recipients import (
    RecipientKind,
    is_group_id,
    is_named_conversation,
    named_channel_of,
    recipient_key,
)
from shared.graph.kinds import Kind, most_at_once
from shared.teams.rosters import channels_in, channels_of

AT_ONCE = most_at_once(Kind.OTHER_READ)
"""Teams on a page: those of one JSON batch of Graph."""


class NamedConversations:
    """Looks teams and channels up. What is not there, and each channel of a team without the bot, keeps its own key."""

    def __init__(self, calls: ConnectorCalls, teams: TeamGroups) -> None:
        self._calls = calls
        self._teams = teams

    async def page(self, tenant: str, named: Sequence[str], token: str) -> Page:
        """The recipients of the names behind `token`, the last key before; those of one team are never parted."""
        page = _of_few_teams(named[bisect_right(named, token) if token else 0 :])
        return Page(keys=await self.resolve(tenant, page), token=page[-1] if page[-1] != named[-1] else "")

    async def resolve(self, tenant: str, keys: Sequence[str]) -> list[str]:
        """Recipient keys with those of teams and channels by name replaced, as far as these are found.

        Each team is asked once, however many of its channels are named. Raises DirectoryError and StorageError.
        """
        named = {key: named_channel_of(key) for key in keys if is_named_conversation(key)}
        groups = await self._teams.find(tenant, [team for team, _ in named.values() if is_group_id(team)])
        channels: dict[str, Mapping[str, str]] = {}
        found: dict[str, str] = {}
        for key, (named_team, name) in named.items():
            team = groups.get(named_team, "") if is_group_id(named_team) else named_team
            if team and name and team not in channels:
                channels[team] = await self._channels(tenant, team)
            found[key] = channels[team].get(name, "") if team and name else team
        return [recipient_key(RecipientKind.CHANNEL, found[key]) if found.get(key) else key for key in keys]

    async def _channels(self, tenant: str, team: str) -> Mapping[str, str]:
        """The ids of a team's channels by their names; none where the bot is not in the team."""
        answer = await self._calls.ask(tenant, team, lambda url: channels_of(url, team))
        channels = channels_in(answer)
        if channels is Trouble.NOT_FOUND:
            return {}
        if isinstance(channels, Trouble):
            self._calls.fail(channels, answer)
        return channels


def _of_few_teams(named: Sequence[str]) -> Sequence[str]:
    """The first names, of at most 15 teams: sorted as they are, those of one team stand together."""
    teams: set[str] = set()
    for place, key in enumerate(named):
        teams.add(named_channel_of(key)[0])
        if len(teams) > AT_ONCE:
            return named[:place]
    return named
