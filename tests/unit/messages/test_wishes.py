"""An author's wishes for a broadcast that exists: what each of them answers, and what it leaves in the tables."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any

import orjson
import pytest

from messages.answers import Answer
from messages.problems import answering
from messages.wishes import TRIES, Wishes
from shared.domain.audience import Source, unpack_audience
from shared.domain.batches import Progress
from shared.domain.broadcasts import DeliveryMode, PauseReason, Priority
from shared.domain.outcomes import Outcome
from shared.envelopes import Nudge, unpack_nudge
from shared.errors import StorageUnavailable
from shared.storage.broadcast_keys import HEAD
from shared.storage.names import BROADCASTS
from shared.storage.rows import merge
from tests.twins.accepting import ALICE, CHANNEL, TENANT, House, a_document, as_json, user
from tests.twins.storage import Call, Moment, fail_once, yielding

URL = "https://herald.test/api/broadcasts"
UNKNOWN = "0123456789abcdefghjk"
OTHER_TENANT = "3e8f2a64-8a0a-4a39-9b8f-6a1f1c0b5d77"


class Desk:
    """An author's desk in a house."""

    def __init__(self, *, tenants: Sequence[str] = (TENANT,)) -> None:
        self.house = House(tenants=tenants)
        keys = count(1)
        self.wishes = Wishes(
            broadcasts=self.house.broadcasts,
            directory=self.house.directory,
            acceptance=self.house.acceptance,
            reports=self.house.reports,
            nudging=self.house.nudging,
            passing_on=self.house.passing_on,
            clock=self.house.account.clock,
            new_key=lambda: f"made-{next(keys)}",
        )

    async def create(self, **changes: Any) -> Answer:
        """Post a broadcast."""
        return await answering(self.house.api.create(as_json(a_document(**changes)), key_header=None, url=URL))

    async def accepted(self, **changes: Any) -> str:
        """The id of a broadcast that was accepted; the nudges for it are gone."""
        broadcast_id = str(read(await self.create(**changes))["id"])
        self.house.now += 1
        self.nudges()
        return broadcast_id

    async def sent(self, broadcast_id: str, outcomes: str) -> None:
        """Write what a sender would."""
        batch = await self.house.broadcasts.batch(broadcast_id, 0)
        assert batch is not None
        ids = {position: f"1:{position}" for position, one in enumerate(outcomes) if one == Outcome.SENT.value}
        progress = Progress(outcomes=outcomes, activity_ids=ids, placed=False)
        await self.house.broadcasts.write_batch(broadcast_id, batch, progress, writer="w", writes=1, settle=True)

    async def finish(self, broadcast_id: str, *, sums: str = "S1") -> None:
        """Close it as the planner would."""
        await self.house.broadcasts.changes.finish(
            broadcast_id, at=self.house.now, sums=sums, revised_sums="", revision=0
        )
        await self.house.directory.close(broadcast_id)

    def nudges(self) -> list[Nudge]:
        """What was nudged since the last look, also what comes a little later."""
        bodies = [message.body for queue in (self.house.sends, self.house.plans) for message in queue.messages]
        self.house.sends.messages.clear()
        self.house.plans.messages.clear()
        return [unpack_nudge(body) for body in bodies]

    async def pause(self, broadcast_id: str) -> Answer:
        """Wish for a pause."""
        return await answering(self.wishes.pause(broadcast_id, url=URL))

    async def resume(self, broadcast_id: str) -> Answer:
        """Wish that it goes on."""
        return await answering(self.wishes.resume(broadcast_id, url=URL))

    async def retry(self, broadcast_id: str, document: object, *, header: str | None = None) -> Answer:
        """Wish that some get it again."""
        body = document if isinstance(document, bytes) else as_json(document)
        return await answering(self.wishes.retry(broadcast_id, body, key_header=header, url=URL))

    async def edit(self, broadcast_id: str, document: object = None) -> Answer:
        """Wish for other words."""
        given = {"content": {"text": "Better"}} if document is None else document
        body = given if isinstance(given, bytes) else as_json(given)
        return await answering(self.wishes.edit(broadcast_id, body, url=URL))

    async def recall(self, broadcast_id: str) -> Answer:
        """Wish that it was never sent."""
        return await answering(self.wishes.recall(broadcast_id, url=URL))


Wish = Callable[[Desk, str], Awaitable[Answer]]
WISHES: dict[str, Wish] = {
    "pause": Desk.pause,
    "resume": Desk.resume,
    "retry": lambda desk, broadcast_id: desk.retry(broadcast_id, {"states": ["sent"]}),
    "edit": lambda desk, broadcast_id: desk.edit(broadcast_id),
    "recall": Desk.recall,
}


def read(answer: Answer) -> dict[str, Any]:
    """The JSON of an answer."""
    found: dict[str, Any] = orjson.loads(answer.body)
    return found


def pointers(answer: Answer) -> list[str]:
    """The places of its faults."""
    return [error["pointer"] for error in read(answer)["errors"]]


def kind(answer: Answer) -> str:
    """The kind of its problem."""
    return str(read(answer)["type"]).removeprefix("urn:herald:problem:")


@pytest.fixture
def desk() -> Desk:
    """A desk."""
    return Desk()


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("broadcast_id", ["", "nothing", UNKNOWN, "a#b", "../x"])
async def test_a_wish_for_what_is_not_there_is_not_found(desk: Desk, wish: str, broadcast_id: str) -> None:
    answer = await WISHES[wish](desk, broadcast_id)

    assert (answer.status, kind(answer)) == (404, "not-found")
    assert not desk.nudges()


@pytest.mark.parametrize("wish", WISHES)
async def test_a_wish_that_storage_fails_may_come_again(desk: Desk, wish: str) -> None:
    broadcast_id = await desk.accepted()
    desk.house.account.use_hook(fail_once(StorageUnavailable("gone"), moment=Moment.BEFORE, verb="get"))

    answer = await WISHES[wish](desk, broadcast_id)

    assert (answer.status, kind(answer)) == (503, "storage-unavailable")


async def test_a_pause_is_accepted_then_confirmed_and_changes_no_time(desk: Desk) -> None:
    broadcast_id = await desk.accepted()

    first = await desk.pause(broadcast_id)
    paused_at = (await desk.house.broadcasts.head(broadcast_id)).paused_at
    desk.house.now += 5
    again = await desk.pause(broadcast_id)

    assert (first.status, again.status) == (202, 200)
    assert first.headers["Location"] == f"{URL}/{broadcast_id}"
    assert (read(first)["state"], read(first)["paused_for"]) == ("paused", "by_request")
    assert read(first)["counts"]["pending"] == 1
    assert (await desk.house.broadcasts.head(broadcast_id)).paused_at == paused_at
    assert not desk.nudges()


@pytest.mark.parametrize("reason", [PauseReason.BLOCKED_AUTH, PauseReason.MESSAGE_REJECTED, PauseReason.REFUSALS])
async def test_a_persons_pause_takes_the_place_of_any_other(desk: Desk, reason: PauseReason) -> None:
    broadcast_id = await desk.accepted()
    await desk.house.broadcasts.changes.pause(broadcast_id, reason, at=desk.house.now)

    answer = await desk.pause(broadcast_id)

    assert (answer.status, read(answer)["paused_for"]) == (202, "by_request")


async def test_a_resumed_broadcast_is_nudged_and_goes_on(desk: Desk) -> None:
    broadcast_id = await desk.accepted()
    await desk.pause(broadcast_id)

    first = await desk.resume(broadcast_id)
    nudges = desk.nudges()
    again = await desk.resume(broadcast_id)

    assert (first.status, again.status) == (202, 200)
    assert (read(first)["state"], read(first)["paused_for"]) == ("sending", None)
    assert nudges == [Nudge(broadcast=broadcast_id, batch=0), Nudge(broadcast=broadcast_id)]
    assert not desk.nudges()


@pytest.mark.parametrize("reason", PauseReason)
async def test_a_broadcast_is_resumed_whatever_it_was_held_for(desk: Desk, reason: PauseReason) -> None:
    broadcast_id = await desk.accepted()
    await desk.house.broadcasts.changes.pause(broadcast_id, reason, at=desk.house.now)

    answer = await desk.resume(broadcast_id)

    assert answer.status == 202
    assert (await desk.house.broadcasts.head(broadcast_id)).paused is None


async def test_who_resumes_after_refusals_has_seen_them(desk: Desk) -> None:
    broadcast_id = await desk.accepted()
    await desk.house.broadcasts.changes.pause(broadcast_id, PauseReason.REFUSALS, at=desk.house.now)

    await desk.resume(broadcast_id)

    assert (await desk.house.broadcasts.head(broadcast_id)).refusals_seen


@pytest.mark.parametrize(
    ("wish", "end"),
    [
        ("pause", "finished"),
        ("pause", "cancelled"),
        ("pause", "expired"),
        # What was stopped may still have to be revised, so it may be let go on until it is closed.
        ("resume", "finished"),
    ],
)
async def test_what_has_ended_is_neither_held_nor_let_go(desk: Desk, wish: str, end: str) -> None:
    broadcast_id = await desk.accepted(options={"expires_after": "PT1H"} if end == "expired" else None)
    if end == "finished":
        await desk.finish(broadcast_id)
    elif end == "cancelled":
        await desk.house.api.cancel(broadcast_id, url=URL)
    else:
        desk.house.now += 3_600

    answer = await WISHES[wish](desk, broadcast_id)

    assert (answer.status, kind(answer)) == (409, "broadcast-ended")
    assert (read(answer)["broadcast"], read(answer)["state"]) == (broadcast_id, end)


async def test_a_retry_is_a_broadcast_of_its_own_with_the_same_message(desk: Desk) -> None:
    options = {"delivery": "at_most_once", "priority": "urgent", "expires_after": "PT1H"}
    first = await desk.accepted(options=options)

    answer = await desk.retry(first, {"key": "again", "states": ["uncertain"], "reasons": ["service_error"]})

    found = read(answer)
    retry = await desk.house.broadcasts.head(found["id"])
    audience = unpack_audience(await desk.house.broadcasts.audience(retry.id))
    assert (answer.status, answer.headers["Location"]) == (202, f"{URL}/{retry.id}")
    assert (retry.id != first, found["key"], found["state"]) == (True, "again", "accepted")
    assert (retry.delivery, retry.priority) == (DeliveryMode.AT_MOST_ONCE, Priority.URGENT)
    assert retry.expires_at is None
    assert audience.derived is not None
    assert (audience.derived.broadcast, audience.derived.outcomes) == (first, "U8")
    assert await desk.house.broadcasts.content(retry.id) == await desk.house.broadcasts.content(first)
    assert desk.nudges() == [Nudge(broadcast=retry.id)]


async def test_a_retry_with_the_same_key_is_the_same_broadcast(desk: Desk) -> None:
    first = await desk.accepted()
    wish = {"key": "again", "states": ["undeliverable", "expired"]}

    answers = [await desk.retry(first, wish) for _ in range(2)]
    turned = await desk.retry(first, {**wish, "states": wish["states"][::-1]})
    other = await desk.retry(first, {**wish, "states": ["expired"]})

    assert len({read(answer)["id"] for answer in (*answers, turned)}) == 1
    assert (other.status, kind(other), pointers(other)) == (409, "key-reused", ["/key"])
    assert read(other)["broadcast"] == read(answers[0])["id"]


async def test_the_header_is_the_key_of_a_retry_that_brings_none(desk: Desk) -> None:
    first = await desk.accepted()

    answers = [await desk.retry(first, {"states": ["expired"]}, header="from-header") for _ in range(2)]

    assert {read(answer)["key"] for answer in answers} == {"from-header"}
    assert len({read(answer)["id"] for answer in answers}) == 1


async def test_a_retry_without_a_key_is_a_new_broadcast_each_time(desk: Desk) -> None:
    first = await desk.accepted()

    answers = [await desk.retry(first, {"states": ["expired"]}) for _ in range(2)]

    assert len({read(answer)["id"] for answer in answers}) == 2


async def test_a_retry_takes_the_key_of_its_source_as_used(desk: Desk) -> None:
    first = await desk.accepted(key="news")

    answer = await desk.retry(first, {"key": "news", "states": ["expired"]})

    assert (answer.status, read(answer)["broadcast"]) == (409, first)


@pytest.mark.parametrize("recalled", [False, True])
async def test_a_retry_has_the_newest_words(desk: Desk, recalled: bool) -> None:
    first = await desk.accepted()
    await desk.edit(first)
    if recalled:
        await desk.recall(first)

    answer = await desk.retry(first, {"states": ["cancelled"]})

    words = await desk.house.broadcasts.content(read(answer)["id"])
    assert words == await desk.house.broadcasts.content(first, 1)
    assert b"Better" in words


@pytest.mark.parametrize(
    ("document", "places"),
    [
        ({}, [""]),
        ({"states": [], "reasons": None}, [""]),
        ({"states": ["gone"]}, ["/states/0"]),
        ({"states": ["pending"]}, ["/states/0"]),
        ({"states": "sent"}, ["/states"]),
        ({"reasons": ["not_installed", "bad luck"]}, ["/reasons/1"]),
        ({"states": ["sent"], "key": ""}, ["/key"]),
        ({"states": ["sent"], "key": "k" * 201}, ["/key"]),
        ({"states": ["sent"], "key": "clock!0!2026-06-01T07:00:00Z"}, ["/key"]),
        ({"states": ["sent"], "content": {"text": "Hello"}}, ["/content"]),
        ({"state": ["sent"], "reasons": [7]}, ["/reasons/0", "/state"]),
    ],
)
async def test_a_fault_of_a_retry_is_named_by_its_pointer(desk: Desk, document: object, places: list[str]) -> None:
    answer = await desk.retry(await desk.accepted(), document)

    assert (answer.status, kind(answer)) == (422, "invalid-request")
    assert sorted(pointers(answer)) == places
    assert len(desk.house.heads) == 1


@pytest.mark.parametrize("wish", [Desk.retry, Desk.edit])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
async def test_a_body_that_is_no_json_object_is_malformed(
    desk: Desk, wish: Callable[[Desk, str, object], Awaitable[Answer]], body: bytes
) -> None:
    answer = await wish(desk, await desk.accepted(), body)

    assert (answer.status, kind(answer), pointers(answer)) == (400, "malformed-body", [""])


async def test_an_audience_may_come_from_another_broadcast_and_from_elsewhere(desk: Desk) -> None:
    first = await desk.accepted(key="first")
    chosen = {"from": first, "states": ["sent"], "reasons": ["conversation_gone"], "users": [user(1)]}

    answer = await desk.create(key="second", audience=chosen)

    audience = unpack_audience(await desk.house.broadcasts.audience(read(answer)["id"]))
    assert answer.status == 202
    assert audience.sources == (Source.USERS, Source.DERIVED_USERS, Source.DERIVED_CONVERSATIONS)
    assert audience.derived is not None
    assert set(audience.derived.outcomes) == {Outcome.SENT.value, Outcome.CONVERSATION_GONE.value}


async def test_a_state_stands_for_all_of_its_reasons(desk: Desk) -> None:
    first = await desk.accepted(key="first")

    answer = await desk.create(key="second", audience={"from": first, "states": ["undeliverable"]})

    audience = unpack_audience(await desk.house.broadcasts.audience(read(answer)["id"]))
    assert audience.derived is not None
    assert audience.derived.outcomes == "0123456789"


@pytest.mark.parametrize(
    ("audience", "places"),
    [
        ({"from": UNKNOWN}, ["/audience/from"]),
        ({"from": UNKNOWN, "states": [], "reasons": []}, ["/audience/from"]),
        ({"users": [ALICE], "states": ["sent"]}, ["/audience/states"]),
        ({"users": [ALICE], "reasons": ["service_error"]}, ["/audience/reasons"]),
        ({"from": "somewhere else", "states": ["sent"]}, ["/audience/from"]),
        ({"from": UNKNOWN.upper(), "states": ["sent"]}, ["/audience/from"]),
        ({"from": 7, "states": ["sent"]}, ["/audience/from"]),
        ({"from": UNKNOWN, "states": ["pending"]}, ["/audience/states/0"]),
        ({"from": UNKNOWN, "reasons": ["bad luck"]}, ["/audience/reasons/0"]),
        ({"from": UNKNOWN, "states": ["sent"]}, ["/audience/from"]),
    ],
)
async def test_a_fault_of_a_derived_audience_is_named_by_its_pointer(
    desk: Desk, audience: dict[str, Any], places: list[str]
) -> None:
    answer = await desk.create(audience=audience)

    assert (answer.status, kind(answer), pointers(answer)) == (422, "invalid-request", places)
    assert not desk.house.heads


async def test_another_tenants_broadcast_is_as_unknown_as_one_that_is_not_there() -> None:
    desk = Desk(tenants=(TENANT, OTHER_TENANT))
    first = await desk.accepted(tenant=OTHER_TENANT)

    foreign = await desk.create(audience={"from": first, "states": ["sent"]})
    unknown = await desk.create(audience={"from": UNKNOWN, "states": ["sent"]})

    assert (foreign.status, foreign.body) == (unknown.status, unknown.body)
    assert (foreign.status, pointers(foreign)) == (422, ["/audience/from"])
    assert (await desk.create(tenant=OTHER_TENANT, key="b", audience={"from": first, "states": ["sent"]})).status == 202


async def test_an_edit_begins_a_revision_with_its_words_and_nudges(desk: Desk) -> None:
    broadcast_id = await desk.accepted(audience={"users": [ALICE, user(1)], "channels": [CHANNEL]})
    await desk.sent(broadcast_id, "SSp")

    answer = await desk.edit(broadcast_id)

    found = read(answer)
    counts = dict.fromkeys(["deferred", "edited", "recalled", "activity_gone", "failed"], 0)
    assert (answer.status, answer.headers["Location"]) == (202, f"{URL}/{broadcast_id}")
    assert found["revision"] == {"number": 1, "kind": "edit", "total": 2, "counts": {"pending": 2, **counts}}
    assert (found["counts"]["sent"], found["counts"]["pending"]) == (2, 1)
    assert b"Better" in await desk.house.broadcasts.content(broadcast_id, 1)
    assert b"Hello" in await desk.house.broadcasts.content(broadcast_id)
    assert desk.nudges() == [Nudge(broadcast=broadcast_id, batch=0), Nudge(broadcast=broadcast_id)]


async def test_edits_are_numbered_and_the_newest_is_told(desk: Desk) -> None:
    broadcast_id = await desk.accepted()

    numbers = [read(await desk.edit(broadcast_id))["revision"]["number"] for _ in range(3)]

    assert numbers == [1, 2, 3]


@pytest.mark.parametrize("wish", ["edit", "recall"])
async def test_a_finished_broadcast_is_open_again_and_before_the_sweeps_eyes(desk: Desk, wish: str) -> None:
    broadcast_id = await desk.accepted()
    await desk.sent(broadcast_id, "S")
    await desk.finish(broadcast_id)
    assert not await desk.house.open()

    answer = await WISHES[wish](desk, broadcast_id)

    assert answer.status == 202
    assert (read(answer)["state"], read(answer)["finished_at"]) == ("sending", None)
    assert (read(answer)["counts"]["sent"], read(answer)["cancelled_at"]) == (1, None)
    assert await desk.house.open() == [broadcast_id]


async def test_a_recall_cancels_what_was_not_sent_and_leaves_the_first_outcomes(desk: Desk) -> None:
    broadcast_id = await desk.accepted(audience={"users": [ALICE, user(1)]})
    await desk.sent(broadcast_id, "Sp")

    answer = await desk.recall(broadcast_id)
    desk.house.now += 10
    later = read(await desk.house.api.get(broadcast_id, url=URL))

    assert (answer.status, read(answer)["state"]) == (202, "cancelled")
    assert (later["counts"]["sent"], later["counts"]["cancelled"]) == (1, 1)
    assert (later["revision"]["kind"], later["revision"]["total"]) == ("recall", 1)
    assert (await desk.house.broadcasts.head(broadcast_id)).recalled


@pytest.mark.parametrize("wish", ["edit", "recall"])
async def test_what_was_recalled_can_be_revised_no_more(desk: Desk, wish: str) -> None:
    broadcast_id = await desk.accepted()
    await desk.recall(broadcast_id)
    desk.nudges()

    answer = await WISHES[wish](desk, broadcast_id)

    assert (answer.status, kind(answer), read(answer)["broadcast"]) == (409, "broadcast-recalled", broadcast_id)
    assert (await desk.house.broadcasts.head(broadcast_id)).revision == 1
    assert not desk.nudges()


@pytest.mark.parametrize("wish", ["edit", "retry"])
async def test_a_digest_can_be_neither_edited_nor_sent_again(desk: Desk, wish: str) -> None:
    broadcast_id = await desk.accepted()
    await desk.house.account.table(BROADCASTS).write(broadcast_id, [merge(HEAD, {"digest": "daily"})])

    answer = await WISHES[wish](desk, broadcast_id)

    assert (answer.status, kind(answer), read(answer)["broadcast"]) == (409, "is-digest", broadcast_id)
    assert "'daily'" in read(answer)["detail"]
    assert (await desk.house.broadcasts.head(broadcast_id)).revision == 0
    assert not desk.nudges()


async def test_a_digest_can_be_recalled(desk: Desk) -> None:
    broadcast_id = await desk.accepted()
    await desk.house.account.table(BROADCASTS).write(broadcast_id, [merge(HEAD, {"digest": "daily"})])

    answer = await desk.recall(broadcast_id)

    assert answer.status == 202
    assert (await desk.house.broadcasts.head(broadcast_id)).recalled


@pytest.mark.parametrize(
    ("document", "places"),
    [
        ({}, ["/content"]),
        ({"content": None}, ["/content"]),
        ({"content": {}}, ["/content"]),
        ({"content": {"text": "a", "card": {"type": "AdaptiveCard", "version": "1.5"}}}, ["/content"]),
        ({"content": {"text": " "}}, ["/content/text"]),
        ({"content": {"text": "x" * 41_000}}, ["/content/text"]),
        ({"content": {"card": {"type": "Card"}}}, ["/content/card/type", "/content/card/version"]),
        ({"content": {"text": "a"}, "audience": {"users": [ALICE]}}, ["/audience"]),
        ({"content": {"text": "a", "txt": "b"}, "key": "k"}, ["/content/txt", "/key"]),
    ],
)
async def test_a_fault_of_an_edit_is_named_by_its_pointer(desk: Desk, document: object, places: list[str]) -> None:
    broadcast_id = await desk.accepted()

    answer = await desk.edit(broadcast_id, document)

    assert (answer.status, kind(answer), pointers(answer)) == (422, "invalid-request", places)
    assert (await desk.house.broadcasts.head(broadcast_id)).revision == 0


async def test_an_edit_may_be_of_another_kind_than_what_was_sent(desk: Desk) -> None:
    broadcast_id = await desk.accepted()
    card = {"type": "AdaptiveCard", "version": "1.5", "body": []}

    answer = await desk.edit(broadcast_id, {"content": {"card": card, "summary": "News"}})

    assert answer.status == 202
    assert b"AdaptiveCard" in await desk.house.broadcasts.content(broadcast_id, 1)


async def test_edits_that_meet_are_numbered_one_after_the_other(desk: Desk) -> None:
    broadcast_id = await desk.accepted()

    async def others_are_faster(call: Call) -> None:
        if call.verb == "write" and call.store == BROADCASTS and call.moment is Moment.BEFORE:
            desk.house.account.use_hook(yielding)
            await desk.edit(broadcast_id, {"content": {"text": "Theirs"}})

    desk.house.account.use_hook(others_are_faster)

    answer = await desk.edit(broadcast_id, {"content": {"text": "Ours"}})

    assert (answer.status, read(answer)["revision"]["number"]) == (202, 2)
    assert b"Ours" in await desk.house.broadcasts.content(broadcast_id, 2)


async def test_who_loses_to_other_edits_again_and_again_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    broadcast_id = await desk.accepted()
    tries = 0

    async def never(*_: object, **__: object) -> bool:
        nonlocal tries
        tries += 1
        return False

    monkeypatch.setattr(desk.house.broadcasts.changes, "revise", never)

    answer = await desk.edit(broadcast_id)

    assert (answer.status, kind(answer), tries) == (409, "edited-meanwhile", TRIES)
