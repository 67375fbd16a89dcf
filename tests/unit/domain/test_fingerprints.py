"""Fingerprints of recipients: one among many is found, at any place."""

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.fingerprints import WIDTH, fingerprint, fingerprints, places_of

KEYS = st.lists(st.text(max_size=20), min_size=1, max_size=200)


@given(keys=KEYS, data=st.data())
def test_every_recipient_is_found_at_its_place(keys: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(keys) - 1))

    assert place in set(places_of(fingerprint(keys[place]), fingerprints(keys)))


@given(keys=KEYS)
def test_a_place_holds_the_fingerprint_that_was_looked_for(keys: list[str]) -> None:
    mark = fingerprint("somebody")

    assert list(places_of(mark, fingerprints(keys))) == [
        place for place, key in enumerate(keys) if fingerprint(key) == mark
    ]


def test_bytes_of_two_neighbours_are_no_fingerprint() -> None:
    packed = bytes([1, 2, 3, 4, 5, 6])

    assert list(places_of(bytes([2, 3, 4]), packed)) == []
    assert list(places_of(bytes([4, 5, 6]), packed)) == [1]


def test_a_fingerprint_is_a_few_bytes_and_always_the_same() -> None:
    assert fingerprint("user!5f0c9d1e-7a52-4c3b-9a51-0d6a4f6b8e21") == bytes.fromhex("10e7c8")
    assert len(fingerprint("")) == WIDTH
