"""Who installs the app, and where: changes the directory and tells the bot."""

from collections.abc import Sequence
from typing import Any

from simulator import membership
from simulator.actor import CONCURRENCY, Actor, for_all
from simulator.botclient import Posted, Tally
from simulator.graph.call import Holder
from simulator.places import GroupChat, Person, Team


class Installing(Actor):
    """Installs and removes the app. `notify=False` changes the directory only, as if the bot had missed it."""

    async def install(
        self, people: Sequence[Person], *, concurrency: int = CONCURRENCY, notify: bool = True, action: str = "add"
    ) -> Tally:
        """Install the app for people; two activities each."""

        async def one(person: Person) -> list[Posted]:
            self._put(person)
            return await self.tell_installed(person, action) if notify else []

        return await for_all(people, one, concurrency)

    async def tell_installed(self, person: Person, action: str = "add") -> list[Posted]:
        """Tell the bot of a personal install, without making one."""
        posts = [membership.personal_installation(self.bot, person, action, **self.stamp())]
        if action == "add":
            posts.append(membership.personal_members_added(self.bot, person, **self.stamp()))
        return [await self._client.post(activity) for activity in posts]

    async def uninstall(
        self,
        people: Sequence[Person],
        *,
        code: str = "BotNotInConversationRoster",
        concurrency: int = CONCURRENCY,
        notify: bool = True,
    ) -> Tally:
        """Uninstall the app for people; `code` is what later posts are refused with."""

        async def one(person: Person) -> list[Posted]:
            self._world.graph.installations.uninstall(person, code)
            return await self.tell_uninstalled(person) if notify else []

        return await for_all(people, one, concurrency)

    async def tell_uninstalled(self, person: Person) -> list[Posted]:
        """Tell the bot that it was removed, without removing it."""
        return [await self._client.post(membership.personal_installation(self.bot, person, "remove", **self.stamp()))]

    async def install_in_team(self, team: Team, person: Person, *, channel_id: str | None = None) -> Tally:
        """A person adds the app to a team, with a selected channel (General unless given)."""
        self._put(team)
        return await self.tell_installed_in_team(team, person, channel_id=channel_id)

    async def tell_installed_in_team(self, team: Team, person: Person, *, channel_id: str | None = None) -> Tally:
        channel = next((each for each in team.channels if each.id == channel_id), team.channels[0])
        bot = self.bot
        return await self.tell(
            membership.team_installation(bot, person, team, channel, "add", **self.stamp()),
            membership.team_event(bot, person, team, "teamMemberAdded", added=[bot.id], **self.stamp()),
        )

    async def uninstall_from_team(self, team: Team, person: Person) -> Tally:
        self._world.graph.installations.uninstall(team)
        return await self.tell_uninstalled_from_team(team, person)

    async def tell_uninstalled_from_team(self, team: Team, person: Person) -> Tally:
        bot, general = self.bot, team.channels[0]
        return await self.tell(
            membership.team_event(bot, person, team, "teamMemberRemoved", removed=[bot.id], **self.stamp()),
            membership.team_installation(bot, person, team, general, "remove", **self.stamp()),
        )

    async def install_in_chat(self, chat: GroupChat, person: Person) -> Tally:
        """A person adds the app to a group chat."""
        self._put(chat)
        return await self.tell_installed_in_chat(chat, person)

    async def tell_installed_in_chat(self, chat: GroupChat, person: Person) -> Tally:
        bot = self.bot
        return await self.tell(
            membership.chat_installation(bot, person, chat, "add", **self.stamp()),
            membership.chat_members(bot, person, chat, added=[bot.id], **self.stamp()),
        )

    async def uninstall_from_chat(self, chat: GroupChat, person: Person) -> Tally:
        self._world.graph.installations.uninstall(chat)
        return await self.tell_uninstalled_from_chat(chat, person)

    async def tell_uninstalled_from_chat(self, chat: GroupChat, person: Person) -> Tally:
        bot = self.bot
        return await self.tell(
            membership.chat_members(bot, person, chat, removed=[bot.id], **self.stamp()),
            membership.chat_installation(bot, person, chat, "remove", **self.stamp()),
        )

    async def join_team(self, team: Team, people: Sequence[Person], *, by: Person) -> Tally:
        """People are added to a team."""
        team.members.update({person.object_id: person for person in people})
        return await self._team_event(team, by, "teamMemberAdded", added=[person.user_id for person in people])

    async def leave_team(self, team: Team, people: Sequence[Person], *, by: Person) -> Tally:
        """People are taken out of a team; Teams still names them in the activity."""
        tally = await self._team_event(team, by, "teamMemberRemoved", removed=[person.user_id for person in people])
        for person in people:
            team.members.pop(person.object_id, None)
        return tally

    async def rename_team(self, team: Team, name: str, *, by: Person) -> Tally:
        """A team gets another name."""
        team.name = name
        return await self._team_event(team, by, "teamRenamed")

    async def _team_event(self, team: Team, by: Person, event_type: str, **changes: Any) -> Tally:
        return await self.tell(membership.team_event(self.bot, by, team, event_type, **changes, **self.stamp()))

    def _put(self, holder: Holder) -> None:
        graph = self._world.graph
        graph.installations.install(holder, graph.catalog(holder.tenant_id))
