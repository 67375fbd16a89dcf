"""The directory: who is there, and which conversation id belongs to whom.

A 1:1 chat has two ids: `a:...` in the bot's own activities and in the Connector's answers, `19:..._...@unq.gbl.spaces`
in Graph. The Connector takes both, and both lead to the same place.
"""

import random
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Unpack

from simulator.groups import Group
from simulator.places import Channel, GroupChat, Person, Place, Team, Traits, opaque

GIVEN_NAMES = ("Adele", "Bruno", "Chiara", "Diego", "Elif", "Farid", "Grete", "Hiro", "Ines", "Jonas", "Kofi", "Lena")
SURNAMES = ("Vance", "Keller", "Rossi", "Santos", "Yilmaz", "Haddad", "Lind", "Tanaka", "Moreau", "Weber", "Mensah")
LOCALES = ("en-US", "de-DE", "fr-FR", "pt-BR")
GUEST_SUFFIX = "_partner.example#EXT#@example.com"
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
    groups: dict[str, Group] = field(default_factory=dict)
    _by_user_id: dict[str, Person] = field(default_factory=dict)
    _by_upn: dict[str, Person] = field(default_factory=dict)
    _by_chat_id: dict[str, Person] = field(default_factory=dict)
    _by_group_id: dict[str, Team] = field(default_factory=dict)
    _channels: dict[str, tuple[Team, Channel]] = field(default_factory=dict)

    def add_people(
        self,
        count: int,
        *,
        tenant_id: str | None = None,
        locales: Sequence[str] = LOCALES,
        zones: Sequence[str] = ZONES,
        guest: bool = False,
        **traits: Unpack[Traits],
    ) -> list[Person]:
        """Add people of one tenant (the first unless given); locales and zones are dealt out in turn."""
        return [
            self.add_person(
                tenant_id=tenant_id,
                locale=locales[number % len(locales)],
                zone=zones[number % len(zones)],
                guest=guest,
                **traits,
            )
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
        guest: bool = False,
        **traits: Unpack[Traits],
    ) -> Person:
        """Add one person; a guest has the UPN of one."""
        number = len(self.people) + 1
        object_id = object_id or self._guid()
        given_name = given_name or GIVEN_NAMES[number % len(GIVEN_NAMES)]
        surname = surname or SURNAMES[number % len(SURNAMES)]
        person = Person(
            tenant_id=tenant_id or self.tenants[0],
            object_id=object_id,
            user_id=opaque("29:1", "user", self.app_id, object_id),
            chat_id=opaque("a:1", "chat", self.app_id, object_id),
            graph_chat_id=f"19:{object_id}_{self.app_id}@unq.gbl.spaces",
            upn=f"{given_name}.{surname}.{number}".lower() + (GUEST_SUFFIX if guest else "@example.com"),
            given_name=given_name,
            surname=surname,
            locale=locale,
            zone=zone,
            guest=guest,
            **traits,
        )
        self.people[object_id] = person
        self._by_user_id[person.user_id] = person
        self._by_upn[person.upn.lower()] = person
        self._by_chat_id[person.chat_id] = person
        self._by_chat_id[person.graph_chat_id] = person
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
        self._by_group_id[team.group_id] = team
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

    def add_group(
        self, name: str, *, members: Iterable[str] = (), groups: Iterable[str] = (), tenant_id: str | None = None
    ) -> Group:
        """Add a security group of people (object ids) and of other groups (their ids)."""
        group = Group(
            id=self._guid(),
            name=name,
            tenant_id=tenant_id or self.tenants[0],
            members=[self.people[each].object_id for each in members],
            groups=[self.groups[each].id for each in groups],
        )
        self.groups[group.id] = group
        return group

    def group(self, group_id: str) -> Group | None:
        """A group by its id; a team's group is one too."""
        if group_id in self.groups:
            return self.groups[group_id]
        team = self.team_of(group_id)
        if team is None:
            return None
        return Group(
            id=group_id, name=team.name, tenant_id=team.tenant_id, members=list(team.members), groups=[], unified=True
        )

    def team_of(self, group_id: str) -> Team | None:
        """The team of a group."""
        return self._by_group_id.get(group_id)

    def person(self, key: str) -> Person | None:
        """Find by object id, 29: id or UPN."""
        return self.people.get(key) or self._by_user_id.get(key) or self._by_upn.get(key.lower())

    def place(self, conversation_id: str) -> Place | None:
        """Where a conversation id leads, whether or not the bot may speak there."""
        person = self._by_chat_id.get(conversation_id)
        if person is not None:
            return Place(
                key=person.chat_id, tenant_id=person.tenant_id, person=person, roster={person.object_id: person}
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
