"""Whom a message can reach, and the one key by which every table knows them.

A key is `kind!id`: `user!` with the lower-case Entra object id, `channel!`, `chat!` and `team!` with Teams' own id. A
team in an audience means its General channel, whose id is the team's.

Three kinds stand for what is not resolved yet, or cannot be: `name!` with a sign-in name or a mail, in lower case;
`team!` with the id of a team's Microsoft 365 group; `channel_name!` with a team, by either id, and a channel's name.
"""

import re
import unicodedata
from enum import StrEnum
from urllib.parse import quote, unquote

OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
THREAD_ID = re.compile(r"19:[A-Za-z0-9._~@:;=+!$'*,-]{1,400}")
PERSON_NAME = re.compile(r"[A-Za-z0-9.!#$%&'*+=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}")
"""A sign-in name or a mail, in ASCII."""

GENERAL = "general"
"""The channel that each team has, by its name as `fold_channel_name` folds it."""
_KEPT = "!@:;=+$'*,()&<>[]{}|^`\" "


class RecipientKind(StrEnum):
    """The kinds of conversation that a bot can speak in, and of names for one with which nobody can speak."""

    USER = "user"
    CHANNEL = "channel"
    CHAT = "chat"
    NAME = "name"
    """A person by a name that is not resolved."""
    TEAM = "team"
    """A team by its group's id that is not resolved."""
    CHANNEL_NAME = "channel_name"
    """A channel by its team and its name that is not resolved."""


_UNRESOLVED = tuple(f"{kind}!" for kind in (RecipientKind.NAME, RecipientKind.TEAM, RecipientKind.CHANNEL_NAME))


def recipient_key(kind: RecipientKind, identifier: str) -> str:
    """Name a recipient in every table. Characters that tables refuse in keys are percent-encoded."""
    folded = identifier.lower() if kind in (RecipientKind.USER, RecipientKind.NAME) else identifier
    return f"{kind}!{quote(folded, safe=_KEPT)}"


def kind_of(key: str) -> RecipientKind:
    """Tell the kind of recipient from its key."""
    return RecipientKind(key.partition("!")[0])


def is_name(key: str) -> bool:
    """Whether a recipient is somebody by name alone, whom the directory does not know or has not told yet."""
    return key.startswith(f"{RecipientKind.NAME}!")


def is_unresolved(key: str) -> bool:
    """Whether a recipient stands by a name alone that leads to no conversation, or not yet."""
    return key.startswith(_UNRESOLVED)


def is_named_conversation(key: str) -> bool:
    """Whether a recipient is a team or a channel by a name alone."""
    return is_unresolved(key) and not is_name(key)


def is_group_id(team: str) -> bool:
    """Whether a team is named by its group's id rather than by Teams' own."""
    return OBJECT_ID.fullmatch(team) is not None


def fold_channel_name(name: str) -> str:
    """The form in which channels' names are compared: without letter case and space around them.

    A letter with a mark may come as one character or as two, as macOS writes it: both are the same letter.
    """
    return unicodedata.normalize("NFC", name.strip().casefold())


def named_channel_key(team: str, name: str) -> str:
    """The key of a channel by its team, by either id, and its name."""
    return recipient_key(RecipientKind.CHANNEL_NAME, f"{team}/{fold_channel_name(name)}")


def named_channel_of(key: str) -> tuple[str, str]:
    """The team of an unresolved team or channel, and the channel's folded name; that is empty for the team itself."""
    team, _, name = identifier_of(key).partition("/")
    return team, name


def identifier_of(key: str) -> str:
    """Tell Teams' or Entra's own id from a recipient's key."""
    return unquote(key.partition("!")[2])
