"""All that can be asked of a running stand-in, in one vocabulary: in process by `StandIn`, over HTTP by `Control`."""

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any

from simulator.activities import message
from simulator.botclient import BotClient, Posted, Tally
from simulator.entra import access_token
from simulator.events import CONCURRENCY, Events
from simulator.faults import Action, Fault
from simulator.forgery import Forgery, header_of
from simulator.ledger import Entry, Summary
from simulator.places import GroupChat, Person, Team
from simulator.refusals import Shape
from simulator.world import World

Who = Person | str
"""A person, or the object id, 29: id or UPN of one."""


class Stage:
    """People, events, misbehaviour and the ledger of one stand-in."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.client = BotClient(world)
        self.events = Events(world, self.client)

    # The directory.

    def add_people(self, count: int, **options: Any) -> list[Person]:
        """Add people; options are `tenant_id`, `locales`, `zones`."""
        return self.world.directory.add_people(count, **options)

    def add_person(self, **options: Any) -> Person:
        """Add one person; options are `tenant_id`, `object_id`, `given_name`, `surname`, `locale`, `zone`."""
        return self.world.directory.add_person(**options)

    def add_team(self, name: str, *, channels: Sequence[str] = (), members: Collection[Who] = ()) -> Team:
        """Add a team with General and further channels."""
        return self.world.directory.add_team(name, channels=channels, members=self._ids(members))

    def add_chat(self, name: str, *, members: Collection[Who] = ()) -> GroupChat:
        """Add a group chat."""
        return self.world.directory.add_chat(name, members=self._ids(members))

    def person(self, who: Who) -> Person:
        """The person as the directory has it now."""
        found = who if isinstance(who, Person) else self.world.directory.person(who)
        if found is None:
            raise LookupError(f"Nobody is known as {who}.")
        return found

    # What people do.

    async def install(
        self,
        people: Collection[Who] | None = None,
        *,
        concurrency: int = CONCURRENCY,
        notify: bool = True,
        action: str = "add",
    ) -> Tally:
        """Install the app for people, or for all; `notify=False` tells the bot nothing."""
        return await self.events.install(self._people(people), concurrency=concurrency, notify=notify, action=action)

    async def uninstall(
        self,
        people: Collection[Who] | None = None,
        *,
        code: str = "BotNotInConversationRoster",
        concurrency: int = CONCURRENCY,
        notify: bool = True,
    ) -> Tally:
        """Uninstall the app; `code` (such as `MessageWritesBlocked`) is what later posts are refused with."""
        return await self.events.uninstall(self._people(people), code=code, concurrency=concurrency, notify=notify)

    async def install_in_team(self, team: Team | str, by: Who, *, channel_id: str | None = None) -> Tally:
        return await self.events.install_in_team(self._team(team), self.person(by), channel_id=channel_id)

    async def uninstall_from_team(self, team: Team | str, by: Who) -> Tally:
        return await self.events.uninstall_from_team(self._team(team), self.person(by))

    async def install_in_chat(self, chat: GroupChat | str, by: Who) -> Tally:
        return await self.events.install_in_chat(self._chat(chat), self.person(by))

    async def uninstall_from_chat(self, chat: GroupChat | str, by: Who) -> Tally:
        return await self.events.uninstall_from_chat(self._chat(chat), self.person(by))

    async def say(self, who: Who, text: str | None = None, **options: Any) -> Posted:
        """A person writes; options are `where` (a conversation id), `value` (Action.Submit), `reply_to`."""
        return await self.events.say(self.person(who), text, **options)

    async def react(self, who: Who, activity_id: str, **options: Any) -> Posted:
        """A person reacts to a message; options are `added`, `removed`, `where`."""
        return await self.events.react(self.person(who), activity_id, **options)

    async def invoke(self, who: Who, name: str, value: Any, **options: Any) -> Posted:
        """A person triggers an invoke; options are `reply_to`, `where`."""
        return await self.events.invoke(self.person(who), name, value, **options)

    async def forge(self, forgery: Forgery | str, who: Who, text: str = "hello") -> Posted:
        """Post a message with a token that is wrong in one way; the bot's answer comes back."""
        person = self.person(who)
        place = self.world.directory.place(person.chat_id)
        if place is None:
            raise LookupError(f"{person.object_id} has no chat.")
        activity = message(self.events.bot, person, place, person.chat_id, text=text, **self.events.stamp())
        return await self.client.post_once(activity, header_of(self.world, self.client, Forgery(forgery)))

    async def post(self, activity: dict[str, Any]) -> Posted:
        """Post any activity with a genuine token, once."""
        return await self.client.post_once(activity, f"Bearer {self.client.token()}")

    # Limits, faults, keys.

    def set_bot(self, endpoint: str | None) -> None:
        """Where activities go, such as `http://127.0.0.1:7071/api/messages`."""
        self.world.bot_endpoint = endpoint

    def set_limits(self, *, rate: float = 50.0, depth: int = 50, conversation_limits: bool = True) -> None:
        """Set the Connector's limits anew; a rate of 0 lifts the one per app and tenant."""
        self.world.limits.change(rate=rate, depth=depth, conversation_limits=conversation_limits)

    def misbehave(self, action: Action | str = Action.ANSWER, **options: Any) -> int:
        """Set a fault and return its number; options are the fields of `faults.Fault`."""
        options["people"] = frozenset(self._ids(options.get("people") or ()))
        for name in ("conversations", "kinds"):
            options[name] = frozenset(options.get(name) or ())
        unknown = options.keys() - {field.name for field in fields(Fault)}
        if unknown:
            raise ValueError(f"A fault has no {', '.join(sorted(unknown))}.")
        if options.get("shape") is not None:
            options["shape"] = Shape(options["shape"])
        return self.world.faults.add(Fault(action=Action(action), **options), time.monotonic())

    def behave(self, number: int | None = None) -> None:
        """Take one fault back, or all."""
        if number is None:
            self.world.faults.clear()
        else:
            self.world.faults.remove(number)

    def fault_hits(self) -> dict[str, int]:
        """How often each fault that is set has struck."""
        return {str(number): hits for number, hits in self.world.faults.hits().items()}

    def rotate_keys(self, *, keep_old: bool = True) -> str:
        """Sign activities with a new key from now on; returns its kid."""
        return self.world.bot_keys.rotate(keep_old=keep_old).kid

    def bearer(self, audience: str = "https://api.botframework.com") -> str:
        """A token as Entra gives it to the bot, for a test that speaks to the Connector itself."""
        return access_token(self.world, self.world.config.tenant_id, audience, time.time())

    def traffic(self) -> dict[str, int]:
        """How often the login side was asked: token requests, tokens issued, requests for the bot's keys."""
        world = self.world
        return {
            "token_requests": world.token_requests,
            "tokens_issued": world.tokens_issued,
            "key_requests": world.key_requests,
        }

    # The ledger.

    def ledger_summary(self) -> Summary:
        return self.world.ledger.summary()

    def ledger_people(self) -> dict[str, int]:
        """Deliveries by object id."""
        return self.world.ledger.people()

    def ledger_contents(self) -> dict[str, dict[str, Any]]:
        """By digest of a content: text, deliveries, reached, duplicates."""
        return self.world.ledger.contents()

    def ledger_entries(
        self, *, person: Who | None = None, after: int = 0, event: str | None = None, limit: int = 1000
    ) -> list[Entry]:
        """A page of entries after a sequence number; `event` is sent, updated or deleted."""
        object_id = person.object_id if isinstance(person, Person) else person
        found = self.world.ledger.entries(after=after, person=object_id, event=event)
        return [entry for entry, _ in zip(found, range(limit), strict=False)]

    def clear_ledger(self) -> None:
        self.world.ledger.clear()

    async def wait_for_deliveries(self, count: int, *, timeout_s: float = 30.0) -> Summary:
        """Wait until so many messages were delivered; raises TimeoutError."""
        ledger = self.world.ledger
        until = time.monotonic() + timeout_s
        while ledger.deliveries < count:
            if time.monotonic() > until:
                raise TimeoutError(f"{ledger.deliveries} of {count} messages were delivered in {timeout_s:g} s.")
            await asyncio.sleep(0.02)
        return self.ledger_summary()

    async def wait_until_quiet(self, *, for_s: float = 1.0, timeout_s: float = 60.0) -> Summary:
        """Wait until no call came for a while; raises TimeoutError."""
        ledger = self.world.ledger
        until = time.monotonic() + timeout_s
        seen, since = ledger.requests, time.monotonic()
        while time.monotonic() - since < for_s:
            if time.monotonic() > until:
                raise TimeoutError(f"Calls kept coming for {timeout_s:g} s.")
            await asyncio.sleep(0.02)
            if ledger.requests != seen:
                seen, since = ledger.requests, time.monotonic()
        return self.ledger_summary()

    # Names into things.

    def _people(self, people: Collection[Who] | None) -> list[Person]:
        chosen = self.world.directory.people.values() if people is None else people
        return [self.person(who) for who in chosen]

    def _ids(self, people: Collection[Who]) -> list[str]:
        return [self.person(who).object_id for who in people]

    def _team(self, team: Team | str) -> Team:
        return team if isinstance(team, Team) else self.world.directory.teams[team]

    def _chat(self, chat: GroupChat | str) -> GroupChat:
        return chat if isinstance(chat, GroupChat) else self.world.directory.chats[chat]
