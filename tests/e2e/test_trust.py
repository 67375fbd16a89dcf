"""Who may speak to the bot: real signatures in, real tokens out, and nothing for strangers."""

import pytest

from tests.e2e.herald import Herald

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    "forgery",
    [
        "missing",
        "malformed",
        "expired",
        "wrong_audience",
        "wrong_issuer",
        "wrong_service_url",
        "unknown_key",
        "unknown_kid",
        "unendorsed",
        "unsigned",
        "shared_secret",
    ],
)
async def test_a_forged_token_is_refused_without_a_reason(herald: Herald, forgery: str) -> None:
    (person,) = await herald.people(1)

    posted = await herald.teams.forge(forgery, person, "let me in")

    assert posted.status in (401, 403)
    assert not posted.body
    assert [entry async for entry in herald.teams.ledger_entries(person=person, event="sent")] == []


async def test_a_genuine_token_opens_the_door(herald: Herald) -> None:
    (person,) = await herald.people(1)

    assert (await herald.teams.forge("genuine", person, "hello")).status == 200


async def test_hundreds_of_messages_take_one_token(herald: Herald) -> None:
    people = await herald.people(200)
    before = (await herald.teams.call("traffic"))["token_requests"]

    await herald.finished(await herald.ask(herald.request(users=people)))

    assert (await herald.teams.call("traffic"))["token_requests"] - before <= 1


async def test_an_activity_that_is_no_json_is_a_bad_request(herald: Herald) -> None:
    assert (await herald.call("POST", "/api/messages", document=["not", "an", "activity"])).status == 400
