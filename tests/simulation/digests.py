"""Digests: how a storm draws what is dropped for one, and when it is told."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from shared.domain.broadcasts import DeliveryMode, Priority
from shared.domain.digests import Severity
from tests.simulation.asks import Ask, AskedSchedule
from tests.simulation.audiences import draw_audience
from tests.simulation.drops import DIGEST, Drop
from tests.simulation.storm import Storm
from tests.simulation.tenant import LATE_GROUP

SHARE = 0.2
"""Of all storms so many have a digest."""
SHARE_OF_SCHEDULES = 0.4
"""Of those with schedules so many, which a schedule may tell."""
FIRST_NUMBER = 1_000
"""Numbers of asks from here on are those of items' audiences."""
STRANGERS = 3
CLOSE = ((0.0, 1.0), (0.0, 1.0), (-3.0, 3.0), (0.0, 15.0))
"""How many seconds around the moment at which a digest is told most items come: plans take about one."""


def with_digests(storm: Storm, people: int) -> Storm:
    """Draw from dice of their own, so that the others stay what they were, storms with a digest."""
    dice = random.Random(f"digests {storm.seed} {people}")
    if dice.random() >= (SHARE_OF_SCHEDULES if storm.schedules else SHARE):
        return storm
    until = max(storm.until, dice.uniform(60, 300))
    tellings = _draw_tellings(dice, until, first=len(storm.asks))
    knobs: dict[str, int | timedelta] = {
        "MOST_TOLD": dice.choice([2, 5, 1_000]),
        "MOST_NAMED": dice.choice([1, 4, 4_000]),
        "MOST_SHARED": dice.choice([2, 200]),
        "MOST_SHOWN": dice.choice([2, 20]),
    }
    return replace(
        storm,
        until=until,
        asks=storm.asks + tellings,
        drops=_draw_drops(dice, storm, until, [ask.at for ask in tellings]),
        old_items_at=dice.uniform(0, until) if dice.random() < 0.5 else None,
        nudge_doubled=max(storm.nudge_doubled, dice.choice([0.0, 0.0, 0.5])),
        step_hits=dice.choice([0, 1, 2]),
        slow_steps=dice.choice([0.0, 2.0]),
        schedules=tuple(_tell_by(schedule) if dice.random() < 0.7 else schedule for schedule in storm.schedules),
        knobs=storm.knobs | knobs if storm.knobs else {},
    )


def _draw_tellings(dice: random.Random, until: float, *, first: int) -> tuple[Ask, ...]:
    """Two to four broadcasts of the digest, some of them at once, some a while apart."""
    at, tellings = dice.uniform(2, until / 2), list[Ask]()
    for number in range(first, first + dice.choice([2, 3, 3, 4])):
        tellings.append(_draw_telling(dice, number, at))
        at += dice.choice([0.0, 0.3, 3.0, 20.0, 60.0])
    return tuple(tellings)


def _draw_telling(dice: random.Random, number: int, at: float) -> Ask:
    def soon(share: float) -> float | None:
        return dice.uniform(0, dice.choice([0.5, 3.0, 20.0])) if dice.random() < share else None

    return Ask(
        number=number,
        at=at,
        by_queue=False,
        again_after=dice.choice([0.0, 0.1, 0.5, 5.0]) if dice.random() < 0.4 else None,
        digest=DIGEST,
        delivery=DeliveryMode.AT_MOST_ONCE if dice.random() < 0.3 else DeliveryMode.AT_LEAST_ONCE,
        priority=Priority.URGENT if dice.random() < 0.1 else Priority.NORMAL,
        expires_after=dice.choice([3.0, 30.0, 200.0]) if dice.random() < 0.1 else None,
        cancel_after=soon(0.2),
        pause_after=soon(0.15),
        paused_for=dice.choice([1.0, 5.0, 100.0]),
        recall_after=soon(0.1),
    )


def _tell_by(schedule: AskedSchedule) -> AskedSchedule:
    """The schedule with the digest in the place of its message."""
    ask = replace(schedule.ask, digest=DIGEST, users=(), groups=(), everyone=False, chats=0)
    return replace(schedule, ask=ask)


def _draw_drops(dice: random.Random, storm: Storm, until: float, told_at: Sequence[float]) -> tuple[Drop, ...]:
    """Items at random times, many of them just when the digest is told, and mostly for the same few people."""
    people = range(storm.installed + STRANGERS)
    few = dice.sample(people, min(len(people), dice.choice([1, 4, 8])))
    shared = dice.choice([0.0, 0.1, 0.4]) if storm.tenant is None else 0.5

    def draw(number: int) -> Drop:
        is_close = dice.random() < 0.7
        at = dice.choice(told_at) + dice.uniform(*dice.choice(CLOSE)) if is_close else dice.uniform(0, until)
        by_queue, is_shared = dice.random() < 0.5, dice.random() < shared
        return Drop(
            number=number,
            at=min(max(0.0, at), until),
            by_queue=by_queue,
            again_after=dice.choice([0.0, 1.0, 40.0]) if not by_queue and dice.random() < 0.2 else None,
            person=None if is_shared else dice.choice(few if dice.random() < 0.8 else people),
            whom=_draw_whom(dice, storm, FIRST_NUMBER + number, people) if is_shared else None,
            key=dice.choice(["a", "b"]) if dice.random() < 0.5 else "",
            severity=dice.choice(list(Severity)),
            expires_after=dice.choice([2.0, 30.0, 100.0]) if dice.random() < 0.15 else None,
            removed_after=dice.uniform(0, dice.choice([3.0, 30.0])) if dice.random() < 0.1 else None,
        )

    return tuple(draw(number) for number in range(dice.choice([5, 15, 40])))


def _draw_whom(dice: random.Random, storm: Storm, number: int, people: Sequence[int]) -> Ask:
    """The audience of an item: a few people, everyone who has the app, or what the directory tells."""
    users = tuple(dice.sample(people, min(len(people), dice.choice([1, 3, 8]))))
    ask = Ask(number=number, at=0.0, by_queue=False, again_after=None, users=users)
    if dice.random() < 0.4:
        return replace(ask, users=(), everyone=True)
    if storm.tenant is None or dice.random() < 0.3:
        return ask
    drawn = draw_audience(dice, ask, storm.tenant)
    if dice.random() < 0.3:
        drawn = replace(drawn, but_groups=(*(one for one in drawn.but_groups if one != LATE_GROUP), LATE_GROUP))
    is_named = drawn.users or drawn.names or drawn.groups or drawn.everyone or drawn.everyone_in_tenant
    return drawn if is_named else replace(drawn, users=users)
