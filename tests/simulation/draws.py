"""Drawing a storm from its seed.

Each fault is on or off for the whole storm (swarm testing): a storm with everything in it hides what a single fault
would show.
"""

import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from shared.domain.broadcasts import DeliveryMode, Priority
from shared.domain.modes import Mode
from shared.domain.rehearsals import Ramp
from tests.simulation.asks import Ask
from tests.simulation.audiences import with_directory
from tests.simulation.digests import with_digests
from tests.simulation.moments import with_moments
from tests.simulation.schedules import with_schedules
from tests.simulation.storm import EXCLUDED, Storm, Window

Choice = TypeVar("Choice")

SMALL = 40
"""People of a small storm, at most; its knobs make batches, runs and pages small as well."""
MOST_PEOPLE = 2_000
MOST_NAMED = 300


def draw_storm(seed: int, *, people: int = SMALL, excluded: Collection[str] = EXCLUDED) -> Storm:
    """Draw the storm of a seed: a small one, or one of up to so many people with the product's own sizes."""
    storm = _with_rehearsals(_draw_storm(seed, people=people), people)
    storm = _with_silence(with_directory(_with_strangers(storm, people), people))
    if "time" not in excluded:
        storm = with_schedules(with_moments(storm, people), people)
    if "digests" not in excluded:
        storm = with_digests(storm, people)
    if "revisions" not in excluded:
        return storm
    return replace(storm, asks=tuple(replace(ask, edit_after=(), recall_after=None) for ask in storm.asks))


def _draw_storm(seed: int, *, people: int) -> Storm:
    dice = random.Random(f"storm {seed} {people}")
    small = people <= SMALL

    def sometimes(share: float, *values: Choice, other: Choice) -> Choice:
        return dice.choice(values) if dice.random() < share else other

    pace: float | None = dice.choice([49.75, 49.75, 49.75, 5.0, None]) if small else dice.choice([49.75, 49.75, None])
    busy = 60.0 if small else 60.0 + people * 1.5 / (pace or 500.0)
    until = busy * dice.uniform(0.5, 3.0)
    token_windows = sometimes(0.1, (Window(start=dice.uniform(0, busy / 2), length=600.0),), other=())
    if token_windows:
        until = max(until, token_windows[0].start + 620.0)
    installed = dice.choice([1, people // 4, people // 2, people])
    return Storm(
        seed=seed,
        instances=dice.choice([2, 2, 3, 4]),
        installed=installed,
        pace=pace,
        asks=tuple(
            _draw_ask(dice, number, busy, installed=installed, people=people)
            for number in range(dice.choice([1, 1, 2, 3]))
        ),
        until=until,
        knobs=_draw_knobs(dice) if small else {},
        storage_seconds=dice.choice([0.002, 0.008, 0.008, 0.05, 0.3]),
        connector_seconds=dice.choice([0.05, 0.12, 0.12, 0.4]),
        clock_error=sometimes(0.3, 0.02, 0.1, other=0.0),
        nudge_lost=sometimes(0.3, 0.1, 0.5, other=0.0),
        nudge_doubled=sometimes(0.3, 0.02, 0.1, other=0.0),
        nudge_late=sometimes(0.2, 0.1, 0.4, other=0.0),
        nudge_garbled=sometimes(0.1, 0.1, other=0.0),
        nudge_poisoned=sometimes(0.1, 0.1, other=0.0),
        nudge_reordered=dice.random() < 0.3,
        tick_lost=sometimes(0.1, 0.5, 1.0, other=0.0),
        cuts=sometimes(0.4, 1, 2, 4, other=0),
        cut_chance=dice.choice([0.002, 0.01, 0.05]),
        freezes=sometimes(0.25, 1, 2, other=0),
        freeze_chance=dice.choice([0.002, 0.01, 0.05]),
        storage_fails=sometimes(0.2, 0.02, 0.1, other=0.0),
        answer_lost=sometimes(0.2, 0.02, 0.1, other=0.0),
        answer_echoed=sometimes(0.25, 0.02, 0.1, other=0.0),
        conflict=sometimes(0.1, 0.02, 0.1, other=0.0),
        write_late=sometimes(0.15, 0.02, 0.1, other=0.0),
        page_fails=sometimes(0.15, 0.05, 0.3, other=0.0),
        outages=tuple(
            Window(start=dice.uniform(0, busy), length=dice.uniform(1, 120), share=dice.choice([0.5, 0.9, 1.0]))
            for _ in range(sometimes(0.2, 1, 2, other=0))
        ),
        refused=sometimes(0.25, 0.02, 0.2, other=0.0),
        passing=sometimes(0.25, 0.03, 0.2, other=0.0),
        connector_answer_lost=sometimes(0.2, 0.01, 0.1, other=0.0),
        lone_throttled=sometimes(0.15, 0.01, 0.05, other=0.0),
        slow_answer=sometimes(0.2, 0.01, 0.1, other=0.0),
        bursts=tuple(
            Window(
                start=dice.uniform(0, busy), length=dice.uniform(1, 20), retry_after=dice.choice([0.0, 1.0, 5.0, 60.0])
            )
            for _ in range(sometimes(0.2, 1, 3, other=0))
        ),
        real_rate=sometimes(0.1, 0.3, 0.7, other=1.0),
        token_windows=token_windows,
    )


def _with_rehearsals(storm: Storm, people: int) -> Storm:
    """Draw from dice of their own, so that the storms stay what they were, rehearsals, slow starts and stops."""
    dice = random.Random(f"rehearsals {storm.seed} {people}")

    def rehearse(ask: Ask) -> Ask:
        mode = dice.choice([Mode.DRY_RUN, Mode.SANDBOX]) if dice.random() < 0.1 else Mode.SEND
        slow = dice.random() < 0.12
        ramp = Ramp(people=dice.choice([1, 7, people // 2]), wait=dice.choice([5.0, 60.0, 300.0])) if slow else None
        if ramp is not None and ask.expires_after is not None and ramp.wait >= ask.expires_after:
            ramp = None
        return replace(ask, mode=mode, ramp=ramp)

    asks = tuple(map(rehearse, storm.asks))
    installing = dice.random() < 0.35
    sometimes = [0.0, 0.0, 0.03, 0.2]
    stops = (Window(start=dice.uniform(0, 60), length=dice.choice([3.0, 20.0, 150.0])),) if dice.random() < 0.1 else ()
    blocks = (Window(start=dice.uniform(0, 60), length=dice.choice([5.0, 60.0, 400.0])),) if dice.random() < 0.2 else ()
    return replace(
        storm,
        asks=asks,
        stops=stops,
        installing=installing,
        graph_lag=dice.choice([0.0, 0.0, 2.0, 20.0]),
        graph_refused=dice.choice(sometimes),
        graph_passing=dice.choice(sometimes),
        graph_answer_lost=dice.choice(sometimes),
        graph_blocks=blocks,
        knobs=storm.knobs | {"INSTALL_SIZE": dice.choice([1, 3, 20])} if storm.knobs else {},
    )


def _with_strangers(storm: Storm, people: int) -> Storm:
    """Draw from dice of their own who is asked for without having the app, and what their installs meet besides."""
    dice = random.Random(f"strangers {storm.seed} {people}")
    deletions = tuple(
        (dice.uniform(0, storm.until), number)
        for number in dice.sample(range(storm.installed), min(storm.installed, dice.choice([0, 0, 0, 1, 5])))
    )
    storm = replace(storm, deletions=deletions, told=dice.choice([0.0, 0.5, 1.0]))
    if not storm.installing:
        return storm
    asks = storm.asks
    if dice.random() < 0.5:
        strangers = range(storm.installed, storm.installed + min(people, MOST_NAMED) // 2)
        asks = tuple(replace(ask, users=_join(ask.users, _some(dice, strangers))) for ask in asks)
    if asks[0].users and dice.random() < 0.4:
        # Several broadcasts meet at the same people.
        asks = tuple(replace(ask, users=asks[0].users, at=asks[0].at + dice.choice([0.0, 1.0, 10.0])) for ask in asks)
    blocks = tuple(
        Window(start=dice.uniform(0, 60), length=dice.choice([1.0, 5.0, 60.0]))
        for _ in range(dice.choice([0, 0, 0, 0, 1, 3]))
    )
    gaps = tuple(
        Window(start=dice.uniform(0, 60), length=dice.choice([5.0, 60.0, 400.0]))
        for _ in range(dice.choice([0, 0, 0, 0, 1, 2]))
    )
    # Nobody deletes a chat twice, so that it is found again for good.
    others = [user for user in asks[0].users if user not in {who for _, who in deletions}]
    knobs = {"FIRST_INSTALL_SIZE": dice.choice([1, 2, 5])} if storm.knobs else {}
    return replace(
        storm,
        asks=asks,
        deletions=(*deletions, *((dice.uniform(0, storm.until), user) for user in _some(dice, others))),
        graph_blocks=storm.graph_blocks + blocks,
        catalog_gaps=gaps,
        knobs={**storm.knobs, **knobs},
    )


def _with_silence(storm: Storm) -> Storm:
    """Draw from dice of their own storms in which one ask sees to the app without a message, or chats are given it."""
    dice = random.Random(f"silence {storm.seed} {len(storm.asks)}")
    if not storm.installing:
        return storm
    storm = replace(storm, scopes=dice.choice(["personal", "personal,groupChat"]), outdated=dice.choice([0, 1, 20]))
    place = dice.randrange(len(storm.asks))
    ask = storm.asks[place]
    has_people = ask.users or ask.names or ask.groups or ask.everyone or ask.everyone_in_tenant
    if dice.random() >= 0.35 or not has_people:
        return storm
    silent = replace(
        ask,
        mode=dice.choice([Mode.INSTALL, Mode.UPGRADE, Mode.REMOVE]),
        delivery=DeliveryMode.AT_LEAST_ONCE,
        priority=Priority.NORMAL,
        by_queue=False,
        channels=0,
        chats=ask.chats if "groupChat" in storm.scopes else 0,
        ramp=None,
        edit_after=(),
        recall_after=None,
    )
    return replace(storm, asks=(*storm.asks[:place], silent, *storm.asks[place + 1 :]))


def _some(dice: random.Random, numbers: Sequence[int]) -> tuple[int, ...]:
    return tuple(dice.sample(numbers, min(len(numbers), dice.choice([0, 1, 5, 20]))))


def _join(users: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(users + others))


def _draw_knobs(dice: random.Random) -> dict[str, int | timedelta]:
    return {
        "BATCH_SIZE": dice.choice([2, 5, 10]),
        "FIRST_RUN": dice.choice([4, 16, 64]),
        "ROWS_PER_STEP": dice.choice([1, 2, 20]),
        "PAGE_KEYS": dice.choice([3, 10, 50]),
        "PAGE_ROWS": dice.choice([4, 20, 200]),
        "POINT_READS": dice.choice([2, 10, 100]),
        "MOST_DUE": dice.choice([2, 200]),
        "MOST_BATCHES": dice.choice([1, 3, 12]),
    }


def _draw_ask(dice: random.Random, number: int, busy: float, *, installed: int, people: int) -> Ask:
    everyone = dice.random() < 0.4
    most = min(people, MOST_NAMED)
    named = 0 if everyone and dice.random() < 0.5 else dice.choice([1, max(1, most // 8), max(1, most // 2), most])
    # Some of the named are installed, some are not.
    users = dice.sample(range(installed + max(2, most // 4)), min(named, installed + max(2, most // 4)))
    return Ask(
        number=number,
        at=dice.uniform(0, busy / 2) if number else dice.uniform(0, 3),
        by_queue=dice.random() < 0.5,
        again_after=dice.uniform(0, 20) if dice.random() < 0.3 else None,
        users=tuple(users),
        channels=dice.choice([0, 0, 0, 2]),
        chats=dice.choice([0, 0, 0, 2]),
        everyone=everyone,
        delivery=DeliveryMode.AT_MOST_ONCE if dice.random() < 0.4 else DeliveryMode.AT_LEAST_ONCE,
        priority=Priority.URGENT if dice.random() < 0.15 else Priority.NORMAL,
        expires_after=dice.choice([8.0, 30.0, 200.0]) if dice.random() < 0.15 else None,
        cancel_after=dice.uniform(0, 20) if dice.random() < 0.2 else None,
        pause_after=dice.uniform(0, 20) if dice.random() < 0.15 else None,
        paused_for=dice.choice([1.0, 5.0, 100.0]),
        edit_after=tuple(dice.uniform(0, 60) for _ in range(dice.choice([0, 0, 0, 0, 0, 1, 2]))),
        recall_after=dice.uniform(0, 60) if dice.random() < 0.07 else None,
    )
