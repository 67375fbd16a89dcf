"""What people say to the bot: messages, reactions, invokes."""

from typing import Any

from simulator import activities
from simulator.actor import Actor
from simulator.botclient import Posted
from simulator.places import Person, Place


class Talking(Actor):
    """Speaks for people."""

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
