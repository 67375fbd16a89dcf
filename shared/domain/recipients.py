"""Whom a message can reach, and the one key by which every table knows them.

A key is `kind!id`: `user!` with the lower-case Entra object id, `channel!`, `chat!` and `team!` with Teams' own id. A
team in an audience means its General channel, whose id is the team's.
"""

import re
from enum import StrEnum
from urllib.parse import quote

OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
THREAD_ID = re.compile(r"19:[A-Za-z0-9._~@:;=+!$'*,-]{1,400}")

_KEPT = "!@:;=+$'*,()&<>[]{}|^`\" "


class RecipientKind(StrEnum):
    """The kinds of conversation that a bot can speak in; a team stands for the team itself, not for a conversation."""

    USER = "user"
    CHANNEL = "channel"
    CHAT = "chat"
    TEAM = "team"


def recipient_key(kind: RecipientKind, identifier: str) -> str:
    """Name a recipient in every table. Characters that tables refuse in keys are percent-encoded."""
    folded = identifier.lower() if kind is RecipientKind.USER else identifier
    return f"{kind}!{quote(folded, safe=_KEPT)}"


def kind_of(key: str) -> RecipientKind:
    """Tell the kind of recipient from its key."""
    return RecipientKind(key.partition("!")[0])


def identifier_of(key: str) -> str:
    """Tell Teams' or Entra's own id from a recipient's key; only for ids that `recipient_key` left as they were."""
    return key.partition("!")[2]
