"""What other services drop for the demo's digest, and what of it gathers for whom. Pure."""

import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Any

SEVERITIES = {"critical": 0.1, "warning": 0.3, "info": 0.6}
"""In the order in which a digest tells them, with the share of items that each has."""
OWN = {0: 0.5, 1: 0.3, 2: 0.1, 5: 0.1}
"""How many items people have of their own, and what share of them that concerns."""
MOST_OWN = 1_000
"""What one of them has."""
REPLACED, EXPIRED = 0.1, 0.05
"""The shares of people's own items that replace another, and beside which another one expires."""
MOST_NAMED = 500
"""People whom an audience names here, at most: an item may name 1,000, in a message of 64 KiB."""
EXPIRES_AFTER = 1
"""Seconds for which an item lives that nobody is told."""


class Fate(StrEnum):
    """What becomes of an item."""

    TOLD = "told"
    REPLACED = "replaced"
    EXPIRED = "expired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """An item as a service drops it, for `people` by object id. Those of `wave` 1 come once all of wave 0 are kept."""

    document: Mapping[str, Any]
    people: Sequence[str] = ()
    wave: int = 0
    fate: Fate = Fate.TOLD

    @property
    def title(self) -> str:
        """What is on top of it. No other one that is told has the same."""
        return str(self.document.get("title", ""))

    @property
    def rank(self) -> tuple[int, int]:
        """Where it stands among what gathered for a person: the most severe first, of these the latest wave."""
        return list(SEVERITIES).index(self.document["severity"]), -self.wave


def gathered(drops: Sequence[Drop]) -> dict[str, list[Drop]]:
    """What is to be told to whom, by object id."""
    found = defaultdict[str, list[Drop]](list)
    for drop in drops:
        if drop.fate is Fate.TOLD:
            for person in drop.people:
                found[person].append(drop)
    return dict(found)


class Draw:
    """Draws what is dropped for some people; `saved` are those whom the audience named `audience` holds."""

    def __init__(self, names: Sequence[str], *, tenant: str, digest: str, audience: str, dice: random.Random) -> None:
        self._names = names
        self._common = {"version": 1, "tenant": tenant, "digest": digest}
        self._audience = audience
        self._dice = dice
        self._numbers = count(1)
        self.saved = self._some(1 / 4)

    def drops(self) -> list[Drop]:
        """All that is dropped, in a drawn order."""
        drops = [*self._shared(), *self._wrong()]
        for place, name in enumerate(self._names):
            number = MOST_OWN if place == 0 else self._dice.choices([*OWN], [*OWN.values()])[0]
            for _ in range(number):
                drops += self._own(name, may_expire=place > 0)
        self._dice.shuffle(drops)
        return drops

    def _own(self, name: str, *, may_expire: bool) -> Iterator[Drop]:
        """An item of one person, and maybe one that it replaces, or one that expires."""
        number, whom, people = next(self._numbers), {"person": name}, [name]
        key = {"key": f"ticket-{number}"} if self._dice.random() < REPLACED else {}
        if key:
            yield self._drop(f"Ticket {number} is open", whom | key, people, fate=Fate.REPLACED)
        yield self._drop(f"Ticket {number} waits for you", whom | key, people, wave=1 if key else 0)
        if may_expire and self._dice.random() < EXPIRED:
            yield self._drop(f"Build {number} is running", whom, people, fate=Fate.EXPIRED)

    def _shared(self) -> Iterator[Drop]:
        """Items for many: some are left out, and for them nothing may have gathered."""
        left_out, part = self._some(1 / 3), self._some(1 / 5)
        most = {"audience": {"everyone": "installed", "except": {"users": left_out}}}
        people = sorted({*self._names} - {*left_out})
        yield self._drop("The canteen is closed on Friday", most, people)
        yield self._drop("The office closes at six", most | {"key": "office"}, people, fate=Fate.REPLACED)
        yield self._drop("The office closes at five", most | {"key": "office"}, people, wave=1)
        yield self._drop("Coffee is ready", most, people, fate=Fate.EXPIRED)
        yield self._drop("A fire drill at ten", {"audience": {"saved": [self._audience]}}, self.saved)
        yield self._drop("Your badge ends this month", {"audience": {"users": part}}, part)

    def _wrong(self) -> Iterator[Drop]:
        yield Drop(document=self._common | {"title": "An item for nobody"}, fate=Fate.REJECTED)

    def _drop(
        self, title: str, whom: Mapping[str, Any], people: Sequence[str], *, wave: int = 0, fate: Fate = Fate.TOLD
    ) -> Drop:
        words = {"title": title, "text": f"About *{title}*.", "link": f"https://example.com/{next(self._numbers)}"}
        severity = self._dice.choices([*SEVERITIES], [*SEVERITIES.values()])[0]
        life = {"expires_after": f"PT{EXPIRES_AFTER}S"} if fate is Fate.EXPIRED else {}
        document = {**self._common, **whom, **words, **life, "severity": severity}
        return Drop(document=document, people=people, wave=wave, fate=fate)

    def _some(self, share: float) -> list[str]:
        """So many of the people at random, at least one."""
        number = min(MOST_NAMED, max(1, round(len(self._names) * share)))
        return self._dice.sample(self._names, min(number, len(self._names)))
