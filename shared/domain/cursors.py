"""The cursor: where a plan stands, what it does next, and what it waits for."""

from dataclasses import dataclass, replace
from enum import StrEnum

from shared.domain.lanes import FIRST_INSTALL, is_install


class Wait(StrEnum):
    """What a plan waits for where its audience cannot be read. It goes on by itself."""

    DIRECTORY = "directory"
    """Graph, or the Connector, is throttling, failing or away."""
    EXCEPTION = "exception"
    """A group or a roster that is to be left out is not there: going on could reach those who must not be."""
    CONSENT = "consent"
    """One of them refuses: a permission, the credentials, or the request. Somebody has to mend that."""
    DIGEST = "digest"
    """An earlier broadcast of the same digest is still being planned."""


class Phase(StrEnum):
    """What a plan does next."""

    FREEZE = "freeze"
    """A digest: items for audiences are to be taken up."""
    COLLECT = "collect"
    EMIT = "emit"
    RAMP = "ramp"
    """A slow start: the first people are planned, and the others wait."""
    FINISHED = "finished"


_SET_ASIDE = "-"
MOST_PARTS = 32_000
"""Characters of `Cursor.parts`: a table's string has 32 Ki, and audiences that are set aside take two each."""


@dataclass(frozen=True, slots=True)
class PartRuns:
    """The names of the runs of one audience of a digest: of its people, and of those who are left out."""

    runs: tuple[str, ...]
    except_runs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a plan stands. Every step of a plan changes it, in one transaction with what the step wrote."""

    phase: Phase = Phase.COLLECT
    source: int = 0
    """Which source of the audience is being read."""
    token: str = ""
    """Where in that source to go on; empty for its start."""
    runs: str = ""
    """The names of the runs collected so far, oldest first; the last one is walked. A name is random, so that a planner
    that loses the cursor's step cannot have written over the winner's run."""
    kind: str = ""
    """The kind of keys of the last run: `user` for object ids, `text` for conversations."""
    after: str = ""
    """The last key of the run that is planned already."""
    batches: int = 0
    """Batch rows written so far: the number of the next one."""
    installs: int = 0
    """Likewise, for those whom the installer sees to first, counted from `FIRST_INSTALL`."""
    recipients: int = 0
    """Deliveries in them; of a dry run, recipients that were counted."""
    goes_on_at: float = 0.0
    """When a slow start is over, in seconds since the epoch; zero until its first people were tried."""
    prospects: str = ""
    """What a dry run has counted, as `add_prospects` packs it."""
    skipped_runs: str = ""
    """The names of the runs of people who were left out: by them each is counted once, on however many pages."""
    skipped: str = ""
    """How many people were left out, as `add_skipped` packs it."""
    except_runs: str = ""
    """The names of the runs of those who are to be left out at an author's word."""
    unknown_exceptions: str = ""
    """Places in the audience's exceptions of those that the directory does not know; the plan waits for them."""
    unknown_groups: str = ""
    """Places in the audience's groups of those that are not in the directory, as `add_places` packs them."""
    unknown_rosters: str = ""
    """Likewise in the audience's rosters, of those that the bot is not in."""
    shares: int = 0
    """Of a parent: rows with shares written so far, the number of the next one."""
    moments: str = ""
    """Of a parent: how many recipients were found for each instant, as `add_moments` packs it."""
    guessed: int = 0
    """Of a parent: people whose zone nobody told."""
    children: int = 0
    """Of a parent: of how many of its moments, in their order, there is a child, or will be one in any case."""
    waits_for: str = ""
    """What the plan waits for before it reads on, one of `Wait`; empty while it goes on."""
    rests_until: float = 0.0
    """No page is read before this instant, in seconds since the epoch."""
    parts: str = ""
    """Of a digest: the runs of those of its audiences that are collected, as `behind_part` packs them."""

    @property
    def run_names(self) -> list[str]:
        """The names of the runs, oldest first."""
        return self.runs.split()

    @property
    def rows(self) -> int:
        """Batch rows of both sorts."""
        return self.batches + self.installs

    @property
    def part_runs(self) -> list[PartRuns | None]:
        """The runs of each audience of a digest that is collected; None for one that cannot be."""
        return [_unpack_part(packed) for packed in self.parts.split(";")[:-1]]

    def behind_part(self, *, is_set_aside: bool = False) -> "Cursor":
        """The cursor behind the audience of a digest that was collected, or that is set aside.

        So is one whose runs are too many: a plan that cannot take its step would stand still for ever.
        """
        packed = f"{self.runs}/{self.except_runs}"
        if is_set_aside or len(self.parts) + len(packed) > MOST_PARTS:
            packed = _SET_ASIDE
        kept = Cursor(phase=Phase.COLLECT, parts=f"{self.parts}{packed};")
        return replace(kept, skipped_runs=self.skipped_runs, skipped=self.skipped)

    def holds(self, batch: int) -> bool:
        """Whether this batch is planned."""
        return batch - FIRST_INSTALL < self.installs if is_install(batch) else batch < self.batches

    @property
    def waits_for_lanes(self) -> bool:
        """Whether nothing is planned before all lanes are through."""
        return self.phase in (Phase.RAMP, Phase.FINISHED)

    @property
    def is_finished(self) -> bool:
        """Whether every recipient has a batch row."""
        return self.phase is Phase.FINISHED


def _unpack_part(packed: str) -> PartRuns | None:
    runs, _, except_runs = packed.partition("/")
    return None if packed == _SET_ASIDE else PartRuns(tuple(runs.split()), tuple(except_runs.split()))
