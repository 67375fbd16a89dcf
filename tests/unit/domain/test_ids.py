"""Ids: their order is the order of acceptance, and they are at home in keys and URLs."""

import re

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ids import broadcast_id, newest_first, occurrence_id, occurrence_key
from shared.storage.rows import FORBIDDEN_IN_KEYS

instants = st.integers(min_value=0, max_value=4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)
chances = st.binary(min_size=7, max_size=16)


@given(instants, chances)
def test_an_id_is_twenty_characters_that_keys_take(now: float, chance: bytes) -> None:
    made = broadcast_id(now=now, randomness=chance)

    assert re.fullmatch(r"[0-9a-hjkmnp-tv-z]{20}", made)
    assert FORBIDDEN_IN_KEYS.isdisjoint(made)


@given(instants, instants, chances, chances)
def test_the_order_of_ids_is_the_order_of_time(one: float, other: float, chance: bytes, luck: bytes) -> None:
    earlier, later = sorted((one, other))
    if int(earlier * 1000) == int(later * 1000):
        later += 1.0

    assert broadcast_id(now=earlier, randomness=chance) < broadcast_id(now=later, randomness=luck)


@given(st.lists(st.integers(min_value=0, max_value=2**50 - 1), unique=True, max_size=50))
def test_ids_of_one_millisecond_differ_by_chance(chances_taken: list[int]) -> None:
    ids = {broadcast_id(now=1.0, randomness=chance.to_bytes(7, "big")) for chance in chances_taken}

    assert len(ids) == len(chances_taken)


@given(instants, instants)
def test_later_instants_sort_first(one: float, other: float) -> None:
    earlier, later = sorted((one, other))

    assert newest_first(later) <= newest_first(earlier)
    assert len(newest_first(later)) == 13


schedules = st.from_regex(r"[0-9a-z]{20}", fullmatch=True)


@given(instants, schedules)
def test_an_occurrence_has_one_id_among_those_of_its_instant(at: float, schedule: str) -> None:
    made = occurrence_id(schedule=schedule, at=at)

    assert made == occurrence_id(schedule=schedule, at=at)
    assert re.fullmatch(r"[0-9a-hjkmnp-tv-z]{20}", made)
    assert made[:10] == broadcast_id(now=at, randomness=b"\0")[:10]


@given(instants, schedules, schedules)
def test_occurrences_of_two_schedules_at_one_instant_differ(at: float, one: str, other: str) -> None:
    assert (occurrence_id(schedule=one, at=at) == occurrence_id(schedule=other, at=at)) == (one == other)


def test_the_key_of_an_occurrence_says_whose_and_when_it_is() -> None:
    assert occurrence_key(schedule="s", at=1_780_297_200.5) == "schedule!s!2026-06-01T07:00:00.500Z"
