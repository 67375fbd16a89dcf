"""Whether a person can be written to, as far as Herald's own references tell. Pure."""

from enum import StrEnum

from shared.domain.references import Reference, ReferenceState


class Reach(StrEnum):
    """The states of a report. `no_conversation` is a person whom Herald knows, and no chat with them."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    UNINSTALLED = "uninstalled"
    NO_CONVERSATION = "no_conversation"


_BY_STATE = {ReferenceState.BLOCKED: Reach.BLOCKED, ReferenceState.UNINSTALLED: Reach.UNINSTALLED}


def reach_of(reference: Reference) -> Reach:
    """Tell a person's reach from a reference that `reference_of` has read."""
    if reference.state in _BY_STATE:
        return _BY_STATE[reference.state]
    return Reach.ACTIVE if reference.conversation else Reach.NO_CONVERSATION
