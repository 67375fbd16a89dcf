"""The main job: who installed the bot gets what was asked for, over the queue and over HTTP."""

import asyncio
import csv
import io
import json
from base64 import b64encode
from uuid import uuid4

import pytest

from tests.e2e.herald import Herald

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_everyone_who_installed_gets_a_request_from_the_queue(herald: Herald) -> None:
    people = await herald.people(150)
    document = herald.request()

    await herald.put(json.dumps(document))

    report = await herald.finished(await herald.find(document["key"]))
    received = await herald.received(document["content"]["text"])
    assert report["state"] == "finished"
    assert report["counts"]["sent"] == report["total"] == received["reached"] >= len(people)
    assert received["duplicates"] == 0


async def test_a_request_in_base64_is_understood(herald: Herald) -> None:
    (person,) = await herald.people(1)
    document = herald.request(users=[person])

    await herald.put(b64encode(json.dumps(document).encode()).decode())

    report = await herald.finished(await herald.find(document["key"]))
    assert report["counts"]["sent"] == 1


async def test_named_people_get_a_card_and_the_report_names_each_delivery(herald: Herald) -> None:
    people = await herald.people(3)
    card = {"type": "AdaptiveCard", "version": "1.5", "body": [{"type": "TextBlock", "text": f"News {uuid4()}"}]}
    document = herald.request(users=people, content={"card": card, "summary": "News", "alert": True})

    broadcast = await herald.ask(document)
    await herald.finished(broadcast)

    deliveries = await herald.deliveries(broadcast)
    assert {one["recipient"]["id"] for one in deliveries} == {person.object_id for person in people}
    assert all(one["state"] == "sent" and one["activity_id"] for one in deliveries)
    for person in people:
        entries = [entry async for entry in herald.teams.ledger_entries(person=person, event="sent")]
        assert entries[-1].activity_id in {one["activity_id"] for one in deliveries}


async def test_deliveries_are_there_as_csv(herald: Herald) -> None:
    people = await herald.people(2)
    broadcast = await herald.ask(herald.request(users=people))
    await herald.finished(broadcast)

    answer = await herald.call("GET", f"/api/broadcasts/{broadcast}/deliveries", Accept="text/csv")

    rows = list(csv.DictReader(io.StringIO(answer.body)))
    assert len(rows) == 2
    assert {row["state"] for row in rows} == {"sent"}


async def test_a_channel_gets_a_thread_and_a_chat_and_a_team_get_the_message(herald: Herald) -> None:
    (owner,) = await herald.people(1, installed=False)
    team = await herald.teams.add_team("Works", channels=["News"], members=[owner])
    chat = await herald.teams.add_chat("Canteen", members=[owner])
    await herald.teams.install_in_team(team["id"], owner, channel_id=team["channels"][1]["id"])
    await herald.teams.install_in_chat(chat["id"], owner)
    audience = {"teams": [team["id"]], "channels": [team["channels"][1]["id"]], "chats": [chat["id"]]}
    document = herald.request(audience=audience)

    report = await herald.finished(await herald.ask(document))

    assert report["counts"]["sent"] == report["total"] == 3
    assert (await herald.received(document["content"]["text"]))["reached"] == 3


async def test_who_was_named_twice_gets_one_message(herald: Herald) -> None:
    people = await herald.people(5)
    audience = {"users": [person.object_id.upper() for person in people], "everyone": "installed"}
    document = herald.request(audience=audience)

    report = await herald.finished(await herald.ask(document))

    received = await herald.received(document["content"]["text"])
    assert received["duplicates"] == 0
    assert report["counts"]["sent"] == received["reached"]


async def test_who_removed_the_app_is_not_installed_and_who_came_back_is_reached(herald: Herald) -> None:
    gone, back = await herald.people(2)
    await herald.teams.uninstall([gone, back])
    await herald.teams.install([back])
    document = herald.request(users=[gone, back])

    report = await herald.finished(await herald.ask(document))

    assert report["counts"]["sent"] == 1
    assert report["reasons"] == {"not_installed": 1}
    assert [entry async for entry in herald.teams.ledger_entries(person=back, event="sent")]


async def test_who_has_the_app_but_no_stored_conversation_is_reached_by_object_id(herald: Herald) -> None:
    (silent,) = await herald.people(1, installed=False)
    await herald.teams.install([silent], notify=False)
    (stranger,) = await herald.people(1, installed=False)
    document = herald.request(users=[silent, stranger])

    report = await herald.finished(await herald.ask(document))

    assert report["counts"]["sent"] == 1
    assert report["reasons"] == {"not_installed": 1}


async def test_a_person_who_writes_gets_a_short_answer(herald: Herald) -> None:
    (person,) = await herald.people(1)

    posted = await herald.teams.say(person, "Who are you?")

    entries = [entry async for entry in herald.teams.ledger_entries(person=person, event="sent")]
    assert posted.status == 200
    assert len(entries) == 1


async def test_the_same_key_and_body_is_the_same_broadcast_and_another_body_is_a_conflict(herald: Herald) -> None:
    people = await herald.people(1)
    document = herald.request(users=people)
    first = await herald.ask(document)

    again = await herald.ask(document)
    conflict = await herald.call("POST", "/api/broadcasts", document={**document, "content": {"text": "Another"}})

    assert again == first
    assert conflict.status == 409
    assert conflict.headers["Content-Type"].startswith("application/problem+json")
    await herald.finished(first)
    assert (await herald.received(document["content"]["text"]))["duplicates"] == 0


async def test_every_fault_of_a_request_is_named_by_its_pointer(herald: Herald) -> None:
    document = {"version": 2, "audience": {"users": ["someone@example.org"]}, "content": {"text": " "}, "colour": "red"}

    answer = await herald.call("POST", "/api/broadcasts", document=document)

    pointers = {fault["pointer"] for fault in answer.body["errors"]}
    assert answer.status == 422
    assert pointers == {"/version", "/audience/users/0", "/content/text", "/colour"}


@pytest.mark.parametrize(
    "message",
    [
        # No JSON at all.
        "not a request",
        # JSON that breaks the contract.
        json.dumps({"version": 1, "audience": {}, "content": {"text": "x"}}),
        # A top-level name that the host would read as the message's own metadata.
        json.dumps({"version": 1, "dequeueCount": "many", "audience": {"everyone": "installed"}}),
    ],
)
async def test_a_queue_request_that_cannot_be_accepted_is_kept_with_its_faults(herald: Herald, message: str) -> None:
    marked = message.replace("}", f', "mark": "{uuid4()}"}}', 1) if message.startswith("{") else f"{message} {uuid4()}"

    await herald.put(marked)

    rejection = await _rejection(herald, marked)
    assert rejection["errors"]


async def _rejection(herald: Herald, body: str) -> dict[str, object]:
    async with asyncio.timeout(30):
        while True:
            listed = (await herald.call("GET", "/api/rejections")).body["rejections"]
            for rejection in listed:
                if rejection["body"] == body:
                    return dict(rejection)
            await asyncio.sleep(0.3)
