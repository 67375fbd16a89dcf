"""Where Graph installs the app for a recipient: pure."""

from shared.domain.batches import Recipient
from shared.domain.recipients import OBJECT_ID, RecipientKind, identifier_of, kind_of
from shared.graph.installs import Place


def place_of(recipient: Recipient) -> Place | None:
    """The person, the group chat, or the team of a channel; None for a team whose group is not known."""
    kind, identifier = kind_of(recipient.key), identifier_of(recipient.key)
    if kind is RecipientKind.USER:
        return Place.user(identifier)
    if kind is RecipientKind.CHAT:
        return Place.chat(identifier)
    return Place.team(recipient.group) if OBJECT_ID.fullmatch(recipient.group.lower()) else None
