"""Revisions: what a batch has to revise, and how that is counted."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.batches import Note, Progress
from shared.domain.broadcasts import BatchSummary
from shared.domain.revisions import Revised, begin, count_revised, pack_revised, unpack_revised

IDS = {0: "m0", 1: "m1", 2: "m2"}


@pytest.mark.parametrize(
    ("progress", "revision", "revised"),
    [
        (Progress(outcomes="ppp"), 1, "---"),  # Nothing was sent yet.
        (Progress(outcomes="SpS", activity_ids=IDS), 1, "p-p"),  # What was sent.
        (Progress(outcomes="SsS", activity_ids=IDS), 1, "p-p"),  # Nobody knows of the second.
        (Progress(outcomes="S07", activity_ids=IDS), 1, "p--"),  # They have nothing.
        (Progress(outcomes="SSS", activity_ids={1: "m1"}), 1, "fpf"),  # Teams told no id.
        (Progress(outcomes="SSS", activity_ids={**IDS, 1: ""}), 1, "pfp"),  # Likewise.
        # Of an earlier revision: what was edited then is edited again, and so is what failed or was gone.
        (Progress(outcomes="SSS", activity_ids=IDS, revision=1, revised="efg"), 2, "ppp"),
        # Sent with the words of a revision: of this one, of an earlier one, of the first.
        (Progress(outcomes="SSS", activity_ids=IDS, revision=1, revised="e--", sent_in={1: 1, 2: 2}), 2, "pp-"),
    ],
)
def test_a_revision_begins_with_what_was_sent_with_other_words(progress: Progress, revision: int, revised: str) -> None:
    begun = begin(progress, revision)

    assert (begun.revised, begun.revision) == (revised, revision)
    assert (begun.outcomes, begun.activity_ids, begun.sent_in) == (
        progress.outcomes,
        progress.activity_ids,
        progress.sent_in,
    )


def test_a_batch_has_its_place_again_and_remembers_nothing_of_the_revision_before() -> None:
    done = Progress(
        outcomes="SS",
        activity_ids=IDS,
        placed=False,
        due_marker="due!1!0",
        revision=1,
        revised="ed",
        revision_notes={1: Note(attempts=3)},
    )

    begun = begin(done, 2)

    assert begun.placed
    assert begun.revision_notes == {}
    # The marker stands in the table until the batch is settled.
    assert begun.due_marker == "due!1!0"


@pytest.mark.parametrize("revision", [0, 1, 2])
def test_a_revision_begins_once_and_an_older_one_never(revision: int) -> None:
    progress = Progress(outcomes="SS", activity_ids=IDS, placed=False, revision=2, revised="ed")

    assert begin(progress, revision) is progress


@pytest.mark.parametrize(
    ("row", "revision", "counts"),
    [
        (BatchSummary(outcomes="SSp", held=False, written_at=0), 0, {}),  # There is no revision.
        (BatchSummary(outcomes="SSp", held=False, written_at=0), 1, {Revised.PENDING: 2}),  # It has not come here.
        (BatchSummary(outcomes="SSp", held=False, written_at=0, revision=1, revised="eg-"), 2, {Revised.PENDING: 2}),
        (
            BatchSummary(outcomes="SSSS0", held=False, written_at=0, revision=2, revised="eeg-d"),
            2,
            {Revised.EDITED: 2, Revised.ACTIVITY_GONE: 1, Revised.DEFERRED: 1},
        ),
    ],
)
def test_a_rows_revision_is_counted(row: BatchSummary, revision: int, counts: dict[Revised, int]) -> None:
    assert count_revised(row, revision=revision) == Counter(counts)


@given(st.dictionaries(st.sampled_from(Revised), st.integers(1, 10**6)).map(Counter))
def test_counts_come_back_as_they_were_packed(counts: Counter[Revised]) -> None:
    assert unpack_revised(pack_revised(counts)) == counts


def test_packed_counts_are_short() -> None:
    assert pack_revised(Counter({Revised.EDITED: 4980, Revised.ACTIVITY_GONE: 20})) == "e4980 g20"
    assert unpack_revised("") == Counter()


@pytest.mark.parametrize("revised", Revised)
def test_what_is_open_is_still_to_be_done(revised: Revised) -> None:
    assert revised.is_open is (revised in (Revised.PENDING, Revised.DEFERRED))
