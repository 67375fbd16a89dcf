"""Whom a broadcast is for: the kinds of audience combine, and duplicates collapse to one delivery."""

from dataclasses import dataclass
from enum import StrEnum

import orjson


class Source(StrEnum):
    """A part of an audience that is read by pages; a run of the planner holds keys of one source's kind."""

    USERS = "users"
    CONVERSATIONS = "conversations"
    INSTALLED = "installed"
    DERIVED_USERS = "derived_users"
    DERIVED_CONVERSATIONS = "derived_conversations"

    @property
    def kind(self) -> str:
        """`user` where the keys are people's object ids, `text` where they are conversations."""
        return "text" if self in (Source.CONVERSATIONS, Source.DERIVED_CONVERSATIONS) else "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """Those recipients of another broadcast whose deliveries ended in one of these outcomes, each one character."""

    broadcast: str
    outcomes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """An audience as recipient keys: people, and channels or chats (a team is its General channel), sorted, unique."""

    users: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()
    everyone_installed: bool = False
    derived: Derived | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """The parts that are not empty, in the order in which they are planned."""
        present = {
            Source.USERS: bool(self.users),
            Source.CONVERSATIONS: bool(self.conversations),
            Source.INSTALLED: self.everyone_installed,
            Source.DERIVED_USERS: self.derived is not None,
            Source.DERIVED_CONVERSATIONS: self.derived is not None,
        }
        return tuple(source for source, is_present in present.items() if is_present)

    @property
    def explicit(self) -> tuple[str, ...]:
        """The recipients that were named one by one."""
        return self.users + self.conversations

    @property
    def is_explicit(self) -> bool:
        """Whether every recipient was named one by one."""
        return not self.everyone_installed and self.derived is None


def pack_audience(audience: Audience) -> bytes:
    """An audience as the cursor row keeps it."""
    derived = audience.derived and [audience.derived.broadcast, audience.derived.outcomes]
    return orjson.dumps([audience.users, audience.conversations, audience.everyone_installed, derived])


def unpack_audience(data: bytes) -> Audience:
    """Read what `pack_audience` wrote."""
    users, conversations, everyone_installed, derived = orjson.loads(data)
    return Audience(
        users=tuple(users),
        conversations=tuple(conversations),
        everyone_installed=everyone_installed,
        derived=Derived(broadcast=derived[0], outcomes=derived[1]) if derived else None,
    )
