"""What an audience would come to: sums and shares."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.estimates import Part, Sample, at_most, expect, sampled, share_up_to
from shared.domain.rehearsals import Prospect

REACH, INSTALL, BLOCK = Prospect.REACHABLE, Prospect.TO_INSTALL, Prospect.BLOCKED
KNOWN = {"a": REACH, "b": REACH, "c": INSTALL, "d": BLOCK}


def a_part(*, count: int | None, keys: str = "", size: int | None = None, **known: int) -> Part:
    return Part(
        source="groups",
        count=count,
        known={Prospect(name): number for name, number in known.items()},
        sample=Sample(keys=tuple(keys), size=len(keys) if size is None else size),
    )


@pytest.mark.parametrize(
    ("parts", "most", "looked_at", "expected"),
    [
        # Nobody.
        ([], 0, None, {}),
        # Named people, each of whom is looked at.
        ([a_part(count=4, keys="abcd")], 4, None, {REACH: 2, INSTALL: 1, BLOCK: 1}),
        # A large group: four stand for forty.
        ([a_part(count=40, keys="abcd")], 40, 4, {REACH: 20, INSTALL: 10, BLOCK: 10}),
        # Half of those who were looked at are guests.
        ([a_part(count=40, keys="abcd", size=8)], 40, 8, {REACH: 10, INSTALL: 5, BLOCK: 5}),
        # The first page has nobody who would get the message.
        ([a_part(count=40, size=8)], 40, 8, {}),
        # Nobody was looked at.
        ([a_part(count=40)], 40, None, {}),
        # What is known by a count.
        ([a_part(count=7, reachable=5, blocked=2)], 7, None, {REACH: 5, BLOCK: 2}),
        # Parts add up, each with its own share.
        (
            [a_part(count=10, keys="ac"), a_part(count=4, keys="ab"), a_part(count=1, reachable=1)],
            15,
            4,
            {REACH: 10, INSTALL: 5},
        ),
        # What nobody can count leaves the sum open, and the rest known.
        ([a_part(count=2, keys="ac"), a_part(count=None)], None, None, {REACH: 1, INSTALL: 1}),
        # Thirds are rounded once, at the end.
        ([a_part(count=100, keys="abc"), a_part(count=100, keys="abc")], 200, 6, {REACH: 133, INSTALL: 67}),
    ],
)
def test_an_audience_comes_to_its_parts(
    parts: list[Part], most: int | None, looked_at: int | None, expected: dict[Prospect, int]
) -> None:
    assert (at_most(parts), sampled(parts), expect(parts, KNOWN)) == (most, looked_at, Counter(expected))


@pytest.mark.parametrize(
    ("object_id", "share"),
    [
        # Hardly anybody, and never nobody.
        ("00000000-0000-4000-8000-000000000000", 2**-32),
        # Half of all.
        ("7fffffff-ffff-4fff-bfff-ffffffffffff", 0.5),
        # All.
        ("ffffffff-ffff-4fff-bfff-ffffffffffff", 1.0),
    ],
)
def test_an_id_tells_the_share_of_people_up_to_it(object_id: str, share: float) -> None:
    assert share_up_to(object_id) == share


@given(st.lists(st.tuples(st.integers(0, 10**6), st.text("abcd", max_size=9), st.integers(0, 9)), max_size=9))
def test_never_more_are_expected_than_there_are_at_most(drawn: list[tuple[int, str, int]]) -> None:
    parts = [a_part(count=count, keys=keys, size=len(keys) + skipped) for count, keys, skipped in drawn]

    # Each of the prospects may be rounded up.
    assert expect(parts, KNOWN).total() <= (at_most(parts) or 0) + len(Prospect)
