"""What a digest's cards say, against what was dropped for it. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localhost.digest_cards import faults_in, read_card
from localhost.digest_drops import Drop, Fate, gathered

MOST_FAULTS = 10
"""Cards of which a verdict tells what is wrong with them."""

Message = Sequence[Mapping[str, Any]]
"""A message's attachments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What a digest told.

    So many `recipients` were to get it, for whom something had gathered, and so many cards are `right`. All cards
    together show `shown` items and count `counted` more. Of what was `dropped` some was to be `replaced`, some to be
    `expired`, and the app `rejected` some, where `wrong` items are right. `waiting` items were left when all had ended.
    """

    recipients: int
    right: int
    shown: int
    counted: int
    dropped: int
    replaced: int
    expired: int
    rejected: int
    wrong: int
    waiting: int
    faults: Sequence[str]

    def disagreements(self) -> Iterator[str]:
        """Yield a sentence for each difference; of wrong cards for the first ones."""
        yield from self.faults[:MOST_FAULTS]
        if self.right != self.recipients:
            yield f"{self.recipients} people were to get a card, {self.right} cards are right"
        if self.rejected != self.wrong:
            yield f"the app rejected {self.rejected} items, {self.wrong} are wrong"
        if self.waiting:
            yield f"{self.waiting} items still wait"

    def to_json(self) -> dict[str, Any]:
        """Return the member `digest` of what `--json` prints."""
        return {
            "recipients": self.recipients,
            "cards_right": self.right,
            "items_shown": self.shown,
            "items_counted": self.counted,
            "items_dropped": self.dropped,
            "items_replaced": self.replaced,
            "items_expired": self.expired,
            "items_rejected": self.rejected,
            "items_waiting": self.waiting,
        }


def judge_digest(
    drops: Sequence[Drop], messages: Mapping[str, Sequence[Message]], *, heading: str, rejected: int, waiting: int
) -> Digest:
    """Hold the messages that each person got, by object id, against what was dropped for them."""
    wanted, fates = gathered(drops), Counter(drop.fate for drop in drops)
    faults, right, shown, counted = list[str](), 0, 0, 0
    for person in sorted(wanted.keys() | messages.keys()):
        found = list[str]()
        for message in messages.get(person, ()):
            try:
                card = read_card(message)
            except (ValueError, LookupError):
                found.append("it is no digest's card")
                continue
            shown, counted = shown + len(card.lines), counted + card.more
            found += faults_in(card, wanted.get(person, ()), heading=heading)
        if number := len(messages.get(person, ())) - (person in wanted):
            found.append(f"{abs(number)} {'too many' if number > 0 else 'missing'}")
        right += person in wanted and not found
        faults += [f"card of {person}: {fault}" for fault in found]
    return Digest(
        recipients=len(wanted),
        right=right,
        shown=shown,
        counted=counted,
        dropped=len(drops),
        replaced=fates[Fate.REPLACED],
        expired=fates[Fate.EXPIRED],
        rejected=rejected,
        wrong=fates[Fate.REJECTED],
        waiting=waiting,
        faults=faults,
    )
