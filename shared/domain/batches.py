"""A batch: up to 100 deliveries in one row, written once by the planner and from then on by its lease holder alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain.outcomes import Outcome
from shared.domain.recipients import RecipientKind, is_unresolved, kind_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One recipient of a broadcast, with what a sender needs to speak there."""

    key: str
    """As `recipient_key` makes it."""
    conversation: str = ""
    """Teams' conversation id; empty where the conversation must be created first."""
    member: str = ""
    """The Entra object id of a person, with whom a conversation can be created. Empty for channels and chats."""
    service_url: str
    group: str = ""
    """The object id of a team's group, by which Graph knows it; empty for all else, also for the team's other channels,
    and where it is not known."""
    is_blocked: bool = False
    """Whether an earlier message was refused because the person, or an admin, blocked the bot."""
    lacks_app: bool = False
    """Whether the app must be installed there before a message can be sent. Of meaning while a batch is planned; it is
    not stored."""
    time_zone: str = ""
    """The zone of a person as Teams told it, in whatever words. Not stored, either."""
    letter: str = ""
    """What a digest says to this person, as `pack_letter` packs it; empty in all other broadcasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What a delivery that took, or takes, more than one try remembers. Instants are seconds since the epoch."""

    attempts: int = 0
    """Tries so far, throttled ones included: retries end by time, not by count."""
    first_tried_at: float = 0.0
    due_at: float = 0.0
    conversation: str = ""
    """The conversation that was created for it, where the planner knew none, or one that is gone."""
    is_renewed: bool = False
    """Whether the planner's conversation turned out to be gone: it is created anew, once."""


_NO_NOTE = Note()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """All of a batch that changes as it is worked on: what a journal write carries."""

    outcomes: str
    """One character of `Outcome` for each recipient, in their order."""
    notes: Mapping[int, Note] = field(default_factory=dict)
    """By position in the batch; only where there is something to remember."""
    activity_ids: Mapping[int, str] = field(default_factory=dict)
    """The ids of the messages that were sent, by position."""
    placed: bool = True
    """Whether the batch still has its place in its lane: it gives it up once each delivery was tried once."""
    due_marker: str = ""
    """The key of the marker by which the tick finds its leftovers; empty without leftovers."""
    fruitless: int = 0
    """Claims in a row that posted and never learned an answer."""
    revision: int = 0
    """The broadcast's revision that this batch has come to."""
    revised: str = ""
    """One character of `Revised` for each recipient, of that revision; empty in revision 0."""
    revision_notes: Mapping[int, Note] = field(default_factory=dict)
    """What deliveries that must be revised again remember."""
    sent_in: Mapping[int, int] = field(default_factory=dict)
    """With which revision's content a message was sent, where that was not the first."""

    def of(self, outcome: Outcome) -> list[int]:
        """The positions that stand at an outcome."""
        return [position for position, character in enumerate(self.outcomes) if character == outcome.value]

    def to_install(self, now: float) -> list[int]:
        """The positions of people who should be given the app now."""
        return [p for p in self.of(Outcome.AWAITING_INSTALL) if self.notes.get(p, _NO_NOTE).due_at <= now]

    @property
    def standing(self) -> int:
        """How many deliveries stand in `sending`."""
        return self.outcomes.count(Outcome.SENDING.value)

    @property
    def is_final(self) -> bool:
        """Whether no delivery of the batch is open."""
        return not any(Outcome(character).is_open for character in set(self.outcomes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch row as read. A lease is a random token; `writes` numbers the writes under it, to know one's own again."""

    number: int
    recipients: tuple[Recipient, ...]
    progress: Progress
    lease: str = ""
    writes: int = 0
    etag: str = ""
    age: float = 0.0
    """Seconds since its last write, by storage's clock alone."""

    def is_held(self, lease_seconds: float) -> bool:
        """Whether somebody's lease on it is live."""
        return bool(self.lease) and self.age <= lease_seconds


def planned_progress(recipients: Sequence[Recipient], outcome: Outcome) -> Progress:
    """The progress of a batch as it is planned: at one outcome all but those who were named and are not there."""
    return Progress(outcomes="".join((not_found(one.key) or outcome).value for one in recipients))


def not_found(key: str) -> Outcome | None:
    """The outcome of a recipient whose name leads nowhere; None for all others."""
    if not is_unresolved(key):
        return None
    return Outcome.USER_NOT_FOUND if kind_of(key) is RecipientKind.NAME else Outcome.CONVERSATION_GONE


def new_progress(size: int, outcome: Outcome = Outcome.PENDING) -> Progress:
    """The progress of a batch that nobody has touched."""
    return Progress(outcomes=outcome.value * size)
