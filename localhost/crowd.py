"""Who is there in a demo: people with the app, people who are to be given it, and some who cannot be."""

import math
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from localhost.verdict import Installs
from simulator.botclient import Tally
from simulator.config import Config
from simulator.control import Control

INSTALL_CONCURRENCY = 16
REFUSED = {"blocked_by_admin": 0.05, "no_teams_license": 0.04, "user_not_found": 0.04}
"""Why somebody without the app cannot be given it, as reports call it, and what share of them that concerns."""


TRAITS: Mapping[str, Mapping[str, bool]] = {
    "": {},
    "blocked_by_admin": {"policy_blocked": True},
    "no_teams_license": {"licensed": False},
}
"""What people are like in the stand-in, by the reason; who is not found is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """How many people there are of each sort: `friends` have the app, `strangers` get it, `refused` go by reason.

    `reasons` are those of everybody without the app, empty for who can be given it.
    """

    friends: int
    reasons: Sequence[str]

    @property
    def strangers(self) -> int:
        return self.reasons.count("")

    @property
    def refused(self) -> Mapping[str, int]:
        return {reason: self.reasons.count(reason) for reason in REFUSED}


def draw_reasons(number: int, dice: random.Random) -> list[str]:
    """Draw why so many people cannot be given the app; empty for most, who can."""
    return dice.choices([*REFUSED, ""], [*REFUSED.values(), 1 - sum(REFUSED.values())], k=number)


def draw(people: int, *, installed: float, dice: random.Random) -> Draw:
    """Draw what people are like, of whom the share `installed` has the app already."""
    friends = round(people * installed)
    return Draw(friends=friends, reasons=draw_reasons(people - friends, dice))


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """The people of a demo. `names` are the object ids of all in a drawn order; `tally` tells of the friends' installs.

    Of the refused those who are not found are ids that nobody has.
    """

    names: Sequence[str]
    drawn: Draw
    tally: Tally


async def gather_crowd(teams: Control, people: int, *, installed: float) -> Crowd:
    """Add people to the stand-in, whose seed decides who they are, and have the friends install the app."""
    # The seed alone would draw the ids of people whom the stand-in draws by it, too.
    dice = random.Random(f"crowd {Config().seed}")  # noqa: S311 - a demo is drawn to be repeated.
    drawn = draw(people, installed=installed, dice=dice)
    friends = await teams.add_people(drawn.friends)
    names = [person.object_id for person in friends] + await add_strangers(teams, drawn.reasons, dice=dice)
    dice.shuffle(names)
    tally = await teams.install(friends, concurrency=INSTALL_CONCURRENCY)
    return Crowd(names=names, drawn=drawn, tally=tally)


async def add_strangers(teams: Control, reasons: Sequence[str], *, dice: random.Random) -> list[str]:
    """Add people without the app to the stand-in, each of whom has one of the reasons; their object ids, in order."""
    added: dict[int, str] = {}
    for reason, traits in TRAITS.items():
        numbers = [number for number, theirs in enumerate(reasons) if theirs == reason]
        people = await teams.add_people(len(numbers), **traits)
        added |= {number: person.object_id for number, person in zip(numbers, people, strict=True)}
    return [added.get(number) or str(uuid.UUID(int=dice.getrandbits(128), version=4)) for number in range(len(reasons))]


async def count_installs(teams: Control, crowd: Crowd, *, text: str) -> Installs:
    """What Graph installed, what it should have, and how much of it before the first message with a text arrived."""
    given = [holding for holding in (await teams.installations()).values() if holding.installs]
    first = await _first_arrival(teams, text)
    return Installs(
        wanted=crowd.drawn.strangers,
        refused={reason: number for reason, number in crowd.drawn.refused.items() if number},
        now=len(given),
        # Graph refuses to install what is there, so what was asked for tells more than what was done.
        twice=sum(holding.install_requests > 1 for holding in given),
        before_first=sum(holding.given_at < first for holding in given),
    )


async def _first_arrival(teams: Control, text: str) -> float:
    """When the first message with a text arrived, by the stand-in's clock; infinite where none did."""
    async for entry in teams.ledger_entries(event="sent"):
        if entry.text == text:
            return entry.monotonic
    return math.inf
