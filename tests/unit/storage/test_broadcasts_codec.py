"""How rows are packed: everything comes back as it was, and the largest of each fits into Azure's limits."""

import uuid
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.batches import Batch, Note, Progress, Recipient
from shared.domain.broadcasts import Broadcast, DeliveryMode, PauseReason, Priority
from shared.domain.cursors import Cursor, Phase
from shared.domain.digests import Item
from shared.domain.lanes import BATCH_BYTES, LanePlan
from shared.domain.letters import compose, pack_letter
from shared.domain.outcomes import Outcome
from shared.domain.own_clocks import OwnClock
from shared.domain.plans import LARGEST_RUN, cut, portions
from shared.storage import broadcast_rows as codec
from shared.storage.broadcast_keys import batch_key
from shared.storage.rows import MAX_BINARY_BYTES, Row, Values, check_limits, insert, merge, upsert

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
instants = st.floats(min_value=0, max_value=4e9)
positions = st.integers(min_value=0, max_value=99)
recipients = st.builds(
    Recipient,
    key=texts,
    conversation=texts,
    member=texts,
    service_url=st.sampled_from(["https://a/", "https://b/"]),
    group=st.just("") | texts,
    is_blocked=st.booleans(),
    letter=st.just("") | texts,
)
notes = st.builds(
    Note,
    attempts=st.integers(0, 10**6),
    first_tried_at=instants,
    due_at=instants,
    conversation=texts,
    is_renewed=st.booleans(),
)
progresses = st.builds(
    Progress,
    outcomes=st.text(alphabet=[outcome.value for outcome in Outcome], max_size=100),
    notes=st.dictionaries(positions, notes, max_size=5),
    activity_ids=st.dictionaries(positions, texts, max_size=5),
    placed=st.booleans(),
    due_marker=texts,
    fruitless=st.integers(0, 10),
)
cursors = st.builds(
    Cursor,
    phase=st.sampled_from(Phase),
    source=st.integers(0, 3),
    token=texts,
    runs=st.lists(st.from_regex(r"[0-9a-f]{8}", fullmatch=True), max_size=20).map(" ".join),
    kind=st.sampled_from(["", "user", "text"]),
    after=texts,
    batches=st.integers(0, 10**6),
    recipients=st.integers(0, 10**8),
)


def a_row(values: Values, *, age: float = 0.0) -> Row:
    return Row(partition="b", key="k", values=values, etag="e", written_at=1000.0 - age, read_at=1000.0)


@given(st.lists(recipients, max_size=100).map(tuple))
def test_a_new_batch_comes_back_with_its_recipients_all_pending(people: tuple[Recipient, ...]) -> None:
    batch = codec.unpack_batch(a_row(codec.pack_new_batch(people)), 7)

    assert batch == Batch(number=7, recipients=people, progress=Progress(outcomes="p" * len(people)), etag="e")


@pytest.mark.parametrize(
    ("rare", "packed"),
    [
        ({}, b'["k","c","m",0,0]'),
        ({"group": "g"}, b'["k","c","m",0,0,"g"]'),
        ({"letter": "[0,1]"}, b'["k","c","m",0,0,"","[0,1]"]'),
        ({"group": "g", "letter": "[0,1]"}, b'["k","c","m",0,0,"g","[0,1]"]'),
    ],
)
def test_what_few_recipients_have_costs_the_others_nothing(rare: dict[str, str], packed: bytes) -> None:
    one = Recipient(key="k", conversation="c", member="m", service_url="https://a/", **rare)  # type: ignore[arg-type]

    assert codec.pack_new_batch((one,))["recipients0"] == b'{"urls":["https://a/"],"to":[' + packed + b"]}"


@given(st.lists(recipients, max_size=5).map(tuple), progresses)
def test_progress_comes_back_beside_the_recipients(people: tuple[Recipient, ...], progress: Progress) -> None:
    written = {**codec.pack_new_batch(people), **codec.pack_progress(progress), "lease": "l", "writes": 9}

    batch = codec.unpack_batch(a_row(written, age=12.0), 3)

    assert batch.progress == progress
    assert batch.recipients == people
    assert (batch.lease, batch.writes, batch.age) == ("l", 9, 12.0)


def test_a_journal_never_carries_the_recipients() -> None:
    assert not [name for name in codec.pack_progress(Progress(outcomes="p")) if name.startswith("recipients")]


def test_a_handover_claims_without_touching_the_progress() -> None:
    batch = Batch(number=1, recipients=(), progress=Progress(outcomes=""), writes=4)

    assert codec.claim(batch, "l") == {"lease": "l", "writer": "l", "writes": 5}


@given(cursors)
def test_a_cursor_comes_back_as_it_was(cursor: Cursor) -> None:
    assert codec.unpack_cursor(codec.pack_cursor(cursor)) == cursor


@given(
    st.booleans(),
    st.none() | instants,
    st.sampled_from(DeliveryMode),
    st.sampled_from(Priority),
    st.none() | st.sampled_from(PauseReason),
)
def test_a_head_comes_back_as_it_was(
    ended: bool, expires_at: float | None, mode: DeliveryMode, priority: Priority, paused: PauseReason | None
) -> None:
    broadcast = Broadcast(
        id="b",
        tenant="t",
        key="k",
        body_hash="h",
        delivery=mode,
        priority=priority,
        lanes=LanePlan(sends=4),
        accepted_at=5.5,
        expires_at=expires_at,
        cancelled_at=9.0 if ended else None,
        paused=paused,
        paused_at=8.0 if paused else None,
        finished_at=10.0 if ended else None,
        final_outcomes="S4" if ended else "",
    )
    later: Values = {"cancelled_at": 9.0, "finished_at": 10.0, "sums": "S4"} if ended else {}
    pause: Values = {"paused": paused.value, "paused_at": 8.0} if paused else {}

    assert codec.unpack_broadcast(a_row({**codec.pack_broadcast(broadcast), **later, **pause})) == broadcast


def test_only_the_head_of_a_digest_names_one() -> None:
    plain = Broadcast(id="b", tenant="t", key="k", body_hash="h", lanes=LanePlan(sends=4), accepted_at=5.0)
    digest = replace(plain, digest="daily")

    assert codec.unpack_broadcast(a_row(codec.pack_broadcast(digest))) == digest
    assert codec.pack_broadcast(digest).keys() - codec.pack_broadcast(plain).keys() == {"digest"}


def test_the_heads_of_a_family_come_back_as_they_were() -> None:
    plain = Broadcast(id="b", tenant="t", key="k", body_hash="h", lanes=LanePlan(sends=0), accepted_at=5.0)
    clock = OwnClock(at=datetime.fromisoformat("2030-11-25T09:00:30"), default_zone="Europe/Paris")
    parent = replace(plain, own_clock=clock, starts_at=7.0, expires_after=60.0)
    child = replace(plain, parent="p", revision=3, starts_at=9.0, lanes=LanePlan(sends=4))
    held = replace(child, cancelled_at=6.0, paused=PauseReason.BY_REQUEST, paused_at=5.5)

    for head in (parent, child, held):
        assert codec.unpack_broadcast(a_row(codec.pack_broadcast(head))) == head
    assert codec.pack_broadcast(plain).keys().isdisjoint({"local_time", "default_zone", "expires_after", "parent"})


def unpacked(kind: str, keys: list[str]) -> tuple[list[str], int]:
    """The keys as they come back, and the number of rows that they took; each row fits."""
    back: list[str] = []
    rows = list(codec.pack_run(kind, keys))
    for values in rows:
        check_limits("b", [upsert("run!000000!000", values)])
        found, part = codec.unpack_run(values)
        assert found == kind
        back += part
    return back, len(rows)


@given(st.lists(st.uuids(), max_size=200))
def test_a_run_of_people_comes_back_in_order(ids: list[uuid.UUID]) -> None:
    keys = sorted(f"user!{one}" for one in ids)

    assert unpacked("user", keys) == (keys, 1)


@given(st.lists(st.from_regex(r"(chat|channel)!19:[A-Za-z0-9._~@:;=+!$'*,%-]{1,40}", fullmatch=True), max_size=200))
def test_a_run_of_conversations_comes_back_in_order(keys: list[str]) -> None:
    assert unpacked("text", sorted(keys)) == (sorted(keys), 1)


def test_the_largest_run_of_people_takes_three_rows() -> None:
    keys = [f"user!{uuid.UUID(int=number)}" for number in range(LARGEST_RUN)]

    assert unpacked("user", keys) == (keys, 3)


@pytest.mark.parametrize(
    ("length", "number"),
    [
        (60, 30_000),  # Channels as they are.
        (410, 30_000),  # As long as the contract allows.
        (8 * MAX_BINARY_BYTES - 1, 3),  # A key that fills a row.
    ],
)
def test_long_conversations_spread_over_many_rows(length: int, number: int) -> None:
    keys = [f"{n:010d}" + "x" * (length - 10) for n in range(number)]

    back, rows = unpacked("text", keys)

    assert back == keys
    assert rows == -(-number // ((8 * MAX_BINARY_BYTES) // (length + 1)))


def test_an_empty_run_is_a_row_too() -> None:
    assert unpacked("user", []) == ([], 1)


@settings(max_examples=20)
@given(st.integers(min_value=1, max_value=60_000), st.integers(min_value=1, max_value=250))
def test_every_step_of_the_planner_fits_into_a_transaction(length: int, number: int) -> None:
    people = [
        Recipient(key=f"user!{n}", conversation="ü" * (length // 2), service_url=f"https://smba.test/{n}/")
        for n in range(number)
    ]
    # A thousand runs are 65 million recipients.
    longest = Cursor(token="t" * 512, after="a" * 512, runs=" ".join(["0a1b2c3d"] * 1_000))

    for portion in portions(people, is_stranger=lambda _: False):
        _, (new,) = portion.step(longest)
        rows = [insert(batch_key(n), codec.pack_new_batch(batch)) for n, batch in enumerate(new.batches)]
        check_limits("b", [*rows, merge("cursor", codec.pack_cursor(longest), etag="e")])


@pytest.mark.parametrize("text", ["x", "ü", "🔥", '"', "\\", "\x01"])
@pytest.mark.parametrize("number", [1, 7, 200])
def test_every_step_of_a_digest_fits_into_a_transaction(text: str, number: int) -> None:
    own = [Item(title=text * 200, text=text * 1_000, link=text * 2_000, at=1.8e9)] * 20
    letter = compose(own, [], now=0.0)
    assert letter is not None
    people = [
        Recipient(key=f"user!{n}", conversation="c" * 200, service_url="https://smba.test/", letter=pack_letter(letter))
        for n in range(number)
    ]

    for portion in portions(people, is_stranger=lambda _: False):
        _, (new,) = portion.step(Cursor())
        rows = [insert(batch_key(n), codec.pack_new_batch(batch)) for n, batch in enumerate(new.batches)]
        check_limits("b", [*rows, merge("cursor", codec.pack_cursor(Cursor()), etag="e")])
        sizes = [sum(len(piece) for piece in row.values.values() if isinstance(piece, bytes)) for row in rows]
        assert max(sizes) <= BATCH_BYTES + 1_000


def test_a_hundred_recipients_with_very_long_ids_fit_into_their_row_at_every_moment() -> None:
    people = tuple(
        Recipient(
            key=f"user!{n}", conversation="c" * 1_000, member="m" * 1_000, service_url="https://smba.test/" + "u" * 400
        )
        for n in range(100)
    )
    (batch,) = cut(people)
    # Every person got a conversation of 250 characters and is tried again; every message has a long id.
    progress = Progress(
        outcomes="d" * 100,
        notes={n: Note(attempts=99, first_tried_at=1.8e9, due_at=1.8e9, conversation="c" * 250) for n in range(100)},
        activity_ids=dict.fromkeys(range(100), "1" * 250),
    )

    check_limits("b", [insert(batch_key(0), {**codec.pack_new_batch(batch), **codec.pack_progress(progress)})])


def test_ids_of_any_length_can_be_journaled() -> None:
    progress = Progress(outcomes="S" * 100, activity_ids=dict.fromkeys(range(100), "1" * 400))

    check_limits("b", [merge(batch_key(0), codec.pack_progress(progress), etag="e")])
