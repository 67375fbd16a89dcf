"""Watching a running Herald: one person among many, who can be reached, and what is removed after its time."""

import asyncio
from typing import Any

import pytest

from shared.storage import names
from shared.storage.rows import merge
from tests.e2e.herald import Herald
from tests.e2e.storage import accept_unnudged, storage_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

DAY = 86_400.0


async def get(herald: Herald, path: str, **headers: str) -> Any:
    """The body of an answer that is right."""
    answer = await herald.call("GET", path, **headers)
    assert answer.status == 200, answer
    return answer.body


async def reach(herald: Herald) -> dict[str, int]:
    """How many people are in which state."""
    counts: dict[str, int] = (await get(herald, "/api/reachability"))["counts"]
    return counts


async def test_one_person_is_found_in_a_broadcast_of_many(herald: Herald) -> None:
    people = await herald.people(450)
    blocked, sent = people[123], people[321]
    await herald.teams.misbehave(status=403, code="ConversationBlockedByUser", people=[blocked])
    broadcast = await herald.ask(herald.request(users=people))
    await herald.finished(broadcast)
    await herald.teams.behave()
    path = f"/api/broadcasts/{broadcast}/deliveries?recipient="

    [of_blocked] = (await get(herald, path + blocked.object_id))["deliveries"]
    [of_sent] = (await get(herald, path + sent.object_id.upper()))["deliveries"]

    assert (of_blocked["state"], of_blocked["reason"]) == ("undeliverable", "blocked_by_user")
    assert (of_sent["recipient"]["id"], of_sent["state"]) == (sent.object_id, "sent")
    assert of_sent["activity_id"]
    (stranger,) = await herald.people(1)
    assert (await get(herald, path + stranger.object_id))["deliveries"] == []
    assert (await herald.call("GET", path + "alice")).status == 400


async def test_what_a_person_got_lately_is_told_newest_first(herald: Herald) -> None:
    person, other = await herald.people(2)
    documents = [herald.request(users=whom) for whom in ([person], [other], [person, other])]
    broadcasts = [await herald.ask(document) for document in documents]
    for broadcast in broadcasts:
        await herald.finished(broadcast)

    first = await get(herald, f"/api/people/{person.object_id}/deliveries?limit=1")
    second = await get(herald, first["next"])

    found = first["deliveries"] + second["deliveries"]
    assert [one["broadcast"] for one in found] == [broadcasts[2], broadcasts[0]]
    assert {one["state"] for one in found} == {"sent"}
    assert (await get(herald, found[0]["links"]["broadcast"]))["id"] == broadcasts[2]


async def test_who_removed_the_app_is_in_the_report(herald: Herald) -> None:
    await herald.teams.behave()
    before = await reach(herald)
    gone, *_ = await herald.people(3)
    await herald.teams.uninstall([gone])

    after = await reach(herald)
    listed, path = list[dict[str, Any]](), "/api/reachability/people?state=uninstalled"
    while path:
        page = await get(herald, path)
        listed += page["people"]
        path = page["next"]
    csv = await get(herald, "/api/reachability/people?state=uninstalled", Accept="text/csv")

    assert after["active"] - before["active"] == 2
    assert after["uninstalled"] - before["uninstalled"] == 1
    assert gone.object_id in {one["id"] for one in listed}
    assert {one["state"] for one in listed} == {"uninstalled"}
    assert gone.object_id in csv


async def test_who_blocked_the_bot_is_in_the_report(herald: Herald) -> None:
    before = await reach(herald)
    blocked, *others = await herald.people(3)
    await herald.teams.misbehave(status=403, code="ConversationBlockedByUser", people=[blocked])
    await herald.finished(await herald.ask(herald.request(users=[blocked, *others])))
    await herald.teams.behave()

    after = await reach(herald)
    listed = (await get(herald, "/api/reachability/people?state=blocked"))["people"]

    assert after["active"] - before["active"] == 2
    [found] = [one for one in listed if one["id"] == blocked.object_id]
    assert found["changed_at"]


async def test_what_ended_long_ago_is_removed_and_its_key_is_free(herald: Herald) -> None:
    (person,) = await herald.people(1)
    old_document, young_document = herald.request(users=[person]), herald.request(users=[person])
    young = await herald.ask(young_document)
    await herald.finished(young)
    async with storage_of(herald) as account:
        old = await accept_unnudged(herald, account, old_document, seconds_ago=91 * DAY)
        # The nudge was lost, so the app sends it now; it ends, and then lies as long in the past as its acceptance.
        await herald.put(f'{{"broadcast": "{old}", "batch": 0}}', queue="sends")
        await herald.finished(old)
        head = merge("head", {"finished_at": account.clock.now() - 91 * DAY})
        await account.table(names.BROADCASTS).write(old, [head])
        async with asyncio.timeout(30):
            while (await herald.call("GET", f"/api/broadcasts/{old}")).status != 404:
                await herald.call("POST", "/admin/functions/clean_up")
                await asyncio.sleep(0.5)
            while [row.key async for row in account.table(names.BROADCASTS).scan(old)]:
                await asyncio.sleep(0.2)

    assert (await herald.report(young))["state"] == "finished"
    new = await herald.ask(old_document)
    assert new != old
    assert (await herald.finished(new))["counts"]["sent"] == 1
