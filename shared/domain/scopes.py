"""Where a Teams app can be installed, and who must be given it before a message can be sent. Pure."""

from collections.abc import Collection
from enum import StrEnum

from shared.domain.batches import Recipient
from shared.domain.modes import SILENT, Mode
from shared.domain.recipients import RecipientKind, kind_of


class Scope(StrEnum):
    """The scopes of a bot, in the manifest's own words."""

    PERSONAL = "personal"
    TEAM = "team"
    GROUP_CHAT = "groupChat"


_SCOPES = {
    RecipientKind.USER: Scope.PERSONAL,
    RecipientKind.CHANNEL: Scope.TEAM,
    RecipientKind.CHAT: Scope.GROUP_CHAT,
}


def scope_of(key: str) -> Scope | None:
    """The scope in which a recipient has the app; None for who is known by a name alone."""
    return _SCOPES.get(kind_of(key))


def needs_installer(recipient: Recipient, *, scopes: Collection[Scope], mode: Mode) -> bool:
    """Whether the installer is to see to a recipient first: `scopes` are those in which the app is installed.

    Without a message everybody is the installer's, also who turns out to be nobody's: the sender has nothing to say.
    """
    scope = scope_of(recipient.key)
    if mode in SILENT:
        return scope is not None
    return scope in scopes and recipient.lacks_app
