"""Whom a message can reach, and the one key by which every table knows them.

A key is `kind!id`: `user!` with the lower-case Entra object id, `channel!`, `chat!` and `team!` with Teams' own id. A
team in an audience means its General channel, whose id is the team's. `name!` with a sign-in name or a mail, in lower
case, is somebody whom the directory has not told yet, or does not know.
"""

import re
from enum import StrEnum
from urllib.parse import quote, unquote

OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
THREAD_ID = re.compile(r"19:[A-Za-z0-9._~@:;=+!$'*,-]{1,400}")
PERSON_NAME = re.compile(r"[A-Za-z0-9.!#$%&'*+=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}")
"""A sign-in name or a mail, in ASCII."""

_KEPT = "!@:;=+$'*,()&<>[]{}|^`\" "


class RecipientKind(StrEnum):
    """The kinds of conversation that a bot can speak in; a team stands for the team itself, not for a conversation."""

    USER = "user"
    CHANNEL = "channel"
    CHAT = "chat"
    TEAM = "team"
    NAME = "name"
    """A person by a name that is not resolved, with whom nobody can speak."""


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


def identifier_of(key: str) -> str:
    """Tell Teams' or Entra's own id from a recipient's key."""
    return unquote(key.partition("!")[2])
