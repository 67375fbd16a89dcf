"""Whom a broadcast is for: the kinds of audience combine, and duplicates collapse to one delivery."""

from dataclasses import asdict, dataclass
from enum import StrEnum

import orjson


class Source(StrEnum):
    """A part of an audience that is read by pages; a run of the planner holds keys of one source's kind."""

    EXCEPT_PEOPLE = "except_people"
    EXCEPT_GROUPS = "except_groups"
    EXCEPT_ROSTERS = "except_rosters"
    USERS = "users"
    CONVERSATIONS = "conversations"
    INSTALLED = "installed"
    DERIVED_USERS = "derived_users"
    DERIVED_CONVERSATIONS = "derived_conversations"
    SHARED_USERS = "shared_users"
    SHARED_CONVERSATIONS = "shared_conversations"
    NAMES = "names"
    NAMED_CONVERSATIONS = "named_conversations"
    ROSTERS = "rosters"
    GROUPS = "groups"
    TENANT = "tenant"

    @property
    def kind(self) -> str:
        """`user` where the keys are people's object ids, `text` where they are conversations, `mixed` for any keys."""
        if self in (Source.NAMES, Source.DERIVED_CONVERSATIONS, Source.EXCEPT_PEOPLE):
            # Names become people where these are found. Those of another broadcast stand among its conversations.
            return "mixed"
        texts = (Source.CONVERSATIONS, Source.NAMED_CONVERSATIONS, Source.SHARED_CONVERSATIONS)
        return "text" if self in texts else "user"

    @property
    def is_exception(self) -> bool:
        """Whether its people are those who are to be left out; these are collected before all others."""
        return self in (Source.EXCEPT_PEOPLE, Source.EXCEPT_GROUPS, Source.EXCEPT_ROSTERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """Those recipients of another broadcast whose deliveries ended in one of these outcomes, each one character."""

    broadcast: str
    outcomes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Those recipients of a parent whose clocks show its local time at one instant, in seconds since the epoch."""

    parent: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """An audience as recipient keys: people, and channels or chats (a team is its General channel), sorted, unique."""

    users: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()
    everyone_installed: bool = False
    derived: Derived | None = None
    names: tuple[str, ...] = ()
    """Keys of people by sign-in name or mail."""
    groups: tuple[str, ...] = ()
    """Object ids of Entra groups, whose members are meant, also by way of groups inside them."""
    everyone_in_tenant: bool = False
    """Every member of the tenant."""
    except_people: tuple[str, ...] = ()
    """Keys of people who are to be left out, by id or by name."""
    except_groups: tuple[str, ...] = ()
    """Object ids of groups whose members are to be left out."""
    named_conversations: tuple[str, ...] = ()
    """Keys of teams by their group's id, and of channels by their team and name."""
    rosters: tuple[str, ...] = ()
    """Teams and group chats whose members are meant: Teams' ids, and ids of teams' groups."""
    except_rosters: tuple[str, ...] = ()
    """Likewise of those whose members are to be left out."""
    shared: Shared | None = None
    """Of a child, which has nobody else."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """The parts that are not empty, in the order in which they are planned."""
        present = {
            Source.EXCEPT_PEOPLE: bool(self.except_people),
            Source.EXCEPT_GROUPS: bool(self.except_groups),
            Source.EXCEPT_ROSTERS: bool(self.except_rosters),
            Source.USERS: bool(self.users),
            Source.CONVERSATIONS: bool(self.conversations),
            Source.INSTALLED: self.everyone_installed,
            Source.DERIVED_USERS: self.derived is not None,
            Source.DERIVED_CONVERSATIONS: self.derived is not None,
            Source.SHARED_USERS: self.shared is not None,
            Source.SHARED_CONVERSATIONS: self.shared is not None,
            Source.NAMES: bool(self.names),
            Source.NAMED_CONVERSATIONS: bool(self.named_conversations),
            Source.ROSTERS: bool(self.rosters),
            Source.GROUPS: bool(self.groups),
            Source.TENANT: self.everyone_in_tenant,
        }
        return tuple(source for source, is_present in present.items() if is_present)

    @property
    def explicit(self) -> tuple[str, ...]:
        """The recipients that were named one by one, by their ids."""
        return self.users + self.conversations

    @property
    def is_explicit(self) -> bool:
        """Whether every recipient was named one by one, by its id."""
        read = (self.everyone_installed, self.derived, self.shared, self.names, self.groups, self.everyone_in_tenant)
        return not any((*read, self.named_conversations, self.rosters, *self.exceptions))

    @property
    def exceptions(self) -> tuple[str, ...]:
        """Everything by which people are to be left out: their keys, then the groups, then the rosters."""
        return self.except_people + self.except_groups + self.except_rosters


def pack_audience(audience: Audience) -> bytes:
    """An audience as the cursor row keeps it."""
    return orjson.dumps(asdict(audience))


def unpack_audience(data: bytes) -> Audience:
    """Read what `pack_audience` wrote."""
    packed = orjson.loads(data)
    derived, shared = packed["derived"], packed.get("shared")
    return Audience(
        users=tuple(packed["users"]),
        conversations=tuple(packed["conversations"]),
        everyone_installed=packed["everyone_installed"],
        derived=Derived(**derived) if derived else None,
        names=tuple(packed["names"]),
        groups=tuple(packed["groups"]),
        everyone_in_tenant=packed["everyone_in_tenant"],
        except_people=tuple(packed["except_people"]),
        except_groups=tuple(packed["except_groups"]),
        # An audience that was packed before there were these has none of them.
        named_conversations=tuple(packed.get("named_conversations", ())),
        rosters=tuple(packed.get("rosters", ())),
        except_rosters=tuple(packed.get("except_rosters", ())),
        shared=Shared(**shared) if shared else None,
    )
