"""Digests from the items to the cards: by both doors, through the demo, and with the host killed in the middle."""

import asyncio
import json
import sys
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

from localhost.digest_cards import Card, Line, read_card
from localhost.digest_demo import put_items, read_messages
from localhost.tools import ROOT
from shared.storage import names
from shared.storage.broadcasts import Broadcasts
from shared.storage.digest_items import DigestItems
from tests.e2e.herald import Herald
from tests.e2e.storage import storage_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


def a_digest() -> str:
    """The name of a digest that no other test has."""
    return f"d{uuid4().hex[:12]}"


async def schedule_of(herald: Herald, digest: str) -> str:
    """Make a schedule that tells a digest in February of a leap year alone; its path."""
    timetable = {"cron": "0 9 29 2 *", "zone": "Europe/Berlin"}
    document = {
        "version": 1,
        "key": digest,
        "timetable": timetable,
        "digest": {"name": digest, "heading": "Your day"},
    }
    created = await herald.call("POST", "/api/schedules", document=document)
    assert created.status == 201, created
    return f"/api/schedules/{created.body['id']}"


async def run(herald: Herald, schedule: str) -> str:
    """Run a schedule now; the broadcast's id."""
    answer = await herald.call("POST", f"{schedule}/run")
    assert answer.status == 202, answer
    return answer.headers["Location"].rpartition("/")[2]


async def cards(herald: Herald, person: str) -> list[Card]:
    """The cards that somebody has, in the order of their arrival."""
    return [read_card(message) for message in (await read_messages(herald.stack)).get(person, ())]


async def waiting(herald: Herald, digest: str) -> list[dict[str, Any]]:
    answer = await herald.call("GET", f"/api/digests/{digest}/items?limit=1000")
    items: list[dict[str, Any]] = answer.body["items"]
    return items


async def test_what_gathered_by_both_doors_is_one_card_for_each_person(herald: Herald) -> None:
    many, one, nobody = (person.object_id for person in await herald.people(3))
    digest = a_digest()
    schedule = await schedule_of(herald, digest)
    link = "https://example.com/4711"
    items = [
        {"person": many, "title": "Ticket 4711 is open", "severity": "critical", "key": "4711"},
        {"person": many, "title": "Ticket *4711* waits", "severity": "warning", "key": "4711", "text": "For **you**."},
        {"person": nobody, "title": "It is over", "expires_after": "PT1S"},
    ]
    for item in items:
        answer = await herald.call("POST", f"/api/digests/{digest}/items", document={"version": 1, **item})
        assert answer.status == 202, answer
    shared = {"audience": {"users": [many, one]}, "title": "The canteen is closed", "link": link}
    await put_items(herald.stack, [json.dumps({"version": 1, "digest": digest, **shared})])
    await asyncio.sleep(1)

    first = await herald.finished(await run(herald, schedule))
    again = await herald.finished(await run(herald, schedule))

    canteen = Line(title="The canteen is closed", text="", link=link, severity="info")
    ticket = Line(title="Ticket *4711* waits", text="For **you**.", link="", severity="warning")
    assert (first["digest"], first["counts"]["sent"], again["total"]) == (digest, 2, 0)
    assert await cards(herald, many) == [Card(heading="Your day", lines=[ticket, canteen], more=0)]
    assert await cards(herald, one) == [Card(heading="Your day", lines=[canteen], more=0)]
    assert await cards(herald, nobody) == []
    assert await waiting(herald, digest) == []


async def test_the_demo_tells_a_digest() -> None:
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "localhost.demo", "--digest", "--people", "30", "--unlimited", "--json"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )

    said, _ = await demo.communicate()

    told = json.loads(said)
    assert (demo.returncode, told["disagreements"]) == (0, [])
    assert told["sent"] == told["digest"]["cards_right"] == told["digest"]["recipients"] > 20


@pytest.mark.timeout(600)
async def test_each_item_is_in_one_of_two_digests_though_the_host_is_killed_while_the_first_is_planned_and_sent(
    paced: Herald,
) -> None:
    people = [person.object_id for person in await paced.people(1_000)]
    digest = a_digest()
    schedule = await schedule_of(paced, digest)
    early: list[dict[str, Any]] = [
        {"person": person, "title": f"Early {number}"} for number, person in enumerate(people)
    ]
    late: list[dict[str, Any]] = [
        {"person": person, "title": f"Late {number}"} for number, person in enumerate(people[:200])
    ]
    everybody: dict[str, Any] = {"audience": {"everyone": "installed"}, "title": "For everybody"}
    await put_items(paced.stack, [documented(digest, one) for one in [*early, everybody]])
    await paced.teams.clear_ledger()

    first = await run(paced, schedule)
    await kill_while_items_are_taken(paced, first, digest)
    for one in late:
        await paced.put(documented(digest, one), queue="digest-items")
    await paced.stack.restart_host(0)
    under_way = await paced.sent_at_least(first, 200, within=200)
    paced.stack.kill_host(0)
    await paced.stack.restart_host(0)
    await paced.finished(first, within=300)
    second = await paced.finished(await run(paced, schedule))

    found = await read_messages(paced.stack)
    titles = Counter[tuple[str, str]]()
    for person, messages in found.items():
        # A card that was being sent when the host died may have come again, and then says the same.
        for message in {json.dumps(message): message for message in messages}.values():
            titles.update((person, line.title) for line in read_card(message).lines)
    told = [*early, *late, *({"person": person, "title": "For everybody"} for person in people)]
    assert under_way["counts"]["sent"] < 1_000
    assert titles == Counter((one["person"], one["title"]) for one in told)
    assert sum(map(len, found.values())) - 1_000 - second["counts"]["sent"] <= 100
    assert await waiting(paced, digest) == []


def documented(digest: str, item: dict[str, Any]) -> str:
    return json.dumps({"version": 1, "digest": digest, **item})


async def kill_while_items_are_taken(herald: Herald, broadcast: str, digest: str) -> None:
    """Kill the host when a step has named items, and before all of them are removed."""
    async with storage_of(herald) as account:
        store, items = Broadcasts(account.table(names.BROADCASTS)), DigestItems(account.table(names.DIGESTS))
        async with asyncio.timeout(60):
            while not await store.digests.taken(broadcast):
                await asyncio.sleep(0.01)
        herald.stack.kill_host(0)
        assert [one async for one in items.people(herald.tenant, digest)], "the kill came too late"
