"""The broadcasts that a run asks for, drawn at random. Pure."""

import random
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from localhost.chaos.kinds import REQUESTS, Kind

MOST_NAMED = 1000
MEET_WITHIN = 2.0
"""Seconds between the two requests of a pair, which name the same people without the app."""

Card = TypeVar("Card")


class Way(StrEnum):
    """How a broadcast is asked for."""

    QUEUE = "queue"
    HTTP = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A broadcast to be asked for `at` so many seconds of the run.

    `people` are the numbers of those who have the app and are named, or empty for everybody who has it; `strangers`
    are the numbers of those who do not have it, named besides. `mishap` befalls the request's first message on its
    queue.
    """

    at: float
    key: str
    way: Way
    delivery: str
    people: tuple[int, ...] = ()
    strangers: tuple[int, ...] = ()
    mishap: Kind | None = None

    @property
    def text(self) -> str:
        """The message, by which the stand-in's ledger knows the broadcast."""
        return f"Message of {self.key}"


def draw_asks(
    rng: random.Random,
    *,
    seed: int,
    number: int,
    people: int,
    strangers: int,
    seconds: float,
    kinds: Collection[Kind],
) -> list[Ask]:
    """Draw requests in all combinations of way and delivery; each mishap befalls one request of the queue or more.

    They come in pairs, so that two broadcasts meet at the same people who have to be given the app.
    """
    mishaps = dealt(rng, [kind for kind in REQUESTS if kind in kinds], number)
    ways = dealt(rng, [(way, mode) for way in Way for mode in ("at_least_once", "at_most_once")], number)
    shuffled, pairs = rng.sample(range(strangers), strangers), (number + 1) // 2
    asks: list[Ask] = []
    for place, (way, delivery) in enumerate(ways):
        pair, is_second = divmod(place, 2)
        theirs = tuple(shuffled[pair::pairs])
        named = rng.random() < 0.5 and people + len(theirs) <= MOST_NAMED
        # The first is asked for at once, and each other pair in its own share of the time.
        at = seconds * (pair + rng.random()) / pairs if pair else 0.0
        asks.append(
            Ask(
                at=asks[-1].at + rng.uniform(0.0, MEET_WITHIN) if is_second else at,
                key=f"chaos-{seed}-{place}",
                way=way,
                delivery=delivery,
                people=tuple(rng.sample(range(people), rng.randint(people // 2, people))) if named else (),
                strangers=theirs,
                mishap=mishaps.pop(0) if way is Way.QUEUE and mishaps else None,
            )
        )
    return asks


def dealt(rng: random.Random, cards: list[Card], number: int) -> list[Card]:
    """So many of these in random order, each about as often as the others."""
    dealt: list[Card] = []
    while cards and len(dealt) < number:
        dealt += rng.sample(cards, len(cards))
    return dealt[:number]
