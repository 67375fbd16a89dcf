"""Whom a broadcast is for: the kinds of audience combine, and duplicates collapse to one delivery."""

from dataclasses import dataclass
from enum import StrEnum

import orjson


class Source(StrEnum):
    """A part of an audience that is read by pages; a run of the planner holds keys of one source's kind."""

    USERS = "users"
    CONVERSATIONS = "conversations"
    INSTALLED = "installed"

    @property
    def kind(self) -> str:
        """`user` where the keys are people's object ids, `text` where they are conversations."""
        return "text" if self is Source.CONVERSATIONS else "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """An audience as recipient keys: people, and channels or chats (a team is its General channel), sorted, unique."""

    users: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()
    everyone_installed: bool = False

    @property
    def sources(self) -> tuple[Source, ...]:
        """The parts that are not empty, in the order in which they are planned."""
        present = {
            Source.USERS: bool(self.users),
            Source.CONVERSATIONS: bool(self.conversations),
            Source.INSTALLED: self.everyone_installed,
        }
        return tuple(source for source, is_present in present.items() if is_present)

    @property
    def explicit(self) -> tuple[str, ...]:
        """The recipients that were named one by one."""
        return self.users + self.conversations


def pack_audience(audience: Audience) -> bytes:
    """An audience as the cursor row keeps it."""
    return orjson.dumps([audience.users, audience.conversations, audience.everyone_installed])


def unpack_audience(data: bytes) -> Audience:
    """Read what `pack_audience` wrote."""
    users, conversations, everyone_installed = orjson.loads(data)
    return Audience(users=tuple(users), conversations=tuple(conversations), everyone_installed=everyone_installed)
