"""What people do in Teams: install, leave, write, react. Each changes the directory and tells the bot."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from simulator import activities, membership
from simulator.activities import Bot
from simulator.botclient import BotClient, Posted, Tally
from simulator.places import GroupChat, Person, Place, Team
from simulator.world import World

CONCURRENCY = 32


class Events:
    """Acts for people. `notify=False` changes the directory only, as if the bot had missed the activities."""

    def __init__(self, world: World, client: BotClient) -> None:
        self._world = world
        self._client = client

    @property
    def bot(self) -> Bot:
        config = self._world.config
        return Bot(id=config.bot_id, name=config.app_name, service_url=self._world.service_url)

    async def install(
        self, people: Sequence[Person], *, concurrency: int = CONCURRENCY, notify: bool = True, action: str = "add"
    ) -> Tally:
        """Install the app for people; two activities each."""

        async def one(person: Person) -> list[Posted]:
            person.installed = True
            person.open_chat()
            if not notify:
                return []
            posts = [membership.personal_installation(self.bot, person, action, **self.stamp())]
            if action == "add":
                posts.append(membership.personal_members_added(self.bot, person, **self.stamp()))
            return [await self._client.post(activity) for activity in posts]

        return await _for_all(people, one, concurrency)

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
            person.close_chat(code)
            if not notify:
                return []
            return [
                await self._client.post(membership.personal_installation(self.bot, person, "remove", **self.stamp()))
            ]

        return await _for_all(people, one, concurrency)

    async def install_in_team(self, team: Team, person: Person, *, channel_id: str | None = None) -> Tally:
        """A person adds the app to a team, with a selected channel (General unless given)."""
        team.installed = True
        channel = next((each for each in team.channels if each.id == channel_id), team.channels[0])
        bot = self.bot
        return await self._tell(
            membership.team_installation(bot, person, team, channel, "add", **self.stamp()),
            membership.team_event(bot, person, team, "teamMemberAdded", added=[bot.id], **self.stamp()),
        )

    async def uninstall_from_team(self, team: Team, person: Person) -> Tally:
        team.installed = False
        bot, general = self.bot, team.channels[0]
        return await self._tell(
            membership.team_event(bot, person, team, "teamMemberRemoved", removed=[bot.id], **self.stamp()),
            membership.team_installation(bot, person, team, general, "remove", **self.stamp()),
        )

    async def install_in_chat(self, chat: GroupChat, person: Person) -> Tally:
        """A person adds the app to a group chat."""
        chat.installed = True
        bot = self.bot
        return await self._tell(
            membership.chat_installation(bot, person, chat, "add", **self.stamp()),
            membership.chat_members(bot, person, chat, added=[bot.id], **self.stamp()),
        )

    async def uninstall_from_chat(self, chat: GroupChat, person: Person) -> Tally:
        chat.installed = False
        bot = self.bot
        return await self._tell(
            membership.chat_members(bot, person, chat, removed=[bot.id], **self.stamp()),
            membership.chat_installation(bot, person, chat, "remove", **self.stamp()),
        )

    async def team_event(self, team: Team, person: Person, event_type: str, **changes: Any) -> Posted:
        """Any other event of a team, such as `teamRenamed`; see `membership.team_event`."""
        return await self._client.post(
            membership.team_event(self.bot, person, team, event_type, **changes, **self.stamp())
        )

    async def say(
        self,
        person: Person,
        text: str | None = None,
        *,
        where: str | None = None,
        value: Any = None,
        reply_to: str | None = None,
    ) -> Posted:
        """A person writes to the bot, in the 1:1 chat or `where`; `value` stands for a card's Action.Submit."""
        place, conversation = self._place(person, where)
        activity = activities.message(
            self.bot, person, place, conversation, text=text, value=value, reply_to=reply_to, **self.stamp()
        )
        return await self._client.post(activity)

    async def react(
        self,
        person: Person,
        activity_id: str,
        *,
        added: str | None = "like",
        removed: str | None = None,
        where: str | None = None,
    ) -> Posted:
        """A person reacts to a message of the bot."""
        place, conversation = self._place(person, where)
        activity = activities.reaction(
            self.bot,
            person,
            place,
            conversation,
            reply_to=activity_id,
            added=added,
            removed=removed,
            **self.stamp(),
        )
        return await self._client.post(activity)

    async def invoke(
        self, person: Person, name: str, value: Any, *, reply_to: str | None = None, where: str | None = None
    ) -> Posted:
        """A person triggers an invoke; the bot's body comes back."""
        place, conversation = self._place(person, where)
        activity = activities.invoke(
            self.bot, person, place, conversation, name=name, value=value, reply_to=reply_to, **self.stamp()
        )
        return await self._client.post(activity)

    def _place(self, person: Person, where: str | None) -> tuple[Place, str]:
        if where is None:
            # Who writes to the bot is in the chat with it.
            person.open_chat()
        conversation = where or person.chat_id
        place = self._world.directory.place(conversation)
        if place is None:
            raise LookupError(f"No conversation has the id {conversation}.")
        return place, conversation

    def stamp(self) -> dict[str, Any]:
        """A new activity id and the present moment, as the makers of activities take them."""
        return {"id_": self._world.ids.next(), "at": datetime.now(UTC)}

    async def _tell(self, *posts: activities.Activity) -> Tally:
        return Tally().add([await self._client.post(activity) for activity in posts])


async def _for_all(
    people: Sequence[Person], one: Callable[[Person], Awaitable[list[Posted]]], concurrency: int
) -> Tally:
    """Act for all people, so many at a time."""
    tally, waiting = Tally(), iter(people)

    async def work() -> None:
        for person in waiting:
            tally.add(await one(person))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(people))):
            group.create_task(work())
    return tally
