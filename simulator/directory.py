"""The directory: who is there, and which conversation id belongs to whom."""

import random
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from simulator.places import Channel, GroupChat, Person, Place, Team, opaque

GIVEN_NAMES = ("Adele", "Bruno", "Chiara", "Diego", "Elif", "Farid", "Grete", "Hiro", "Ines", "Jonas", "Kofi", "Lena")
SURNAMES = ("Vance", "Keller", "Rossi", "Santos", "Yilmaz", "Haddad", "Lind", "Tanaka", "Moreau", "Weber", "Mensah")
LOCALES = ("en-US", "de-DE", "fr-FR", "pt-BR")
ZONES = ("Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Tokyo")


@dataclass(slots=True)
class Directory:
    """All tenants' people, teams and group chats. Ids follow from the seed: the same run gives the same ids."""

    app_id: str
    tenants: tuple[str, ...]
    rng: random.Random
    people: dict[str, Person] = field(default_factory=dict)
    teams: dict[str, Team] = field(default_factory=dict)
    chats: dict[str, GroupChat] = field(default_factory=dict)
    _by_user_id: dict[str, Person] = field(default_factory=dict)
    _by_upn: dict[str, Person] = field(default_factory=dict)
    _by_chat_id: dict[str, Person] = field(default_factory=dict)
    _channels: dict[str, tuple[Team, Channel]] = field(default_factory=dict)

    def add_people(
        self,
        count: int,
        *,
        tenant_id: str | None = None,
        locales: Sequence[str] = LOCALES,
        zones: Sequence[str] = ZONES,
    ) -> list[Person]:
        """Add people of one tenant (the first unless given); locales and zones are dealt out in turn."""
        return [
            self.add_person(tenant_id=tenant_id, locale=locales[number % len(locales)], zone=zones[number % len(zones)])
            for number in range(count)
        ]

    def add_person(
        self,
        *,
        tenant_id: str | None = None,
        object_id: str | None = None,
        given_name: str | None = None,
        surname: str | None = None,
        locale: str = LOCALES[0],
        zone: str = ZONES[0],
    ) -> Person:
        number = len(self.people) + 1
        object_id = object_id or self._guid()
        given_name = given_name or GIVEN_NAMES[number % len(GIVEN_NAMES)]
        surname = surname or SURNAMES[number % len(SURNAMES)]
        person = Person(
            tenant_id=tenant_id or self.tenants[0],
            object_id=object_id,
            user_id=opaque("29:1", "user", self.app_id, object_id),
            chat_id=opaque("a:1", "chat", self.app_id, object_id),
            upn=f"{given_name}.{surname}.{number}@example.com".lower(),
            given_name=given_name,
            surname=surname,
            locale=locale,
            zone=zone,
        )
        self.people[object_id] = person
        self._by_user_id[person.user_id] = person
        self._by_upn[person.upn] = person
        self._by_chat_id[person.chat_id] = person
        return person

    def add_team(
        self,
        name: str,
        *,
        channels: Iterable[str] = (),
        members: Iterable[str] = (),
        tenant_id: str | None = None,
    ) -> Team:
        """Add a team with its General channel and others by name; `members` are object ids."""
        team_id = self._thread_id("thread.tacv2")
        rooms = [Channel(id=team_id, name=None, team_id=team_id)]
        rooms += [Channel(id=self._thread_id("thread.tacv2"), name=each, team_id=team_id) for each in channels]
        team = Team(
            id=team_id,
            name=name,
            group_id=self._guid(),
            tenant_id=tenant_id or self.tenants[0],
            channels=rooms,
            members={each: self.people[each] for each in members},
        )
        self.teams[team_id] = team
        self._channels.update({room.id: (team, room) for room in rooms})
        return team

    def add_chat(self, name: str, *, members: Iterable[str] = (), tenant_id: str | None = None) -> GroupChat:
        """Add a group chat; `members` are object ids."""
        chat = GroupChat(
            id=self._thread_id("thread.v2"),
            name=name,
            tenant_id=tenant_id or self.tenants[0],
            members={each: self.people[each] for each in members},
        )
        self.chats[chat.id] = chat
        return chat

    def person(self, key: str) -> Person | None:
        """Find by object id, 29: id or UPN."""
        return self.people.get(key) or self._by_user_id.get(key) or self._by_upn.get(key.lower())

    def place(self, conversation_id: str) -> Place | None:
        """Where a conversation id leads, whether or not the bot may speak there."""
        person = self._by_chat_id.get(conversation_id)
        if person is not None:
            return Place(
                key=conversation_id, tenant_id=person.tenant_id, person=person, roster={person.object_id: person}
            )
        key = conversation_id.partition(";")[0]
        if key in self._channels:
            team, channel = self._channels[key]
            return Place(key=key, tenant_id=team.tenant_id, team=team, channel=channel, roster=team.members)
        chat = self.chats.get(key)
        if chat is None:
            return None
        return Place(key=key, tenant_id=chat.tenant_id, chat=chat, roster=chat.members)

    def shares_team(self, person: Person) -> bool:
        """Whether the person is in a team that has the app."""
        return any(team.installed and person.object_id in team.members for team in self.teams.values())

    def _guid(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def _thread_id(self, kind: str) -> str:
        return f"19:{self.rng.getrandbits(128):032x}@{kind}"
