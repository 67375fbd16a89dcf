"""Revisions: editing and recalling what was already sent, batch by batch, through the same lanes.

A broadcast's revision is a number that grows; its lanes then start again, and a batch is done when its own number is
the broadcast's. What became of the first sending never changes: a batch keeps the revision's outcomes beside it, one
character for each delivery. Editing and deleting twice does no harm, so there is no intent to journal here.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from shared.domain.batches import Note, Progress
from shared.domain.broadcasts import BatchSummary
from shared.domain.outcomes import Outcome


class RevisionKind(StrEnum):
    """What a revision does to messages that were sent."""

    EDIT = "edit"
    RECALL = "recall"


class Revised(StrEnum):
    """What became of one delivery in a revision, as the character that a batch row stores."""

    NOTHING = "-"
    """There is nothing to revise: it was not sent, or was sent with this revision's content."""
    PENDING = "p"
    DEFERRED = "d"
    EDITED = "e"
    RECALLED = "r"
    ACTIVITY_GONE = "g"
    """The message, or its conversation, is not there any more."""
    FAILED = "f"
    """Teams refused the change, or the time for retries was over."""

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self in (Revised.PENDING, Revised.DEFERRED)


def begin(progress: Progress, revision: int) -> Progress:
    """A batch's progress as a revision finds it: its place in the lane is back, and what was sent is to be revised."""
    if progress.revision >= revision:
        return progress
    return replace(progress, placed=True, revision=revision, revised=_to_revise(progress, revision), revision_notes={})


def _to_revise(progress: Progress, revision: int) -> str:
    return "".join(
        _first(progress.activity_ids, position)
        if character == Outcome.SENT.value and progress.sent_in.get(position, 0) < revision
        else Revised.NOTHING.value
        for position, character in enumerate(progress.outcomes)
    )


def _first(activity_ids: Mapping[int, str], position: int) -> str:
    # Without its id a message can be neither edited nor deleted.
    return (Revised.PENDING if activity_ids.get(position) else Revised.FAILED).value


def count_revised(row: BatchSummary, *, revision: int) -> Counter[Revised]:
    """Count a batch's deliveries in a revision; one that has not begun there stands with all that was sent."""
    if not revision:
        return Counter()
    if row.revision < revision:
        return Counter({Revised.PENDING: row.outcomes.count(Outcome.SENT.value)})
    counts = Counter(Revised(character) for character in row.revised)
    del counts[Revised.NOTHING]
    return counts


def pack_revised(counts: Counter[Revised]) -> str:
    """Counted deliveries of a revision as one short string, such as `e4980 g20`."""
    return " ".join(f"{revised.value}{number}" for revised, number in sorted(counts.items()))


def unpack_revised(packed: str) -> Counter[Revised]:
    """Read what `pack_revised` wrote."""
    return Counter({Revised(part[0]): int(part[1:]) for part in packed.split()})


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionDecision:
    """What a delivery becomes in a revision, and what it remembers until then."""

    revised: Revised
    note: Note | None = None
