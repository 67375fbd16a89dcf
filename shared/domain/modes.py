"""What a broadcast does: send a message, rehearse that, or see to the app alone. Pure."""

from enum import StrEnum


class Mode(StrEnum):
    """What a broadcast does: `send` is in earnest, the next three are rehearsals, the last three say nothing."""

    SEND = "send"
    DRY_RUN = "dry_run"
    """Plan and count; no delivery exists, so nothing can be sent."""
    TEST = "test"
    """Send to one named person alone, in earnest."""
    SANDBOX = "sandbox"
    """Do everything but the calls to Teams, at the tenant's pace and beside it."""
    INSTALL = "install"
    """Give the app to those who do not have it."""
    UPGRADE = "upgrade"
    """The same, and bring older installations to the catalogue's version."""
    REMOVE = "remove"
    """Take the app from those who have it."""


IN_EARNEST = frozenset({Mode.SEND, Mode.TEST})
"""The modes in which Teams is really spoken in."""
SILENT = frozenset({Mode.INSTALL, Mode.UPGRADE, Mode.REMOVE})
"""The modes that see to the app, and have no message."""
