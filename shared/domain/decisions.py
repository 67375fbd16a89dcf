"""A decision: what became of one delivery, as whoever worked on it hands it to the batch. Pure."""

from dataclasses import dataclass

from shared.domain.batches import Note
from shared.domain.outcomes import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a delivery becomes; `note` is None where there is nothing to remember."""

    outcome: Outcome
    note: Note | None = None
    activity_id: str = ""
    is_gone: bool = False
    """Whether the stored conversation proved to be gone: it is dropped, and created anew once."""
