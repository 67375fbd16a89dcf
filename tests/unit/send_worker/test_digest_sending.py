"""Digests: each recipient of a batch gets a letter of their own, once, and it can be taken back."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from messages import parts
from messages.wishes import Wishes
from shared.domain.audience import Audience, pack_audience
from shared.domain.batches import Recipient
from shared.domain.broadcasts import Broadcast
from shared.domain.cursors import Cursor, Phase
from shared.domain.digests import Item, Severity
from shared.domain.lanes import LanePlan
from shared.domain.letters import Sheet, compose, pack_letter, pack_sheet
from shared.domain.modes import Mode
from shared.domain.outcomes import State
from shared.domain.recipients import RecipientKind, recipient_key
from shared.teams.answers import Answer, Verdict
from tests.twins.teams import MemoryConnector
from tests.twins.world import EPOCH, SERVICE_URL, TENANT, World, in_a_world, object_id

URL = "https://herald.test/api/broadcasts"
DIGEST = "01digest000000000000"
SHEET = Sheet(heading="Daily", items=(Item(title="Maintenance", at=0.0), Item(title="Canteen", at=1.0)))


def letter_of(number: int) -> str:
    """The letter of a person: the first has an item of their own, and every second one reads of the canteen."""
    own = [Item(title=f"Ticket {number}", severity=Severity.CRITICAL, at=0.0)] if number == 0 else []
    letter = compose(own, [(place, SHEET.items[place]) for place in range(1 + number % 2)], now=EPOCH)
    assert letter is not None
    return pack_letter(letter)


async def begin(world: World, people: int, *, mode: Mode = Mode.SEND) -> None:
    """Write a digest as its planner does, and nudge."""
    app = world.app()
    recipients = [
        Recipient(
            key=recipient_key(RecipientKind.USER, object_id(number)),
            conversation=f"a{number}",
            member=object_id(number),
            service_url=SERVICE_URL,
            letter=letter_of(number),
        )
        for number in range(people)
    ]
    broadcast = Broadcast(
        id=DIGEST,
        tenant=TENANT,
        key="k",
        body_hash="h",
        mode=mode,
        digest="daily",
        lanes=LanePlan(sends=1),
        accepted_at=EPOCH,
    )
    await app.directory.open(DIGEST, tenant=TENANT, opened_at=EPOCH)
    await app.broadcasts.begin(
        broadcast,
        content=pack_sheet(SHEET),
        audience=pack_audience(Audience(users=tuple(one.key for one in recipients))),
        cursor=Cursor(phase=Phase.FINISHED, batches=1, recipients=people),
        batch=recipients,
    )
    await app.nudging.batch(DIGEST, 0)


def wishes(world: World) -> Wishes:
    return parts.wishes(world.app())


def titles(activity: dict[str, Any]) -> list[str]:
    """The titles of a card's items, in the order of reading."""
    (attachment,) = activity["attachments"]
    items = [element for element in attachment["content"]["body"] if element["type"] == "Container"]
    return [item["items"][0]["inlines"][0]["text"] for item in items]


def test_each_recipient_of_a_batch_gets_a_letter_of_their_own_once() -> None:
    connector = MemoryConnector()

    async def scenario(world: World) -> None:
        world.start()
        await begin(world, 2)
        await world.finished(DIGEST)

        heard = {
            conversation: [titles(said) for said in all_said] for conversation, all_said in connector.heard.items()
        }
        assert heard == {"a0": [["Ticket 0", "Maintenance"]], "a1": [["Canteen", "Maintenance"]]}
        summaries = {said["summary"] for all_said in connector.heard.values() for said in all_said}
        assert summaries == {"2 items: Ticket 0", "2 items: Canteen"}
        assert world.states(DIGEST) == {State.SENT: 2}

    in_a_world(scenario, connector=connector)


def test_a_letter_that_was_throttled_is_sent_again_as_it_was() -> None:
    refused = Counter[str]()

    def rule(whom: str) -> Answer | None:
        refused[whom] += 1
        return Answer(kind=Verdict.THROTTLED, retry_after=3.0) if refused[whom] == 1 else None

    connector = MemoryConnector(rule=rule)

    async def scenario(world: World) -> None:
        world.start(2)
        await begin(world, 100)
        await world.finished(DIGEST)

        expected = [["Ticket 0"], ["Canteen"], *([["Maintenance"], ["Canteen"]] * 49)]
        assert [[titles(said)[0] for said in connector.heard[f"a{n}"]] for n in range(100)] == expected
        assert set(connector.received.values()) == {1}

    in_a_world(scenario, connector=connector)


def test_a_digest_in_the_sandbox_says_nothing_to_anybody() -> None:
    connector = MemoryConnector()

    async def scenario(world: World) -> None:
        world.start()
        await begin(world, 2, mode=Mode.SANDBOX)
        await world.finished(DIGEST)

        assert world.states(DIGEST) == {State.SENT: 2}
        assert not connector.heard

    in_a_world(scenario, connector=connector)


@pytest.mark.parametrize("seconds", [1.0, 200.0])
def test_a_recall_takes_the_letters_back(seconds: float) -> None:
    async def scenario(world: World) -> None:
        world.start()
        await begin(world, 100)
        await asyncio.sleep(seconds)

        await wishes(world).recall(DIGEST, url=URL)
        await world.finished(DIGEST)

        assert world.connector.texts
        assert not any(world.connector.texts.values())
        assert set(world.connector.received.values()) == {1}

    in_a_world(scenario)
