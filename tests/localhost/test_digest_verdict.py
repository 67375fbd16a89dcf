"""The verdict of the demo's digest: what is drawn gathers for whom it is for, and every wrong card is named."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from localhost.digest_cards import Card, Line, read_card
from localhost.digest_drops import MOST_OWN, Draw, Drop, Fate, gathered
from localhost.digest_verdict import Digest, Message, judge_digest
from localhost.verdict import Delivered, judge
from localhost.words import in_words
from shared.domain.digest_cards import digest_card
from shared.domain.digests import Item, Severity
from shared.domain.letters import Sheet, compose

HEADING = "Your day"
NAMES = [f"person {number}" for number in range(60)]
DROPS = Draw(NAMES, tenant="contoso", digest="daily", audience="some", dice=random.Random(1)).drops()
WANTED = gathered(DROPS)
NOBODY = next(name for name in NAMES if name not in WANTED)
MANY = NAMES[0]
SOLE = next(drops[0] for drops in WANTED.values() if len(drops) == 1)
OWN = next(drop for drop in DROPS if drop.wave == 1 and len(drop.people) == 1 and drop.people[0] != MANY)
OLD = next(
    drop
    for drop in DROPS
    if drop.fate is Fate.REPLACED and drop.document["key"] == OWN.document["key"] and drop.people == OWN.people
)


def a_message(drops: Sequence[Drop], *, heading: str = HEADING) -> Message:
    """The message by which the app tells what gathered."""
    items = [
        Item(
            title=drop.title,
            text=drop.document["text"],
            link=drop.document["link"],
            severity=Severity(drop.document["severity"]),
            at=drop.wave,
        )
        for drop in drops
    ]
    letter = compose(items, (), now=0.0)
    assert letter is not None
    return [{"content": digest_card(Sheet(heading=heading), letter)}]


def judged(messages: dict[str, list[Message]], *, rejected: int = 1, waiting: int = 0) -> Digest:
    return judge_digest(DROPS, messages, heading=HEADING, rejected=rejected, waiting=waiting)


def right_messages() -> dict[str, list[Message]]:
    return {person: [a_message(drops)] for person, drops in WANTED.items()}


def test_what_is_dropped_gathers_for_whom_it_is_for() -> None:
    fates = Counter(drop.fate for drop in DROPS)
    told = [drop.title for drop in DROPS if drop.fate is Fate.TOLD]

    assert 30 < len(WANTED) < len(NAMES)
    assert MOST_OWN <= len(WANTED[MANY]) <= MOST_OWN + 4
    assert all(fates[fate] for fate in Fate)
    assert len(told) == len(set(told))


def test_replaced_items_have_the_keys_of_later_ones() -> None:
    keys = {(drop.document.get("person"), drop.document["key"]): drop for drop in DROPS if "key" in drop.document}
    replaced = [drop for drop in DROPS if drop.fate is Fate.REPLACED]
    later = {
        (drop.document.get("person"), drop.document["key"])
        for drop in DROPS
        if "key" in drop.document and drop.wave == 1 and drop.fate is Fate.TOLD
    }

    assert len(replaced) == len(later) == len(keys)
    assert all(drop.wave == 0 and (drop.document.get("person"), drop.document["key"]) in later for drop in replaced)


def test_a_card_is_read_as_it_was_written() -> None:
    drops = [drop for drop in WANTED[MANY] if drop.document["severity"] == "critical"][:2]

    card = read_card(a_message(drops))

    assert card == Card(
        heading=HEADING, lines=[a_line(drop) for drop in sorted(drops, key=lambda one: one.rank)], more=0
    )


def a_line(drop: Drop) -> Line:
    return Line(**{name: drop.document[name] for name in ("title", "text", "link", "severity")})


def test_right_cards_have_no_disagreements() -> None:
    digest = judged(right_messages())

    assert list(digest.disagreements()) == []
    assert digest.right == digest.recipients == len(WANTED)
    assert digest.shown + digest.counted == sum(map(len, WANTED.values()))
    assert digest.counted >= MOST_OWN - 20


Messages = dict[str, list[Message]]


def without(message: Message, place: int) -> Message:
    """A message whose card lacks one of its blocks."""
    body = list(message[0]["content"]["body"])
    del body[place]
    return [{"content": {"body": body}}]


def lacking(person: str, place: int) -> Callable[[Messages], None]:
    def change(messages: Messages) -> None:
        messages[person] = [without(messages[person][0], place)]

    return change


def told_instead(drop: Drop, **words: Any) -> Callable[[Messages], None]:
    """Have whom an item is for be told another one in its place."""
    (person,) = drop.people
    other = replace(drop, document={**drop.document, **words})

    def change(messages: Messages) -> None:
        messages[person] = [a_message([other if one is drop else one for one in WANTED[person]])]

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda messages: messages.pop(MANY), f"card of {MANY}: 1 missing"),
        (lambda messages: messages.update({NOBODY: [a_message([OWN])]}), f"card of {NOBODY}: 1 too many"),
        (lambda messages: messages[MANY].append(messages[MANY][0]), f"card of {MANY}: 1 too many"),
        (lambda messages: messages.update({MANY: [[]]}), "it is no digest's card"),
        (lacking(MANY, 0), "it is no digest's card"),
        (lambda messages: messages.update({MANY: [a_message(WANTED[MANY], heading="Yours")]}), "its heading is Yours"),
        (lacking(MANY, 2), "it tells 19 and"),
        (lacking(MANY, 2), "the most severe and latest do not come first"),
        (lacking(MANY, -1), "it tells 20 and 0 more"),
        (told_instead(OWN, title=OLD.title), f"it shows what did not gather: {OLD.title}"),
        (told_instead(OWN, text="Something else"), "it shows an item in other words"),
    ],
)
def test_a_wrong_card_is_named(change: Callable[[Messages], Any], sentence: str) -> None:
    messages = right_messages()
    change(messages)

    digest = judged(messages)

    assert any(sentence in one for one in digest.disagreements()), list(digest.disagreements())


def test_an_item_that_is_told_twice_is_named() -> None:
    messages = right_messages()
    messages[MANY] = [a_message([*WANTED[MANY][:2], WANTED[MANY][0]])]

    assert any("it shows an item twice" in one for one in judged(messages).disagreements())


def test_items_that_still_wait_or_were_not_rejected_are_disagreements() -> None:
    digest = judged(right_messages(), rejected=0, waiting=7)

    assert list(digest.disagreements()) == ["the app rejected 0 items, 1 are wrong", "7 items still wait"]


def test_a_digest_is_for_those_alone_for_whom_something_gathered() -> None:
    number = len(WANTED)
    report = {"state": "finished", "total": number, "counts": {"sent": number}, "reasons": {}}
    delivered = Delivered(reached=number, duplicates=0, requests=number, throttled=0, rate=48.5)

    def verdict(digest: Digest) -> Any:
        return judge(people=len(NAMES), report=report, deferred=0, delivered=delivered, seconds=3.0, digest=digest)

    good, bad = verdict(judged(right_messages())), verdict(judged(right_messages(), waiting=1))

    assert (good.disagreements, good.lost, good.people, good.sent) == ((), 0, len(NAMES), number)
    assert bad.disagreements == ("1 items still wait",)
    assert good.to_json()["digest"]["recipients"] == number
    assert f"{number} of {len(NAMES)} people have the digest" in in_words(good)
    assert f"{number} cards tell exactly that" in in_words(good)
