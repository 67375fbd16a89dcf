"""The kinds of faults, and what of each is counted."""

from enum import StrEnum


class Kind(StrEnum):
    """A kind of fault, by the name that the report tells."""

    HOST_KILLED = "host_killed"  # SIGKILL, and started again.
    STORAGE_STOPPED = "storage_stopped"
    STORAGE_KILLED = "storage_killed"
    STORAGE_FROZEN = "storage_frozen"  # Calls hang; those that gave up may still be carried out.
    CONNECTION_RESET = "connection_reset"  # Before delivery.
    ANSWER_LOST = "answer_lost"  # Delivered, then the connection breaks.
    ANSWER_FALSE = "answer_false"  # Delivered, then a 502 or 504.
    ANSWER_LATE = "answer_late"  # Delivered when the caller has given up.
    ANSWER_SLOW = "answer_slow"
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    GRAPH_THROTTLED = "graph_throttled"
    GRAPH_ERROR = "graph_error"
    INSTALL_FAILED = "install_failed"  # The 400 that passes.
    INSTALL_ANSWER_LOST = "install_answer_lost"  # Installed, then the connection breaks.
    LISTS_LAG = "lists_lag"  # Graph's lists do not show yet what was installed.
    NUDGE_DELETED = "nudge_deleted"
    NUDGE_DOUBLED = "nudge_doubled"
    NUDGE_POISONED = "nudge_poisoned"  # Moved to the poison queue, like one that failed each of its tries.
    INSTALL_NUDGE_DELETED = "install_nudge_deleted"
    INSTALL_NUDGE_DOUBLED = "install_nudge_doubled"
    INSTALL_NUDGE_POISONED = "install_nudge_poisoned"
    REQUEST_DELETED = "request_deleted"
    REQUEST_DOUBLED = "request_doubled"
    REQUEST_POISONED = "request_poisoned"
    RUBBISH_PUT = "rubbish_put"


STORAGE = (Kind.STORAGE_STOPPED, Kind.STORAGE_KILLED, Kind.STORAGE_FROZEN)
TEAMS = (
    *(Kind.CONNECTION_RESET, Kind.ANSWER_LOST, Kind.ANSWER_FALSE, Kind.ANSWER_LATE, Kind.ANSWER_SLOW),
    *(Kind.THROTTLED, Kind.SERVER_ERROR),
)
GRAPH = (Kind.GRAPH_THROTTLED, Kind.GRAPH_ERROR, Kind.INSTALL_FAILED, Kind.INSTALL_ANSWER_LOST)
NUDGES = (Kind.NUDGE_DELETED, Kind.NUDGE_DOUBLED, Kind.NUDGE_POISONED)
INSTALL_NUDGES = (Kind.INSTALL_NUDGE_DELETED, Kind.INSTALL_NUDGE_DOUBLED, Kind.INSTALL_NUDGE_POISONED)
REQUESTS = (Kind.REQUEST_DELETED, Kind.REQUEST_DOUBLED, Kind.REQUEST_POISONED)
DOUBLED = frozenset({Kind.NUDGE_DOUBLED, Kind.INSTALL_NUDGE_DOUBLED, Kind.REQUEST_DOUBLED})
POISONED = frozenset({Kind.NUDGE_POISONED, Kind.INSTALL_NUDGE_POISONED, Kind.REQUEST_POISONED})
"""What becomes of a message; the others are deleted."""

DELIVERED_UNANSWERED = frozenset({Kind.ANSWER_LOST, Kind.ANSWER_FALSE, Kind.ANSWER_LATE})
"""Faults of Teams after which a message has arrived and its sender does not know."""
LEAVES_OPEN = DELIVERED_UNANSWERED | {Kind.CONNECTION_RESET, Kind.SERVER_ERROR}
"""Faults of Teams after which a sender cannot know whether a message has arrived."""

HARMLESS = LEAVES_OPEN | {
    *(Kind.ANSWER_SLOW, Kind.THROTTLED, Kind.RUBBISH_PUT, Kind.NUDGE_DOUBLED, Kind.INSTALL_NUDGE_DOUBLED),
    *GRAPH,
    *REQUESTS,
}
"""Faults after which nothing waits for a lease and a tick: a run of seconds can have these."""

UNITS = {
    Kind.HOST_KILLED: "processes",
    **dict.fromkeys(STORAGE, "outages"),
    **dict.fromkeys((*TEAMS, *GRAPH), "calls"),
    Kind.LISTS_LAG: "installs",
    **dict.fromkeys((*NUDGES, *INSTALL_NUDGES, *REQUESTS, Kind.RUBBISH_PUT), "messages"),
}
"""What a kind of fault strikes."""
