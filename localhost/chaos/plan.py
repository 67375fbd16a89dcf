"""The plan of a chaos run: which faults, when, and what is asked for meanwhile. Pure: all of it follows from a seed."""

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from localhost.chaos.asks import MOST_NAMED, Ask, dealt, draw_asks
from localhost.chaos.kinds import NUDGES, STORAGE, TEAMS, Kind

FAULTY_SHARE = 2 / 3
"""Faults are injected in the first two thirds of a run."""
ASKING_SHARE = 0.55
DELIVERIES_PER_SECOND = 35 * 0.7
"""At the pace of 49.75 these are half of a run's time: the other half is what faults cost."""
FEWEST_ASKS = 8
"""Two of each way and mode, so that each mishap befalls one of the queue's."""
REFUSING_SHARE = 0.01

# Seconds between two injections of a track. Storage's outages stop every lane for up to a lease and a tick.
HOST_EVERY, STORAGE_EVERY, TEAMS_EVERY, QUEUE_EVERY = 50.0, 120.0, 60.0, 40.0

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
    """A run: how many people install the app, who of them (by number) refuses messages, and what happens when."""

    seed: int
    people: int
    refusing: tuple[int, ...]
    asks: tuple[Ask, ...]
    injections: tuple[Injection, ...]
    faulty_s: float


def draw_plan(*, seed: int, seconds: float, hosts: int, kinds: Collection[Kind] = tuple(Kind)) -> Plan:
    """Draw a run of so many seconds with faults of these kinds."""
    rng = random.Random(seed)  # noqa: S311 - A run must be repeatable by its seed.
    deliveries = seconds * DELIVERIES_PER_SECOND
    number = max(FEWEST_ASKS, round(deliveries / (0.9 * MOST_NAMED)))
    people = max(20, round(deliveries / number))
    asks = draw_asks(rng, seed=seed, number=number, people=people, seconds=seconds * ASKING_SHARE, kinds=kinds)
    faulty_s = seconds * FAULTY_SHARE
    injections = sorted(_draw_injections(rng, faulty_s=faulty_s, hosts=hosts, kinds=kinds), key=lambda one: one.at)
    refusing = tuple(sorted(rng.sample(range(people), max(1, round(people * REFUSING_SHARE)))))
    return Plan(
        seed=seed,
        people=people,
        refusing=refusing,
        asks=tuple(asks),
        injections=tuple(injections),
        faulty_s=faulty_s,
    )


def _draw_injections(rng: random.Random, *, faulty_s: float, hosts: int, kinds: Collection[Kind]) -> list[Injection]:
    tracks = [((Kind.HOST_KILLED,), HOST_EVERY), (STORAGE, STORAGE_EVERY), ((Kind.RUBBISH_PUT,), QUEUE_EVERY)]
    tracks += [((kind,), TEAMS_EVERY) for kind in TEAMS]
    tracks += [((kind,), QUEUE_EVERY) for kind in NUDGES]
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
    if kind in NUDGES:
        # The hunt for a nudge to strike, which ends with the first one: it has most of its share of the time.
        return faulty_s
    if kind in TEAMS:
        return rng.uniform(2.0, 6.0)
    return rng.uniform(1.0, 8.0)


def _draw_details(rng: random.Random, kind: Kind, *, at: float, for_s: float, hosts: int) -> Injection:
    return Injection(
        at=at,
        kind=kind,
        for_s=for_s,
        host=rng.randrange(hosts),
        options=_OPTIONS[kind](rng) if kind in _OPTIONS else {},
        rubbish=tuple(rng.sample(RUBBISH, 3)) if kind is Kind.RUBBISH_PUT else (),
    )


_OPTIONS: Mapping[Kind, Callable[[random.Random], dict[str, Any]]] = {
    Kind.CONNECTION_RESET: lambda rng: {"action": "reset", "probability": rng.uniform(0.1, 1.0)},
    Kind.ANSWER_LOST: lambda rng: {"action": "lose_answer", "probability": rng.uniform(0.1, 0.6)},
    Kind.ANSWER_FALSE: lambda rng: {
        "action": "false_answer",
        "code": "ServiceError",
        "status": rng.choice((502, 504)),
        "probability": rng.uniform(0.1, 0.6),
    },
    # A sender waits ten seconds for an answer.
    Kind.ANSWER_LATE: lambda rng: {"action": "delay", "delay_s": rng.uniform(11.0, 13.0), "count": rng.randint(5, 25)},
    Kind.ANSWER_SLOW: lambda rng: {
        "action": "delay",
        "delay_s": rng.uniform(0.5, 4.0),
        "probability": rng.uniform(0.3, 1.0),
    },
    Kind.THROTTLED: lambda rng: {
        "code": "Throttled",
        "retry_after": rng.choice((None, 1, 2, 5)),
        "probability": rng.choice((0.05, 0.3, 1.0)),
    },
    # No 500: it is final, and so would look like a person who refuses.
    Kind.SERVER_ERROR: lambda rng: {
        "code": "ServiceError",
        "status": rng.choice((412, 502, 503, 504)),
        "probability": rng.uniform(0.2, 1.0),
    },
}
