"""What Teams, the way to it, and bad luck can do: one person's trouble is nobody else's, and nobody is lost."""

import asyncio

import pytest

from tests.e2e.herald import Herald

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_one_poison_person_in_a_thousand_harms_nobody_else(herald: Herald) -> None:
    people = await herald.people(1_000)
    await herald.teams.misbehave(status=400, code="Bad Argument", people=people[500:501])
    document = herald.request(users=people)

    report = await herald.finished(await herald.ask(document))

    received = await herald.received(document["content"]["text"])
    assert report["counts"]["sent"] == received["reached"] == 999
    assert report["reasons"] == {"message_rejected": 1}
    assert received["duplicates"] == 0
    await herald.teams.behave()


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        # An admin's policy keeps the app from the person.
        (403, "BotDisabledByAdmin", "blocked_by_admin"),
        # The person blocked the bot.
        (403, "ConversationBlockedByUser", "blocked_by_user"),
        # The app was removed, and no event told of it.
        (403, "ForbiddenOperationException", "not_installed"),
        # The chat is gone.
        (404, "ConversationNotFound", "conversation_gone"),
        # The message is too large for Teams after all.
        (413, "MessageSizeTooBig", "message_too_large"),
        # An internal error, which Microsoft says not to retry.
        (500, "ServiceError", "service_error"),
    ],
)
async def test_a_refusal_ends_in_its_reason(herald: Herald, status: int, code: str, reason: str) -> None:
    refused, other = await herald.people(2)
    await herald.teams.misbehave(status=status, code=code, people=[refused])

    report = await herald.finished(await herald.ask(herald.request(users=[refused, other])))

    assert report["counts"]["sent"] == 1
    assert report["reasons"] == {reason: 1}
    await herald.teams.behave()


async def test_a_block_that_comes_as_json_inside_a_string_is_understood(herald: Herald) -> None:
    (blocked,) = await herald.people(1)
    await herald.teams.misbehave(status=403, code="MessageWritesBlocked", shape="numbered", people=[blocked])

    report = await herald.finished(await herald.ask(herald.request(users=[blocked])))

    assert report["reasons"] == {"blocked_by_user": 1}
    await herald.teams.behave()


@pytest.mark.parametrize("status", [412, 429, 502, 503, 504])
async def test_a_passing_failure_is_tried_again_until_the_message_is_sent(herald: Herald, status: int) -> None:
    people = await herald.people(20)
    await herald.teams.misbehave(status=status, retry_after=1 if status == 429 else None, people=people, count=10)
    document = herald.request(users=people)

    report = await herald.finished(await herald.ask(document))

    received = await herald.received(document["content"]["text"])
    assert report["counts"]["sent"] == received["reached"] == 20
    assert received["duplicates"] == 0
    await herald.teams.behave()


async def test_a_reset_connection_is_tried_again(herald: Herald) -> None:
    people = await herald.people(20)
    await herald.teams.misbehave("reset", people=people, count=5)
    document = herald.request(users=people)

    report = await herald.finished(await herald.ask(document))

    assert report["counts"]["sent"] == 20
    assert (await herald.received(document["content"]["text"]))["reached"] == 20
    await herald.teams.behave()


@pytest.mark.parametrize(
    ("delivery", "sent", "uncertain", "duplicates"),
    # A lost answer: the message is sent again, or reported as uncertain and never sent twice.
    [("at_least_once", 10, 0, 5), ("at_most_once", 5, 5, 0)],
)
async def test_a_lost_answer_is_resent_or_reported_as_the_request_chose(
    herald: Herald, delivery: str, sent: int, uncertain: int, duplicates: int
) -> None:
    people = await herald.people(10)
    await herald.teams.misbehave("lose_answer", people=people, count=5)
    document = herald.request(users=people, options={"delivery": delivery})

    report = await herald.finished(await herald.ask(document))

    received = await herald.received(document["content"]["text"])
    assert (report["counts"]["sent"], report["counts"]["uncertain"]) == (sent, uncertain)
    assert (received["reached"], received["duplicates"]) == (10, duplicates)
    await herald.teams.behave()


async def test_a_nudge_that_nobody_can_read_is_dropped_and_the_pipeline_goes_on(herald: Herald) -> None:
    (person,) = await herald.people(1)
    await herald.put("garbage", queue="sends")
    await herald.put('{"broadcast": "00000000000000000000", "batch": 3}', queue="sends")
    await herald.put('{"broadcast": "00000000000000000000"}', queue="plans")

    report = await herald.finished(await herald.ask(herald.request(users=[person])))

    assert report["counts"]["sent"] == 1


async def test_a_storm_of_throttling_slows_the_tenant_down_and_reaches_everyone(paced: Herald) -> None:
    people = await paced.people(400)
    await paced.teams.clear_ledger()
    await paced.teams.set_limits(rate=20, depth=20)
    document = paced.request(users=people)

    report = await paced.finished(await paced.ask(document), within=150)

    received = await paced.received(document["content"]["text"])
    summary = await paced.teams.ledger_summary()
    assert report["counts"]["sent"] == received["reached"] == 400
    assert received["duplicates"] == 0
    assert 0 < summary.throttled < 0.25 * 400


async def test_a_cancelled_broadcast_stops_within_seconds(paced: Herald) -> None:
    await paced.people(700)
    document = paced.request()
    broadcast = await paced.ask(document)
    before = await paced.sent_at_least(broadcast, 100)

    answer = await paced.call("DELETE", f"/api/broadcasts/{broadcast}")
    await asyncio.sleep(11)

    report = await paced.report(broadcast)
    received = await paced.received(document["content"]["text"])
    assert answer.status == 202
    assert report["state"] == "cancelled"
    assert report["counts"]["sent"] + report["counts"]["cancelled"] == report["total"] == 700
    assert report["counts"]["sent"] == received["reached"] <= before["counts"]["sent"] + 10 * 50
    assert (await paced.call("DELETE", f"/api/broadcasts/{broadcast}")).status == 200
