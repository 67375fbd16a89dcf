"""The plan of a chaos run: which faults, when, and what is asked for meanwhile. Pure: all of it follows from a seed."""

import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from localhost.chaos.asks import Ask, dealt, draw_asks
from localhost.chaos.bursts import BURSTS
from localhost.chaos.kinds import GRAPH, INSTALL_NUDGES, NUDGES, STORAGE, TEAMS, Kind
from localhost.crowd import draw_reasons

FAULTY_SHARE = 2 / 3
"""Faults are injected in the first two thirds of a run."""
ASKING_SHARE = 0.55
DELIVERIES_PER_SECOND = 35 * 0.7
"""At the pace of 49.75 these are half of a run's time: the other half is what faults cost."""
FEWEST_ASKS = 8
"""Two of each way and mode, so that each mishap befalls one of the queue's."""
REFUSING_SHARE = 0.01
PEOPLE_OF_AN_ASK = 750
"""People with the app whom a broadcast is for, about: there is room for strangers below what a request may name."""
STRANGERS_PER_SECOND = 1
"""Of a run: at Graph's limits Herald installs several times as many, so there is time for what faults cost."""
FEWEST_STRANGERS = 20

# Seconds between two injections of a track. Storage's outages stop every lane for up to a lease and a tick.
HOST_EVERY, STORAGE_EVERY, CALLS_EVERY, QUEUE_EVERY = 50.0, 120.0, 60.0, 40.0

RUBBISH = (
    *("garbage", "{}", "[]", "null", "0", '"\u00e4\u6f22"', "{" * 2000, "[" * 2000, "x" * 40_000, "=", "////"),
    *('{"broadcast": 5}', '{"broadcast": "00000000000000000000", "batch": 3}', '{"broadcast": "../../x", "batch": -1}'),
    *('{"version": 1}', '{"version": 2, "key": "k"}', '{"id": "x", "dequeueCount": 99, "popReceipt": "y"}'),
    '{"version": 1, "audience": {"users": ["nobody"]}, "content": {}}',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """A fault that begins `at` so many seconds of the run and lasts `for_s`.

    `host` is whose process dies; `options` are the stand-in's; `rubbish` is what is put on the queues.
    """

    at: float
    kind: Kind
    for_s: float
    host: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    rubbish: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run: how many people install the app, who of them (by number) refuses messages, and what happens when.

    `strangers` do not have the app: each one's reason why it cannot be given to them, or nothing.
    """

    seed: int
    people: int
    refusing: tuple[int, ...]
    strangers: tuple[str, ...]
    asks: tuple[Ask, ...]
    injections: tuple[Injection, ...]
    faulty_s: float


def draw_plan(*, seed: int, seconds: float, hosts: int, kinds: Collection[Kind] = tuple(Kind)) -> Plan:
    """Draw a run of so many seconds with faults of these kinds."""
    rng = random.Random(seed)  # noqa: S311 - A run must be repeatable by its seed.
    # Each stranger is named by two requests.
    deliveries = seconds * (DELIVERIES_PER_SECOND - 2 * STRANGERS_PER_SECOND)
    number = max(FEWEST_ASKS, round(deliveries / PEOPLE_OF_AN_ASK))
    people = max(20, round(deliveries / number))
    strangers = draw_reasons(max(FEWEST_STRANGERS, round(seconds * STRANGERS_PER_SECOND)), rng)
    asks = draw_asks(
        rng,
        seed=seed,
        number=number,
        people=people,
        strangers=len(strangers),
        seconds=seconds * ASKING_SHARE,
        kinds=kinds,
    )
    faulty_s = seconds * FAULTY_SHARE
    injections = sorted(_draw_injections(rng, faulty_s=faulty_s, hosts=hosts, kinds=kinds), key=lambda one: one.at)
    refusing = tuple(sorted(rng.sample(range(people), max(1, round(people * REFUSING_SHARE)))))
    return Plan(
        seed=seed,
        people=people,
        refusing=refusing,
        strangers=tuple(strangers),
        asks=tuple(asks),
        injections=tuple(injections),
        faulty_s=faulty_s,
    )


def _draw_injections(rng: random.Random, *, faulty_s: float, hosts: int, kinds: Collection[Kind]) -> list[Injection]:
    tracks = [((Kind.HOST_KILLED,), HOST_EVERY), (STORAGE, STORAGE_EVERY), ((Kind.RUBBISH_PUT,), QUEUE_EVERY)]
    tracks += [((kind,), CALLS_EVERY) for kind in (*TEAMS, *GRAPH, Kind.LISTS_LAG)]
    tracks += [((kind,), QUEUE_EVERY) for kind in (*NUDGES, *INSTALL_NUDGES)]
    found: list[Injection] = []
    for track, every in tracks:
        chosen = [kind for kind in track if kind in kinds]
        number = max(len(chosen), round(faulty_s / every)) if chosen else 0
        for place, kind in enumerate(dealt(rng, chosen, number)):
            # Each has its own share of the time, so that those of a track do not meet.
            share = faulty_s / number
            for_s = min(share * 0.8, _draw_length(rng, kind, faulty_s=faulty_s))
            at = share * place + rng.random() * (share - for_s)
            found.append(_draw_details(rng, kind, at=at, for_s=for_s, hosts=hosts))
    return found


def _draw_length(rng: random.Random, kind: Kind, *, faulty_s: float) -> float:
    if kind in (*NUDGES, *INSTALL_NUDGES):
        # The hunt for a nudge to strike, which ends with the first one: it has most of its share of the time.
        return faulty_s
    if kind in (*TEAMS, *GRAPH, Kind.LISTS_LAG):
        return rng.uniform(2.0, 6.0)
    return rng.uniform(1.0, 8.0)


def _draw_details(rng: random.Random, kind: Kind, *, at: float, for_s: float, hosts: int) -> Injection:
    return Injection(
        at=at,
        kind=kind,
        for_s=for_s,
        host=rng.randrange(hosts),
        options=BURSTS[kind](rng) if kind in BURSTS else {},
        rubbish=tuple(rng.sample(RUBBISH, 3)) if kind is Kind.RUBBISH_PUT else (),
    )
