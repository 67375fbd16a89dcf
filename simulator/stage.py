"""All that can be asked of a running stand-in, in one vocabulary: in process by `StandIn`, over HTTP by `Control`."""

from collections.abc import Collection, Sequence
from typing import Any

from simulator.activities import message
from simulator.actor import CONCURRENCY
from simulator.administration import Administration
from simulator.botclient import BotClient, Posted, Tally
from simulator.forgery import Forgery, header_of
from simulator.installing import Installing
from simulator.judge import Who
from simulator.places import GroupChat, Person, Team
from simulator.registration import Registration
from simulator.talking import Talking
from simulator.world import World


class Stage(Administration, Registration):
    """People, events, misbehaviour and the ledger of one stand-in."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.client = BotClient(world)
        self.installing = Installing(world, self.client)
        self.talking = Talking(world, self.client)

    # The directory.

    def add_people(self, count: int, **options: Any) -> list[Person]:
        """Add people; options are those of `Directory.add_people`, such as `zones`, and `places.Traits`."""
        return self.world.directory.add_people(count, **options)

    def add_person(self, **options: Any) -> Person:
        """Add one person; options are those of `Directory.add_person`."""
        return self.world.directory.add_person(**options)

    def add_team(self, name: str, *, channels: Sequence[str] = (), members: Collection[Who] = ()) -> Team:
        """Add a team with General and further channels."""
        return self.world.directory.add_team(name, channels=channels, members=self.object_ids(members))

    def add_chat(self, name: str, *, members: Collection[Who] = ()) -> GroupChat:
        """Add a group chat."""
        return self.world.directory.add_chat(name, members=self.object_ids(members))

    # What people do.

    def set_bot(self, endpoint: str | None) -> None:
        """Where activities go, such as `http://127.0.0.1:7071/api/messages`."""
        self.world.bot_endpoint = endpoint

    async def install(
        self,
        people: Collection[Who] | None = None,
        *,
        concurrency: int = CONCURRENCY,
        notify: bool = True,
        action: str = "add",
    ) -> Tally:
        """Install the app for people, or for all; `notify=False` tells the bot nothing."""
        return await self.installing.install(
            self._people(people), concurrency=concurrency, notify=notify, action=action
        )

    async def uninstall(
        self,
        people: Collection[Who] | None = None,
        *,
        code: str = "BotNotInConversationRoster",
        concurrency: int = CONCURRENCY,
        notify: bool = True,
    ) -> Tally:
        """Uninstall the app; `code` (such as `MessageWritesBlocked`) is what later posts are refused with."""
        return await self.installing.uninstall(self._people(people), code=code, concurrency=concurrency, notify=notify)

    async def install_in_team(self, team: Team | str, by: Who, *, channel_id: str | None = None) -> Tally:
        return await self.installing.install_in_team(self._team(team), self.person(by), channel_id=channel_id)

    async def uninstall_from_team(self, team: Team | str, by: Who) -> Tally:
        return await self.installing.uninstall_from_team(self._team(team), self.person(by))

    async def install_in_chat(self, chat: GroupChat | str, by: Who) -> Tally:
        return await self.installing.install_in_chat(self._chat(chat), self.person(by))

    async def uninstall_from_chat(self, chat: GroupChat | str, by: Who) -> Tally:
        return await self.installing.uninstall_from_chat(self._chat(chat), self.person(by))

    async def join_team(self, team: Team | str, people: Collection[Who], by: Who) -> Tally:
        """People are added to a team, and the bot is told."""
        return await self.installing.join_team(self._team(team), self._people(people), by=self.person(by))

    async def leave_team(self, team: Team | str, people: Collection[Who], by: Who) -> Tally:
        """People are taken out of a team, and the bot is told."""
        return await self.installing.leave_team(self._team(team), self._people(people), by=self.person(by))

    async def rename_team(self, team: Team | str, name: str, by: Who) -> Tally:
        return await self.installing.rename_team(self._team(team), name, by=self.person(by))

    async def say(self, who: Who, text: str | None = None, **options: Any) -> Posted:
        """A person writes; options are `where` (a conversation id), `value` (Action.Submit), `reply_to`."""
        return await self.talking.say(self.person(who), text, **options)

    async def react(self, who: Who, activity_id: str, **options: Any) -> Posted:
        """A person reacts to a message; options are `added`, `removed`, `where`."""
        return await self.talking.react(self.person(who), activity_id, **options)

    async def invoke(self, who: Who, name: str, value: Any, **options: Any) -> Posted:
        """A person triggers an invoke; options are `reply_to`, `where`."""
        return await self.talking.invoke(self.person(who), name, value, **options)

    async def forge(self, forgery: Forgery | str, who: Who, text: str = "hello") -> Posted:
        """Post a message with a token that is wrong in one way; the bot's answer comes back."""
        person = self.person(who)
        place = self.world.directory.place(person.chat_id)
        if place is None:
            raise LookupError(f"{person.object_id} has no chat.")
        activity = message(self.talking.bot, person, place, person.chat_id, text=text, **self.talking.stamp())
        return await self.client.post_once(activity, header_of(self.world, self.client, Forgery(forgery)))

    async def post(self, activity: dict[str, Any]) -> Posted:
        """Post any activity with a genuine token, once."""
        return await self.client.post_once(activity, f"Bearer {self.client.token()}")

    # Names into things.

    def _people(self, people: Collection[Who] | None) -> list[Person]:
        chosen = self.world.directory.people.values() if people is None else people
        return [self.person(who) for who in chosen]

    def _team(self, team: Team | str) -> Team:
        return team if isinstance(team, Team) else self.world.directory.teams[team]

    def _chat(self, chat: GroupChat | str) -> GroupChat:
        return chat if isinstance(chat, GroupChat) else self.world.directory.chats[chat]
