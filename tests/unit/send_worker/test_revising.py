"""Edits and recalls of what was sent, on twins and in virtual time; and what holds a broadcast, or derives from it."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from messages import parts
from messages.answers import Links
from messages.wishes import Wishes
from send_worker.pipeline import build_pipeline
from shared.domain.broadcasts import PauseReason, unpack_counts
from shared.domain.outcomes import Outcome, State
from shared.domain.revisions import Revised, begin, unpack_revised
from shared.storage import names
from shared.teams.answers import Answer, Verdict
from tests.twins.loop import run_virtually
from tests.twins.teams import MemoryConnector
from tests.twins.world import World

URL = "https://herald.test/api/broadcasts"
PEOPLE = 1_000


def in_a_world(scenario: Callable[[World], Awaitable[None]], *, connector: MemoryConnector | None = None) -> None:
    async def run() -> None:
        world = World(connector=connector)
        try:
            await scenario(world)
        finally:
            await world.stop()

    run_virtually(run())


def wishes(world: World) -> Wishes:
    return parts.wishes(world.app())


async def edit(world: World, broadcast: str, text: str) -> None:
    await wishes(world).edit(broadcast, orjson.dumps({"content": {"text": text}}), url=URL)


async def recall(world: World, broadcast: str) -> None:
    await wishes(world).recall(broadcast, url=URL)


async def report(world: World, broadcast: str) -> dict[str, Any]:
    return await parts.reports(world.app()).broadcast(broadcast, Links(URL))


async def revised(world: World, broadcast: str) -> Counter[Revised]:
    return unpack_revised((await world.app().broadcasts.head(broadcast)).final_revised)


async def begun(world: World, *, seconds: float, instances: int = 2) -> str:
    """A broadcast to everybody that has run for some seconds."""
    await world.install(range(PEOPLE))
    world.start(instances)
    broadcast = await world.accept(everyone=True)
    await asyncio.sleep(seconds)
    return broadcast


def said(world: World) -> Counter[tuple[str, ...]]:
    """What conversations hear, as the texts that stand in each."""
    return Counter(tuple(texts.values()) for texts in world.connector.texts.values())


def test_an_edit_in_mid_broadcast_brings_everybody_the_newest_words_exactly_once() -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=8)
        sent = sum(world.connector.received.values())
        assert 100 < sent < PEOPLE - 100

        await edit(world, broadcast, "Better")
        await world.finished(broadcast)

        assert said(world) == {("Better",): PEOPLE}
        assert set(world.connector.received.values()) == {1}
        assert set(world.connector.revised.values()) == {1}
        assert sum(world.connector.revised.values()) >= sent
        assert world.states(broadcast) == {State.SENT: PEOPLE}
        assert await revised(world, broadcast) == {Revised.EDITED: len(world.connector.revised)}
        assert world.connector.throttled == 0

    in_a_world(scenario)


@pytest.mark.parametrize("seconds", [7.0, 8.0, 9.0, 10.0])
def test_an_edit_in_mid_broadcast_does_not_wait_for_the_sweep(seconds: float) -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=seconds)

        await edit(world, broadcast, "Better")
        await asyncio.sleep(20)

        # The lanes were nudged at once, whatever head the processes knew.
        assert world.connector.revised

    in_a_world(scenario)


@pytest.mark.parametrize("pauses", [(5.0, 5.0), (0.1, 0.1), (30.0, 1.0), (70.0, 70.0)])
def test_of_three_edits_the_newest_wins(pauses: tuple[float, float]) -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=6)

        for text, pause in zip(("One", "Two", "Three"), (*pauses, 0.0), strict=True):
            await edit(world, broadcast, text)
            await asyncio.sleep(pause)
        await world.finished(broadcast)

        assert said(world) == {("Three",): PEOPLE}
        assert set(world.connector.received.values()) == {1}
        assert (await report(world, broadcast))["revision"]["number"] == 3

    in_a_world(scenario)


def test_an_edit_overtaken_by_a_recall_leaves_nothing() -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=6)

        await edit(world, broadcast, "Better")
        await asyncio.sleep(65)
        await recall(world, broadcast)
        await world.finished(broadcast)

        assert set(said(world)) == {()}

    in_a_world(scenario)


def test_a_recall_stops_sending_and_takes_back_all_that_was_sent() -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=8)

        await recall(world, broadcast)
        await asyncio.sleep(5)
        sent = sum(world.connector.received.values())
        await world.finished(broadcast)

        assert sum(world.connector.received.values()) == sent < PEOPLE
        assert said(world) == {(): sent}
        head = await world.app().broadcasts.head(broadcast)
        assert unpack_counts(head.final_outcomes) == {Outcome.SENT: sent, Outcome.CANCELLED: PEOPLE - sent}
        assert await revised(world, broadcast) == {Revised.RECALLED: sent}

    in_a_world(scenario)


def test_a_finished_broadcast_is_open_again_for_an_edit_and_closed_again() -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=0)
        await world.finished(broadcast)
        app = world.app()
        assert not await app.directory.is_open(broadcast)

        await edit(world, broadcast, "Better")
        assert (await app.broadcasts.head(broadcast)).finished_at is None
        assert await app.directory.is_open(broadcast)
        await world.finished(broadcast)
        await asyncio.sleep(1)

        assert said(world) == {("Better",): PEOPLE}
        assert not await app.directory.is_open(broadcast)
        found = await report(world, broadcast)
        assert (found["state"], found["counts"]["sent"]) == ("finished", PEOPLE)
        assert (found["revision"]["kind"], found["revision"]["total"]) == ("edit", PEOPLE)
        assert found["revision"]["counts"]["edited"] == PEOPLE

        await recall(world, broadcast)
        await world.finished(broadcast)
        assert said(world) == {(): PEOPLE}

    in_a_world(scenario)


def test_messages_that_are_gone_are_told_as_such() -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=0)
        await world.finished(broadcast)
        for number in range(30):
            # The person deleted the message.
            world.connector.texts[f"a:{number}"].clear()

        await edit(world, broadcast, "Better")
        await world.finished(broadcast)

        assert await revised(world, broadcast) == {Revised.EDITED: PEOPLE - 30, Revised.ACTIVITY_GONE: 30}
        assert (await world.app().broadcasts.head(broadcast)).paused is None
        assert world.states(broadcast) == {State.SENT: PEOPLE}

    in_a_world(scenario)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(kind=Verdict.THROTTLED, code="Throttled", retry_after=2.0),
        Answer(kind=Verdict.BUSY),
        Answer(kind=Verdict.ANSWER_LOST),
        Answer(kind=Verdict.FAILED_MAYBE),
    ],
    ids=lambda answer: str(answer.kind),
)
def test_an_edit_is_tried_again_after_an_answer_that_is_none(answer: Answer) -> None:
    dice = random.Random(2)

    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=0)
        await world.finished(broadcast)
        world.connector.revise_rule = lambda _whom: answer if dice.random() < 0.08 else None

        await edit(world, broadcast, "Better")
        await world.finished(broadcast)

        assert said(world) == {("Better",): PEOPLE}
        assert await revised(world, broadcast) == {Revised.EDITED: PEOPLE}

    in_a_world(scenario)


def test_one_message_that_is_refused_for_good_is_told_and_harms_nobody_else() -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=0)
        await world.finished(broadcast)
        refused = Answer(kind=Verdict.REJECTED, code="BadSyntax")
        world.connector.revise_rule = lambda whom: refused if whom == "a:7" else None

        await edit(world, broadcast, "Better")
        await world.finished(broadcast)

        assert said(world) == {("Better",): PEOPLE - 1, ("Hello",): 1}
        assert await revised(world, broadcast) == {Revised.EDITED: PEOPLE - 1, Revised.FAILED: 1}

    in_a_world(scenario)


def test_an_edit_that_is_due_much_later_is_woken_by_the_tick() -> None:
    left = [Answer(kind=Verdict.THROTTLED, retry_after=100.0)]

    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=0)
        await world.finished(broadcast)
        world.connector.revise_rule = lambda whom: left.pop() if whom == "a:3" and left else None

        await edit(world, broadcast, "Better")
        await asyncio.sleep(80)
        found = (await report(world, broadcast))["revision"]["counts"]
        assert (found["edited"], found["deferred"]) == (PEOPLE - 1, 1)
        await world.finished(broadcast, within=200)

        assert said(world) == {("Better",): PEOPLE}

    in_a_world(scenario)


@pytest.mark.parametrize("seconds", [0.0, 8.0])
def test_a_kill_in_mid_edit_leaves_nobody_with_the_old_words(seconds: float) -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=seconds, instances=1)
        if not seconds:
            await world.finished(broadcast)

        await edit(world, broadcast, "Better")
        while not world.connector.revised:
            await asyncio.sleep(1)
        await asyncio.sleep(5)
        standing = world.states(broadcast).get(State.SENDING, 0)
        await world.instances.pop().stop()
        assert 0 < len(world.connector.revised) < PEOPLE
        world.start()
        await world.finished(broadcast)

        assert all("Better" in texts.values() for texts in world.connector.texts.values())
        assert len(world.connector.texts) == PEOPLE
        # Only who stood in `sending` may have been sent it twice.
        assert sum(world.connector.received.values()) - PEOPLE <= standing + 100 * bool(seconds)
        assert (await revised(world, broadcast))[Revised.FAILED] == 0

    in_a_world(scenario)


def test_the_report_of_an_edit_adds_up_at_any_moment() -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=8)
        await edit(world, broadcast, "Better")

        for _ in range(30):
            await asyncio.sleep(3.1)
            found = await report(world, broadcast)
            revision = found["revision"]
            assert sum(found["counts"].values()) == found["total"] == PEOPLE
            assert sum(revision["counts"].values()) == revision["total"] <= found["counts"]["sent"]

    in_a_world(scenario)


def test_a_pause_holds_sends_and_edits_until_a_resume() -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=8)
        await edit(world, broadcast, "Better")
        await wishes(world).pause(broadcast, url=URL)
        await asyncio.sleep(10)
        calls = len(world.connector.posted_at)
        await asyncio.sleep(300)
        assert len(world.connector.posted_at) == calls

        await wishes(world).resume(broadcast, url=URL)
        await asyncio.sleep(20)
        assert len(world.connector.posted_at) > calls
        await world.finished(broadcast)

        assert said(world) == {("Better",): PEOPLE}

    in_a_world(scenario)


def test_a_resume_goes_on_at_once_and_nobody_is_lost() -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=5)
        await wishes(world).pause(broadcast, url=URL)
        await asyncio.sleep(120)
        sent = sum(world.connector.received.values())
        assert (await report(world, broadcast))["state"] == "paused"

        await wishes(world).resume(broadcast, url=URL)
        await asyncio.sleep(10)
        assert sum(world.connector.received.values()) > sent + 100
        await world.finished(broadcast)

        assert world.states(broadcast) == {State.SENT: PEOPLE}
        assert set(world.connector.received.values()) == {1}

    in_a_world(scenario)


@pytest.mark.parametrize("reason", [PauseReason.BY_REQUEST, PauseReason.REFUSALS])
def test_a_broadcast_that_stands_still_can_be_taken_back(reason: PauseReason) -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=8)
        assert await world.app().broadcasts.changes.pause(broadcast, reason, at=world.account.now())
        await asyncio.sleep(60)
        sent = sum(world.connector.received.values())

        await recall(world, broadcast)
        await world.finished(broadcast)

        assert said(world) == {(): sent}

    in_a_world(scenario)


def test_a_broadcast_that_is_taken_back_before_it_is_planned_is_closed() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(PEOPLE))
        broadcast = await world.accept(everyone=True)
        await recall(world, broadcast)
        world.start()

        await world.finished(broadcast)

        assert not world.connector.received

    in_a_world(scenario)


def test_what_a_killed_process_may_have_sent_stays_uncertain_when_it_is_taken_back() -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=8.1, instances=1)
        await world.instances.pop().stop()
        standing = world.states(broadcast).get(State.SENDING, 0)
        assert standing

        await recall(world, broadcast)
        world.start()
        await world.finished(broadcast)

        counts = unpack_counts((await world.app().broadcasts.head(broadcast)).final_outcomes)
        assert counts[Outcome.UNCERTAIN] == standing

    in_a_world(scenario)


@pytest.mark.parametrize(
    ("body", "reached"),
    [
        ({"reasons": ["blocked_by_user"]}, 10),
        ({"states": ["undeliverable"]}, 15),
        ({"states": ["undeliverable"], "reasons": ["blocked_by_user"]}, 15),
    ],
)
def test_a_retry_reaches_those_whose_deliveries_ended_so(body: dict[str, Any], reached: int) -> None:
    def rule(whom: str) -> Answer | None:
        number = int(whom.removeprefix("a:"))
        if number < 15:
            return Answer(kind=Verdict.BLOCKED_BY_USER if number < 10 else Verdict.BLOCKED_BY_ADMIN)
        return None

    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=0)
        await world.finished(broadcast)
        world.connector.rule = None

        answer = await wishes(world).retry(broadcast, orjson.dumps(body), key_header=None, url=URL)
        again = str(orjson.loads(answer.body)["id"])
        await world.finished(again)

        assert world.states(again) == {State.SENT: reached}
        assert said(world) == {("Hello",): PEOPLE - 15 + reached}
        assert set(world.connector.received.values()) == {1}

    in_a_world(scenario, connector=MemoryConnector(rule=rule))


def test_a_retry_of_a_cancelled_broadcast_reaches_whom_it_did_not() -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=8)
        await world.app().broadcasts.changes.cancel(broadcast, at=world.account.now())
        await world.finished(broadcast)
        sent = sum(world.connector.received.values())

        body = orjson.dumps({"states": ["cancelled"]})
        answer = await wishes(world).retry(broadcast, body, key_header=None, url=URL)
        again = str(orjson.loads(answer.body)["id"])
        await world.finished(again)

        assert world.states(again) == {State.SENT: PEOPLE - sent}
        assert set(world.connector.received.values()) == {1}
        assert len(world.connector.received) == PEOPLE

    in_a_world(scenario)


def test_nudges_do_not_breed_by_edits() -> None:
    async def scenario(world: World) -> None:
        broadcast = await begun(world, seconds=8)
        sends = world.account.queue(names.SEND_QUEUE)
        put, puts = sends.put, 0

        async def counted(body: bytes, *, delay: float = 0) -> None:
            nonlocal puts
            puts += 1
            await put(body, delay=delay)

        sends.put = counted  # type: ignore[method-assign]
        await edit(world, broadcast, "Better")
        await world.finished(broadcast)

        assert puts < 100

    in_a_world(scenario)


def test_who_knows_an_older_head_leaves_a_batch_of_a_later_revision_alone() -> None:
    async def scenario(world: World) -> None:
        await world.install(range(3))
        world.start()
        broadcast = await world.accept(users=range(3))
        await world.finished(broadcast)
        await world.instances.pop().stop()
        store, late = world.app().broadcasts, build_pipeline(world.app()).sender
        await late.handle(broadcast, 0)

        await edit(world, broadcast, "Better")
        batch = await store.batch(broadcast, 0)
        assert batch is not None
        # Another process began the revision, and gave the batch back.
        await store.write_batch(broadcast, batch, begin(batch.progress, 1), writer="w", writes=1, settle=True)
        await late.handle(broadcast, 0)
        world.start()
        await world.finished(broadcast)

        assert said(world) == {("Better",): 3}

    in_a_world(scenario)
