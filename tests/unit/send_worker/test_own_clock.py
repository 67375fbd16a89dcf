"""A moment on each recipient's own clock: everybody once, when their own clock shows it, and one author over all."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from messages import parts
from messages.problems import Problem
from send_worker.children import CHILD_AHEAD
from send_worker.pipeline import build_pipeline
from shared.domain.broadcasts import DeliveryMode, PauseReason, Priority
from shared.domain.modes import Mode
from shared.domain.own_clocks import OwnClock
from shared.errors import InvalidRequest
from shared.storage import names
from shared.teams.answers import Answer, Verdict
from tests.twins.graph import MemoryGraph, refusal
from tests.twins.own_clock import (
    BERLIN,
    HOUR,
    LONDON,
    NEAR,
    NINE,
    NOON,
    ST_JOHNS,
    URL,
    Ledger,
    accept,
    children,
    deliveries_of,
    now,
    read,
    settle_in,
    spread,
    until,
    wish,
)
from tests.twins.storage import Call, Moment
from tests.twins.world import World, in_a_world, object_id


def test_everybody_is_sent_to_once_when_their_own_clock_shows_it() -> None:
    async def scenario(world: World) -> None:
        ledger, zone_of = Ledger(world), spread(200)
        await settle_in(world, zone_of)
        world.start(2)

        parent = await accept(world)
        await world.finished(parent, within=40 * HOUR)

        ledger.assert_each_once(zone_of)
        report = await world.report(parent)
        assert (report["state"], report["total"], report["counts"]["sent"]) == ("finished", 200, 200)
        assert report["clock"]["guessed"] == 0
        assert [one["people"] for one in report["clock"]["moments"]] == [20] * 10
        assert {one["state"] for one in report["clock"]["moments"]} == {"finished"}
        assert [one["broadcast"] for one in report["clock"]["moments"]] == await children(world, parent)
        assert await world.app().directory.open_broadcasts() == []

    in_a_world(scenario)


def test_who_has_told_no_zone_gets_it_by_the_default_and_is_counted() -> None:
    async def scenario(world: World) -> None:
        ledger = Ledger(world)
        told = {0: "", 1: "Customized Time Zone", 2: "W. Europe Standard Time", 3: "America/St_Johns", 4: "Nonsense"}
        await settle_in(world, told)
        world.start()

        parent = await accept(world, NOON, "Europe/London", conversations=["channel!19:one@thread.tacv2"])
        await world.finished(parent, within=10 * HOUR)

        meant = {0: "Europe/London", 1: "Europe/London", 2: "Europe/Berlin", 3: "America/St_Johns", 4: "Europe/London"}
        [at] = ledger.instants.pop("19:one@thread.tacv2")
        assert 0 <= at - LONDON <= 30
        ledger.assert_each_once(meant, at=NOON)
        clock = (await world.report(parent))["clock"]
        assert clock["guessed"] == 3
        assert [one["people"] for one in clock["moments"]] == [1, 4, 1]
        assert (clock["at"], clock["default_zone"]) == ("2027-01-15T12:00:00", "Europe/London")

    in_a_world(scenario)


def test_whose_zone_teams_did_not_tell_is_asked_of_the_mailbox() -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        ledger = Ledger(world)
        await settle_in(world, {0: "Europe/London", 1: "", 2: "", 3: ""})
        world.start()

        parent = await accept(world, NOON, "America/St_Johns")
        await world.finished(parent, within=10 * HOUR)

        meant = {0: "Europe/London", 1: "Europe/Berlin", 2: "Europe/London", 3: "America/St_Johns"}
        ledger.assert_each_once(meant, at=NOON)
        assert (await world.report(parent))["clock"]["guessed"] == 1
        assert world.graph.requests["GET mailboxSettings"] == 3

    graph = MemoryGraph()
    graph.mailbox_zones = {object_id(1): "W. Europe Standard Time", object_id(2): "GMT Standard Time"}
    in_a_world(scenario, graph=graph)


@pytest.mark.parametrize(("minutes", "guessed"), [(5, 0), (90, 2)])
def test_a_split_waits_a_while_for_mailboxes_and_then_guesses(minutes: int, guessed: int) -> None:
    async def scenario(world: World) -> None:
        assert world.graph is not None
        away = now() + minutes * 60
        world.graph.rule = lambda *_: refusal(503, "ServiceUnavailable") if now() < away else None
        ledger = Ledger(world)
        await settle_in(world, {0: "Europe/London", 1: "", 2: ""})
        world.start()

        parent = await accept(world, NOON, "America/St_Johns")
        await asyncio.sleep(120)
        waiting = await world.report(parent)
        await world.finished(parent, within=10 * HOUR)

        assert (waiting["plan_waits_for"], waiting["planned"]) == ("directory", False)
        assert (await world.report(parent))["clock"]["guessed"] == guessed
        second = "America/St_Johns" if guessed else "Europe/Berlin"
        ledger.assert_each_once({0: "Europe/London", 1: second, 2: second}, at=NOON)

    graph = MemoryGraph()
    graph.mailbox_zones = {object_id(1): "Europe/Berlin", object_id(2): "Europe/Berlin"}
    in_a_world(scenario, graph=graph)


def test_whose_moment_has_passed_is_sent_to_at_once_and_the_others_in_time() -> None:
    async def scenario(world: World) -> None:
        ledger, zone_of = Ledger(world), {0: "Pacific/Kiritimati", 1: "Asia/Tokyo", 2: "Europe/Berlin"}
        await settle_in(world, zone_of)
        world.start()
        begin = now()

        parent = await accept(world, NOON)
        await asyncio.sleep(60)
        early = dict(ledger.instants)
        report = await world.report(parent)
        await world.finished(parent, within=10 * HOUR)

        assert early.keys() == {"a:0", "a:1"}
        assert max(at for got in early.values() for at in got) <= begin + 30
        assert (report["state"], report["counts"]["sent"], report["counts"]["pending"]) == ("sending", 2, 1)
        [late] = ledger.instants["a:2"]
        assert 0 <= late - BERLIN <= 30

    in_a_world(scenario)


def test_a_moment_that_is_over_on_every_clock_is_refused() -> None:
    async def scenario(world: World) -> None:
        over = datetime.fromtimestamp(now(), UTC).replace(tzinfo=None) - timedelta(hours=13, minutes=1)

        with pytest.raises(InvalidRequest) as refused:
            await accept(world, over, key="over")
        await accept(world, over + timedelta(minutes=2), key="just not")

        assert [fault.pointer for fault in refused.value.faults] == ["/send/at"]

    in_a_world(scenario)


def test_a_parent_sleeps_until_two_hours_before_the_first_clock_can_show_it() -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, {0: "Europe/Berlin"})
        world.start()

        parent = await accept(world)
        first = OwnClock(at=NINE, default_zone="").first
        await until(first - 2 * HOUR - 120)
        asleep, in_sight = await world.report(parent), await world.app().directory.open_broadcasts()
        await until(first - 2 * HOUR + 120)
        split = await world.report(parent)

        assert (asleep["state"], asleep["planned"], in_sight) == ("scheduled", False, [])
        assert (split["state"], split["planned"], split["total"]) == ("scheduled", True, 1)
        assert split["starts_at"] == "2027-01-16T08:00:00.000Z"
        [moment] = split["clock"]["moments"]
        assert moment == {"at": "2027-01-16T08:00:00.000Z", "people": 1, "broadcast": None, "state": "scheduled"}

    in_a_world(scenario)


def test_a_child_is_accepted_when_it_is_due_to_be_planned_and_has_what_its_parent_has() -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, spread(6, NEAR))
        world.start()
        options = {"delivery": DeliveryMode.AT_MOST_ONCE, "priority": Priority.URGENT, "mode": Mode.SANDBOX}

        parent = await accept(world, NOON, expires_after=timedelta(hours=4), **options)
        await until(BERLIN - CHILD_AHEAD - 5)
        before = await children(world, parent)
        await until(BERLIN - CHILD_AHEAD + 5)
        [child] = await children(world, parent)

        assert before == []
        head, own = await world.app().broadcasts.head(child), await world.app().broadcasts.head(parent)
        assert (head.delivery, head.priority, head.mode) == tuple(options.values())
        assert (head.parent, head.starts_at, head.expires_at) == (parent, BERLIN, BERLIN + 4 * HOUR)
        assert (own.expires_at, own.expires_after) == (None, 4 * HOUR)
        assert (await world.report(child))["parent"] == parent
        await world.finished(parent, within=10 * HOUR)
        assert (await world.report(parent))["counts"]["sent"] == 6
        assert world.posts() == 0

    in_a_world(scenario)


@pytest.mark.parametrize("what", ["cancel", "recall"])
@pytest.mark.parametrize("hours", [0.1, 1.2, 2.9, 3.2, 6.5])
def test_a_stop_holds_for_every_moment_that_is_still_to_come(what: str, hours: float) -> None:
    async def scenario(world: World) -> None:
        ledger = Ledger(world)
        await settle_in(world, spread(9, NEAR))
        world.start()
        parent = await accept(world, NOON)
        await asyncio.sleep(hours * HOUR)
        before = sum(len(got) for got in ledger.instants.values())

        await wish(world, what, parent)
        # A child that is planned already goes through its recall when its moment comes.
        await world.finished(parent, within=900)
        report = await world.report(parent)
        made = await children(world, parent)
        await until(ST_JOHNS + HOUR)

        assert before == 3 * (hours > 3) + 3 * (hours > 4)
        assert sum(len(got) for got in ledger.instants.values()) == before
        assert report["state"] == "cancelled"
        assert (report["counts"]["sent"], report["counts"]["cancelled"]) == (before, 9 - before)
        assert await children(world, parent) == made
        texts = [text for said in world.connector.texts.values() for text in said.values()]
        assert len(texts) == (0 if what == "recall" else before)
        assert await world.app().directory.open_broadcasts() == []

    in_a_world(scenario)


@pytest.mark.parametrize("hours", [0.1, 2.6, 3.2, 6.99, 9.0])
def test_an_edit_reaches_who_was_sent_to_and_whose_moment_is_still_to_come(hours: float) -> None:
    async def scenario(world: World) -> None:
        ledger, zone_of = Ledger(world), spread(9, NEAR)
        await settle_in(world, zone_of)
        world.start()
        parent = await accept(world, NOON)
        await asyncio.sleep(hours * HOUR)

        await wish(world, "edit", parent)
        await world.finished(parent, within=10 * HOUR)

        ledger.assert_each_once(zone_of, at=NOON)
        assert {text for said in world.connector.texts.values() for text in said.values()} == {"New words"}
        report = await world.report(parent)
        sent = 3 * (hours > 3) + 3 * (hours > 4) + 3 * (hours > 8)
        assert report["revision"]["counts"]["edited"] == report["revision"]["total"] == sent
        assert report["revision"]["number"] == 1

    in_a_world(scenario)


def test_a_pause_holds_what_is_still_to_come_until_it_is_let_go_on() -> None:
    async def scenario(world: World) -> None:
        ledger = Ledger(world)
        await settle_in(world, spread(9, NEAR))
        world.start()
        parent = await accept(world, NOON)
        await until(BERLIN - 600)

        await wish(world, "pause", parent)
        await until(LONDON + 600)
        held, paused = dict(ledger.instants), await world.report(parent)
        await wish(world, "resume", parent)
        await asyncio.sleep(120)
        let_go = set(ledger.instants)
        await world.finished(parent, within=10 * HOUR)

        assert (held, paused["state"]) == ({}, "paused")
        assert let_go == {f"a:{number}" for number in range(9) if number % 3 != 2}
        assert all(0 <= at - ST_JOHNS <= 30 for number in (2, 5, 8) for at in ledger.instants[f"a:{number}"])
        assert {len(got) for got in ledger.instants.values()} == {1}

    in_a_world(scenario)


def test_who_would_get_it_too_late_after_a_pause_counts_as_expired() -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, spread(9, NEAR))
        world.start()
        parent = await accept(world, NOON, expires_after=timedelta(hours=1))
        await until(BERLIN - HOUR)

        await wish(world, "pause", parent)
        await until(LONDON + HOUR + 600)
        await wish(world, "resume", parent)
        await world.finished(parent, within=10 * HOUR)

        report = await world.report(parent)
        assert (report["counts"]["sent"], report["counts"]["expired"], report["total"]) == (3, 6, 9)

    in_a_world(scenario)


def test_a_parent_that_nobody_lets_go_on_ends_by_its_time() -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, spread(9, NEAR))
        world.start()
        parent = await accept(world, NOON, expires_after=timedelta(hours=1))
        await until(LONDON - 600)

        await wish(world, "pause", parent)
        await world.finished(parent, within=10 * HOUR)

        assert ST_JOHNS + HOUR < now() < ST_JOHNS + HOUR + 300
        report = await world.report(parent)
        assert (report["counts"]["sent"], report["counts"]["expired"], report["total"]) == (3, 6, 9)
        assert world.posts() == 3

    in_a_world(scenario)


def test_letting_a_parent_go_on_lets_its_children_go_on_whatever_held_them() -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, spread(9, NEAR))
        world.start()
        parent = await accept(world, NOON)
        await until(BERLIN - 600)
        [child] = await children(world, parent)
        await world.app().broadcasts.changes.pause(child, PauseReason.REFUSALS, at=now())
        await until(BERLIN + 600)
        before = world.posts()

        answer = await wish(world, "resume", parent)
        await asyncio.sleep(60)

        assert (before, world.posts(), answer.status) == (0, 3, 202)

    in_a_world(scenario)


def test_five_thousand_people_are_split_and_sent_to_once() -> None:
    async def scenario(world: World) -> None:
        ledger, zone_of = Ledger(world), spread(5_000, NEAR)
        await settle_in(world, zone_of)
        world.start(2)

        parent = await accept(world, NOON)
        await world.finished(parent, within=10 * HOUR)

        ledger.assert_each_once(zone_of, late=60.0, at=NOON)
        report = await world.report(parent)
        assert (report["total"], report["counts"]["sent"]) == (5_000, 5_000)

    in_a_world(scenario)


def test_a_split_costs_few_calls() -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, spread(5_000))
        parent = await accept(world, NOON)
        calls: Counter[str] = Counter()

        async def hook(call: Call) -> None:
            await asyncio.sleep(0)
            if call.moment is Moment.BEFORE and any(one.key.startswith("share!") for one in call.operations):
                calls["steps"] += 1
                calls["rows"] += len(call.operations)

        world.account.use_hook(hook)
        await build_pipeline(world.app()).planner.handle(parent)

        # Runs of 1,000, 2,000 and 2,000 people; each step has a row for each of ten moments, and the cursor.
        assert calls == {"steps": 5, "rows": 55}

    in_a_world(scenario)


def test_lost_nudges_make_nothing_but_late() -> None:
    async def scenario(world: World) -> None:
        ledger, zone_of = Ledger(world), spread(9, NEAR)
        await settle_in(world, zone_of)
        world.start()
        parent = await accept(world, NOON)

        while (await world.app().broadcasts.head(parent)).finished_at is None:
            for _ in range(100):
                # All but the tick's own nudges, which come with each full minute, are lost.
                await asyncio.sleep(0.59)
                if now() % 60 > 5:
                    world.account.queue(names.PLAN_QUEUE).messages.clear()

        ledger.assert_each_once(zone_of, at=NOON)

    in_a_world(scenario)


def test_a_retry_of_a_parent_reaches_those_who_were_chosen_in_all_of_its_children() -> None:
    async def scenario(world: World) -> None:
        away = {"a:3", "a:4"}
        ledger = Ledger(world)
        note = world.connector.rule
        assert note is not None
        world.connector.rule = lambda chat: (
            note(chat) or (Answer(kind=Verdict.BLOCKED_BY_USER) if chat in away and now() < ST_JOHNS else None)
        )
        await settle_in(world, spread(9, NEAR))
        world.start()
        parent = await accept(world, NOON)
        await until(LONDON + 600)

        body = b'{"key": "again", "reasons": ["blocked_by_user"]}'
        answer = await parts.wishes(world.app()).retry(parent, body, key_header=None, url=URL)
        again = read(answer)["id"]
        await world.finished(again)

        assert len(ledger.instants) == 6
        assert await deliveries_of(world, again) == {object_id(3), object_id(4)}

    in_a_world(scenario)


def test_the_deliveries_of_a_parent_are_those_of_its_children_page_by_page() -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, spread(700, NEAR))
        world.start()
        parent = await accept(world, NOON)
        await until(LONDON + 600)
        early = await deliveries_of(world, parent, limit=100)
        await world.finished(parent, within=10 * HOUR)

        assert early == {object_id(number) for number in range(700) if number % 3 != 2}
        assert await deliveries_of(world, parent, limit=100) == {object_id(number) for number in range(700)}
        one = await parts.broadcast_api(world.app()).deliveries(parent, {"recipient": object_id(5)}, accept="", url=URL)
        assert [delivery["state"] for delivery in read(one)["deliveries"]] == ["sent"]

    in_a_world(scenario)


@pytest.mark.parametrize("what", ["cancel", "pause", "resume", "edit", "recall"])
def test_a_wish_for_a_child_is_refused_with_its_parent(what: str) -> None:
    async def scenario(world: World) -> None:
        await settle_in(world, {0: "Europe/Berlin"})
        world.start()
        parent = await accept(world, NOON)
        await until(BERLIN - 600)
        [child] = await children(world, parent)

        with pytest.raises(Problem) as refused:
            await wish(world, what, child)

        assert refused.value.status == 409
        assert refused.value.document["parent"] == parent
        assert (await world.report(child))["state"] == "scheduled"

    in_a_world(scenario)
