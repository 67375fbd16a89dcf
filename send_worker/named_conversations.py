"""Teams by their group's id and channels by name: which conversations the names of an audience stand for."""

import asyncio
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence

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
        # What is of a group without a team stays as it is.
        known = {
            key: (groups.get(team, team), name)
            for key, (team, name) in named.items()
            if team in groups or not is_group_id(team)
        }
        channels = await self._channels_of_all(tenant, {team for team, name in known.values() if name})
        found = {key: channels[team].get(name, "") if name else team for key, (team, name) in known.items()}
        return [recipient_key(RecipientKind.CHANNEL, found[key]) if found.get(key) else key for key in keys]

    async def _channels_of_all(self, tenant: str, teams: Collection[str]) -> dict[str, Mapping[str, str]]:
        """The channels of each team. A few are asked for together, since their slots are then reserved together."""
        found: dict[str, Mapping[str, str]] = {}
        left = sorted(teams)
        while left:
            few, left = left[:AT_ONCE], left[AT_ONCE:]
            answers = await asyncio.gather(*(self._channels(tenant, team) for team in few), return_exceptions=True)
            for team, answer in zip(few, answers, strict=True):
                if isinstance(answer, BaseException):
                    raise answer
                found[team] = answer
        return found

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
