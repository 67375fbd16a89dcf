"""Who is there in a demo: people with the app, people who are to be given it, and some who cannot be."""

import math
import random
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from localhost.verdict import Installs
from simulator.botclient import Tally
from simulator.config import Config
from simulator.control import Control
from simulator.places import Person

INSTALL_CONCURRENCY = 16
REFUSED = {"blocked_by_admin": 0.05, "no_teams_license": 0.04, "user_not_found": 0.04}
"""Why somebody without the app cannot be given it, as reports call it, and what share of them that concerns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """How many people there are of each sort: `friends` have the app, `strangers` get it, `refused` go by reason."""

    friends: int
    strangers: int
    refused: Mapping[str, int]


def draw(people: int, *, installed: float, dice: random.Random) -> Draw:
    """Draw what people are like, of whom the share `installed` has the app already."""
    friends = round(people * installed)
    reasons = dice.choices([*REFUSED, ""], [*REFUSED.values(), 1 - sum(REFUSED.values())], k=people - friends)
    counts = Counter(reasons)
    return Draw(friends=friends, strangers=counts[""], refused={reason: counts[reason] for reason in REFUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The people of a demo. `names` are the object ids of all in a drawn order; `tally` tells of the friends' installs.

    Of the refused those who are not found are ids that nobody has.
    """

    names: Sequence[str]
    drawn: Draw
    tally: Tally
    strangers: Sequence[Person]


async def gather_crowd(teams: Control, people: int, *, installed: float) -> Crowd:
    """Add people to the stand-in, whose seed decides who they are, and have the friends install the app."""
    # The seed alone would draw the ids of people whom the stand-in draws by it, too.
    dice = random.Random(f"crowd {Config().seed}")  # noqa: S311 - a demo is drawn to be repeated.
    drawn = draw(people, installed=installed, dice=dice)
    friends = await teams.add_people(drawn.friends)
    strangers = await teams.add_people(drawn.strangers)
    barred = await teams.add_people(drawn.refused["blocked_by_admin"], policy_blocked=True)
    unlicensed = await teams.add_people(drawn.refused["no_teams_license"], licensed=False)
    unknown = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(drawn.refused["user_not_found"])]
    names = [person.object_id for person in (*friends, *strangers, *barred, *unlicensed)] + unknown
    dice.shuffle(names)
    tally = await teams.install(friends, concurrency=INSTALL_CONCURRENCY)
    return Crowd(names=names, drawn=drawn, tally=tally, strangers=strangers)


async def count_installs(teams: Control, crowd: Crowd, *, text: str) -> Installs:
    """What Graph installed, what it should have, and how much of it before the first message with a text arrived."""
    given = [holding for holding in (await teams.installations()).values() if holding.installs]
    first = await _first_arrival(teams, text)
    return Installs(
        wanted=len(crowd.strangers),
        refused={reason: number for reason, number in crowd.drawn.refused.items() if number},
        now=len(given),
        twice=sum(holding.installs > 1 for holding in given),
        before_first=sum(holding.given_at < first for holding in given),
    )


async def _first_arrival(teams: Control, text: str) -> float:
    """When the first message with a text arrived, by the stand-in's clock; infinite where none did."""
    async for entry in teams.ledger_entries(event="sent"):
        if entry.text == text:
            return entry.monotonic
    return math.inf
