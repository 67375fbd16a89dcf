"""The audience's rosters, read from the Bot Connector page by page: members of teams and group chats.

A token is `<roster> <conversation> <continuation>`: the roster as the audience names it, Teams' id of it, and what the
Connector gave for its next page. Without the latter two the roster is read from its start. So a plan goes on at any
page, in any process.
"""

from send_worker.connector_calls import ConnectorCalls
from send_worker.team_groups import TeamGroups
from shared.domain.audience import Audience, Source
from shared.domain.pages import Page, Trouble, start_after
from shared.domain.recipients import RecipientKind, is_group_id, recipient_key
from shared.errors import DirectoryRefused, PageExpired
from shared.graph.directory_calls import LONGEST_LINK
from shared.teams.rosters import members_of, people_in


class RosterPages:
    """Reads rosters."""

    def __init__(self, calls: ConnectorCalls, teams: TeamGroups) -> None:
        self._calls = calls
        self._teams = teams

    async def page(self, tenant: str, audience: Audience, source: Source, token: str) -> Page:
        """A page of the source. Raises DirectoryError and StorageError."""
        rosters = audience.except_rosters if source.is_exception else audience.rosters
        roster, conversation, continuation = _unpack(token or rosters[0])
        following = start_after(roster, rosters)
        conversation = conversation or await self._conversation_of(tenant, roster)
        if not conversation:
            return Page(unknown=roster, token=following)
        answer = await self._calls.ask(
            tenant, conversation, lambda url: members_of(url, conversation, continuation=continuation)
        )
        people = people_in(answer, tenant=tenant, by_token=bool(continuation))
        if people is Trouble.NOT_FOUND:
            return Page(unknown=roster, token=following)
        if people is Trouble.LINK_EXPIRED:
            raise PageExpired(f"{roster} ")
        if isinstance(people, Trouble):
            self._calls.fail(people, answer)
        if len(people.continuation) > LONGEST_LINK:
            raise DirectoryRefused("LinkTooLong")
        return Page(
            keys=[recipient_key(RecipientKind.USER, one) for one in people.members],
            skipped={recipient_key(RecipientKind.USER, one): why for one, why in people.skipped.items()},
            token=f"{roster} {conversation} {people.continuation}" if people.continuation else following,
        )

    async def _conversation_of(self, tenant: str, roster: str) -> str:
        """Teams' id of a roster; empty for a group that has no team."""
        if not is_group_id(roster):
            return roster
        return (await self._teams.find(tenant, [roster])).get(roster, "")


def _unpack(token: str) -> tuple[str, str, str]:
    roster, _, rest = token.partition(" ")
    conversation, _, continuation = rest.partition(" ")
    return roster, conversation, continuation
