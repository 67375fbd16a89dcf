"""Messages that come again: how a storm draws schedules, their wishes, and what happens to the timer."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from shared.domain.broadcasts import DeliveryMode, Priority
from tests.simulation.asks import Ask, AskedSchedule, Definition
from tests.simulation.storm import Storm, Window
from tests.simulation.tenant import GROUPS
from tests.simulation.timetables import MINUTE, Times
from tests.twins.world import EPOCH

SHARE = 0.2
"""Of all storms so many have schedules."""
FIRST_NUMBER = 100
"""Numbers of asks from here on are those of schedules."""
MOST_PEOPLE = 8
"""Of one schedule, since each of its occurrences sends to all of them."""
SLOW_STORAGE = 0.1
"""Seconds of a call from which on a storm's storage counts as slow: there a group would take too long."""
ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe", "Europe/Berlin")
IF_MISSED = ("run_once", "skip", "run_all")


def with_schedules(storm: Storm, people: int) -> Storm:
    """Draw from dice of their own, so that the others stay what they were, storms with schedules."""
    dice = random.Random(f"schedules {storm.seed} {people}")
    if dice.random() >= SHARE:
        return storm
    until = max(storm.until, dice.uniform(200, 600))
    downtimes: tuple[Window, ...] = ()
    if dice.random() < 0.4:
        downtime = Window(start=dice.uniform(30, until - 60), length=dice.choice([100.0, 200.0, 400.0, 900.0]))
        until = max(until, downtime.start + downtime.length + dice.choice([-50, 100]))
        downtimes = (downtime,)
    grace = dice.choice([60, 130, 300])
    # What is on time is made up for in any case, so there is room for as much.
    most = grace // 60 + dice.choice([1, 3, 20])
    knobs: dict[str, int | timedelta] = {"GRACE": timedelta(seconds=grace), "MOST_CAUGHT_UP": most}
    sometimes = [0.0, 0.0, 0.1, 0.4]
    return replace(
        storm,
        until=until,
        schedules=tuple(
            _draw_schedule(dice, FIRST_NUMBER + number, storm, until) for number in range(dice.choice([1, 1, 2]))
        ),
        tick_late=dice.choice(sometimes),
        tick_doubled=dice.choice(sometimes),
        downtimes=downtimes,
        tick_hits=dice.choice([0, 2, 5]),
        due_rows_lost=(dice.uniform(100, until),) if dice.random() < 0.1 else (),
        knobs=storm.knobs | knobs if storm.knobs else {},
    )


def _draw_schedule(dice: random.Random, number: int, storm: Storm, until: float) -> AskedSchedule:
    def sometimes(share: float) -> tuple[float, ...]:
        return (dice.uniform(0, until),) if dice.random() < share else ()

    first = Definition(times=_draw_times(dice, until), words="first")
    return AskedSchedule(
        at=dice.uniform(0, 100),
        again_after=dice.uniform(0, 20) if dice.random() < 0.2 else None,
        ask=_draw_ask(dice, number, storm),
        first=first,
        changes=tuple((after, _draw_change(dice, first, until)) for after in sometimes(0.35)),
        pauses=tuple((after, dice.choice([1.0, 100.0, 300.0])) for after in sometimes(0.3)),
        runs=sometimes(0.3) + sometimes(0.1),
        removed_after=next(iter(sometimes(0.15)), None),
    )


def _draw_change(dice: random.Random, first: Definition, until: float) -> Definition:
    """New words, and mostly other times."""
    return Definition(times=first.times if dice.random() < 0.3 else _draw_times(dice, until), words="second")


def _draw_times(dice: random.Random, until: float) -> Times:
    zone = dice.choice(ZONES)
    if dice.random() < 0.6:
        step = dice.choice([1, 2, 2, 3, 5])
        cron, minutes = f"*/{step} * * * *", frozenset(range(0, 60, step))
    else:
        minutes = frozenset(dice.sample(range(60), dice.choice([6, 20, 40])))
        cron = f"{','.join(map(str, sorted(minutes)))} * * * *"

    def minute(share: float, earliest: float, latest: float) -> float | None:
        """An instant on the clock, or a few seconds behind it."""
        if dice.random() >= share:
            return None
        return EPOCH + dice.uniform(earliest, latest) // MINUTE * MINUTE + dice.choice([0, 7])

    quiet = None
    if dice.random() < 0.25:
        begin = EPOCH + dice.uniform(0, until) // MINUTE * MINUTE
        ends = begin + dice.choice([1, 3, 6]) * MINUTE
        quiet = _clock(begin, zone), _clock(ends, zone)
    return Times(
        cron=cron,
        minutes=minutes,
        zone=zone,
        starts_at=minute(0.15, 0, until),
        ends_at=minute(0.2, 60, until + 300),
        quiet=quiet,
        if_closed=dice.choice(["wait", "drop"]),
        if_missed=dice.choice(IF_MISSED),
    )


def _draw_ask(dice: random.Random, number: int, storm: Storm) -> Ask:
    """What each occurrence asks for: a few people, some of them without the app, everyone, or a group."""
    has_group = dice.random() < 0.3 and storm.tenant is not None and storm.storage_seconds < SLOW_STORAGE
    known = range(storm.installed + 3)
    return Ask(
        number=number,
        at=0.0,
        by_queue=False,
        again_after=None,
        users=tuple(dice.sample(known, min(len(known), dice.choice([1, 2, 5, MOST_PEOPLE])))),
        chats=dice.choice([0, 0, 0, 1]),
        everyone=dice.random() < 0.3 and storm.installed <= MOST_PEOPLE,
        groups=(dice.choice(GROUPS),) if has_group else (),
        delivery=DeliveryMode.AT_MOST_ONCE if dice.random() < 0.4 else DeliveryMode.AT_LEAST_ONCE,
        priority=Priority.URGENT if dice.random() < 0.15 else Priority.NORMAL,
        expires_after=dice.choice([30.0, 200.0]) if dice.random() < 0.15 else None,
    )


def _clock(instant: float, zone: str) -> str:
    return f"{datetime.fromtimestamp(instant, ZoneInfo(zone)):%H:%M}"
