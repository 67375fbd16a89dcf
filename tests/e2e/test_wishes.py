"""What an author may wish for a broadcast that exists."""

import asyncio

import pytest

from tests.e2e.herald import Herald

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_paused_broadcast_stands_still_until_it_is_resumed(paced: Herald) -> None:
    people = await paced.people(400)
    document = paced.request(users=people)
    broadcast = await paced.ask(document)
    await paced.sent_at_least(broadcast, 50)

    answer = await paced.call("POST", f"/api/broadcasts/{broadcast}/pause")
    await asyncio.sleep(6)
    held = await paced.report(broadcast)
    await asyncio.sleep(3)
    still = await paced.report(broadcast)

    assert answer.status == 202
    assert (held["state"], held["paused_for"]) == ("paused", "by_request")
    assert held["counts"]["sent"] == still["counts"]["sent"] < 400

    assert (await paced.call("POST", f"/api/broadcasts/{broadcast}/resume")).status == 202
    report = await paced.finished(broadcast)
    assert report["counts"]["sent"] == 400
    assert (await paced.received(document["content"]["text"]))["duplicates"] == 0


async def test_a_retry_reaches_only_those_who_were_chosen(herald: Herald) -> None:
    people = await herald.people(10)
    await herald.teams.misbehave(status=500, code="ServiceError", people=people[:3])
    await herald.teams.misbehave(status=403, code="BotDisabledByAdmin", people=people[3:5])
    document = herald.request(users=people)
    first = await herald.ask(document)
    await herald.finished(first)
    await herald.teams.behave()

    answer = await herald.call("POST", f"/api/broadcasts/{first}/retry", document={"reasons": ["service_error"]})
    second = await herald.finished(answer.body["id"])

    received = await herald.received(document["content"]["text"])
    assert answer.status == 202
    assert second["counts"]["sent"] == second["total"] == 3
    assert (received["reached"], received["duplicates"]) == (8, 0)
    assert (await herald.report(first))["reasons"] == {"service_error": 3, "blocked_by_admin": 2}


async def test_a_request_may_be_for_the_recipients_of_another_broadcast(herald: Herald) -> None:
    people = await herald.people(4)
    first = await herald.ask(herald.request(users=people))
    await herald.finished(first)
    follow_up = herald.request(audience={"from": first, "states": ["sent"]})

    report = await herald.finished(await herald.ask(follow_up))

    assert report["counts"]["sent"] == report["total"] == 4


async def test_an_expired_secret_pauses_the_broadcast_and_loses_nobody(herald: Herald) -> None:
    people = await herald.people(60)
    await herald.teams.misbehave(status=401, code="BotNotRegistered", people=people)
    document = herald.request(users=people)
    broadcast = await herald.ask(document)

    async with asyncio.timeout(30):
        while (report := await herald.report(broadcast))["state"] != "paused":
            await asyncio.sleep(0.3)
    await herald.teams.behave()
    # By itself it would go on within two minutes; a person need not wait for that.
    await herald.call("POST", f"/api/broadcasts/{broadcast}/resume")
    finished = await herald.finished(broadcast)

    assert report["paused_for"] == "blocked_auth"
    assert finished["counts"]["sent"] == 60
    assert (await herald.received(document["content"]["text"]))["duplicates"] == 0


async def test_a_message_that_is_rejected_for_everybody_stops(paced: Herald) -> None:
    people = await paced.people(200)
    await paced.teams.misbehave(status=400, code="Bad Argument", people=people)
    broadcast = await paced.ask(paced.request(users=people))

    async with asyncio.timeout(30):
        while (report := await paced.report(broadcast))["state"] != "paused":
            await asyncio.sleep(0.3)

    assert report["paused_for"] == "message_rejected"
    assert report["counts"]["pending"] > 0


async def test_a_chat_that_is_gone_is_found_again_once(herald: Herald) -> None:
    (person,) = await herald.people(1)
    number = await herald.teams.misbehave(
        status=404, code="ConversationNotFound", people=[person], kinds=["send"], count=1
    )
    document = herald.request(users=[person])

    report = await herald.finished(await herald.ask(document))

    await herald.teams.behave(number)
    assert report["counts"]["sent"] == 1
    assert (await herald.received(document["content"]["text"]))["reached"] == 1


async def test_an_edit_reaches_what_was_sent_and_what_was_not_yet(paced: Herald) -> None:
    people = await paced.people(150)
    document = paced.request(users=people)
    broadcast = await paced.ask(document)
    await paced.sent_at_least(broadcast, 60)

    answer = await paced.call(
        "PUT", f"/api/broadcasts/{broadcast}/content", document={"content": {"text": "The better words"}}
    )
    report = await paced.finished(broadcast, within=200)

    summary = await paced.teams.ledger_summary()
    first, second = await paced.received(document["content"]["text"]), await paced.received("The better words")
    assert answer.status == 202
    assert report["state"] == "finished"
    assert report["counts"]["sent"] == 150
    assert report["revision"]["counts"]["edited"] == report["revision"]["total"] == first["reached"] == summary.updates
    assert first["reached"] + second["reached"] == 150
    assert summary.people_repeated == 0


async def test_the_newest_of_several_edits_wins(herald: Herald) -> None:
    people = await herald.people(150)
    broadcast = await herald.ask(herald.request(users=people))
    await herald.finished(broadcast)

    for words in ("second", "third", "fourth"):
        content = {"content": {"text": f"{broadcast} {words}"}}
        assert (await herald.call("PUT", f"/api/broadcasts/{broadcast}/content", document=content)).status == 202
    report = await herald.finished(broadcast, within=150)

    assert report["revision"]["number"] == 3
    assert report["revision"]["counts"]["edited"] == 150
    for person in people:
        entries = [entry async for entry in herald.teams.ledger_entries(person=person)]
        assert entries[-1].text == f"{broadcast} fourth"


async def test_a_recall_takes_back_what_is_there_and_tells_what_is_gone(herald: Herald) -> None:
    people = await herald.people(3)
    broadcast = await herald.ask(herald.request(users=people))
    await herald.finished(broadcast)
    await herald.teams.misbehave(status=404, code="ActivityNotFoundInConversation", people=people[:1], kinds=["delete"])

    assert (await herald.call("POST", f"/api/broadcasts/{broadcast}/recall")).status == 202
    report = await herald.finished(broadcast, within=150)

    await herald.teams.behave()
    counts = report["revision"]["counts"]
    assert (counts["recalled"], counts["activity_gone"]) == (2, 1)
    assert report["counts"]["sent"] == 3
    assert (await herald.call("POST", f"/api/broadcasts/{broadcast}/recall")).status == 409


async def test_a_dry_run_tells_what_would_happen_and_sends_nothing(herald: Herald) -> None:
    people = await herald.people(12)
    strangers = await herald.people(3, installed=False)
    document = herald.request(users=[*people, *strangers], options={"mode": "dry_run"})

    report = await herald.finished(await herald.ask(document))

    assert (report["state"], report["total"], report["planned"]) == ("finished", 0, True)
    assert report["rehearsal"]["recipients"] == 15
    counts = {
        "reachable": 12,
        "blocked": 0,
        "to_install": 3,
        "user_not_found": 0,
        "conversation_gone": 0,
        "opted_out": 0,
    }
    assert report["rehearsal"]["counts"] == counts
    assert (await herald.received(document["content"]["text"]))["reached"] == 0


async def test_a_test_reaches_its_person_alone(herald: Herald) -> None:
    people = await herald.people(6)
    document = herald.request(users=people, options={"mode": "test", "test_user": people[4].object_id})

    report = await herald.finished(await herald.ask(document))
    deliveries = await herald.deliveries(report["id"])

    assert (report["mode"], report["counts"]["sent"]) == ("test", 1)
    assert [one["recipient"]["id"] for one in deliveries] == [people[4].object_id]
    assert (await herald.received(document["content"]["text"]))["reached"] == 1


async def test_a_sandbox_goes_the_whole_way_and_calls_nobody(herald: Herald) -> None:
    people = await herald.people(130)
    document = herald.request(users=people, options={"mode": "sandbox"})

    report = await herald.finished(await herald.ask(document))
    deliveries = await herald.deliveries(report["id"])

    assert (report["mode"], report["counts"]["sent"]) == ("sandbox", 130)
    assert all(one["activity_id"].startswith("sandbox-") for one in deliveries)
    assert (await herald.received(document["content"]["text"]))["reached"] == 0


async def test_a_slow_start_reaches_its_first_people_and_later_the_others(herald: Herald) -> None:
    people = await herald.people(120)
    options = {"ramp": {"people": 20, "wait": "PT12S"}}
    document = herald.request(users=people, options=options)
    broadcast = await herald.ask(document)

    await herald.sent_at_least(broadcast, 20)
    await asyncio.sleep(3)
    first = await herald.report(broadcast)
    report = await herald.finished(broadcast)

    assert (first["total"], first["counts"]["sent"], first["planned"]) == (20, 20, False)
    assert first["ramp"]["goes_on_at"]
    assert report["counts"]["sent"] == 120
    received = await herald.received(document["content"]["text"])
    assert (received["reached"], received["duplicates"]) == (120, 0)


async def test_one_switch_stops_all_of_a_tenants_sending(paced: Herald) -> None:
    people = await paced.people(300)
    documents = [paced.request(users=people[:150]), paced.request(users=people[150:])]
    broadcasts = [await paced.ask(document) for document in documents]
    await paced.sent_at_least(broadcasts[0], 20)

    stopped = await paced.call("POST", f"/api/tenants/{paced.tenant}/stop")
    await asyncio.sleep(6)
    held = [await paced.report(broadcast) for broadcast in broadcasts]
    await asyncio.sleep(3)
    still = [await paced.report(broadcast) for broadcast in broadcasts]
    # A person who writes to the bot is answered all the same.
    before = await paced.teams.ledger_summary()
    await paced.teams.say(people[0], "Are you there?")
    after = await paced.teams.wait_for_deliveries(before.deliveries + 1)
    resumed = await paced.call("POST", f"/api/tenants/{paced.tenant}/resume")
    reports = [await paced.finished(broadcast) for broadcast in broadcasts]

    assert (stopped.status, resumed.body["stopped_at"]) == (200, None)
    assert after.deliveries == before.deliveries + 1
    assert {one["paused_for"] for one in held} == {"tenant_stopped"}
    assert [one["counts"] for one in held] == [one["counts"] for one in still]
    assert sum(one["counts"]["sent"] for one in held) < 300
    assert [one["counts"]["sent"] for one in reports] == [150, 150]
    for document in documents:
        assert (await paced.received(document["content"]["text"]))["duplicates"] == 0
