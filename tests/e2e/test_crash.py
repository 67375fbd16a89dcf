"""Processes die and meet: nobody is lost, one limit holds, and only what was uncertain can arrive twice."""

import asyncio

import pytest

from shared.domain.outcomes import Outcome
from shared.domain.recipients import identifier_of
from shared.settings import read_settings
from shared.storage import names
from shared.storage.account import StorageAccount
from shared.storage.broadcasts import Broadcasts
from tests.e2e.herald import Herald

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_two_hosts_share_one_limit(pair: Herald) -> None:
    people = await pair.people(1_000)
    await pair.teams.clear_ledger()
    document = pair.request(users=people)

    report = await pair.finished(await pair.ask(document))

    summary = await pair.teams.ledger_summary()
    assert report["counts"]["sent"] == 1_000
    assert (summary.people, summary.duplicates) == (1_000, 0)
    assert summary.throttled <= 5


@pytest.mark.timeout(400)
async def test_a_killed_host_loses_nobody_and_doubles_only_what_stood_in_sending(paced: Herald) -> None:
    people = await paced.people(1_000)
    document = paced.request(users=people)
    broadcast = await paced.ask(document)
    await paced.sent_at_least(broadcast, 300)

    paced.stack.kill_host(0)
    await paced.teams.wait_until_quiet(for_s=1)
    standing = await _standing_in_sending(paced, broadcast)
    await paced.stack.restart_host(0)
    report = await paced.finished(broadcast, within=300)

    received = await paced.received(document["content"]["text"])
    counts = await _received_by_person(paced, document["content"]["text"])
    doubled = {person for person, number in counts.items() if number > 1}
    assert report["counts"]["sent"] == received["reached"] == 1_000
    assert len(standing) <= 100
    assert doubled <= standing


async def _standing_in_sending(herald: Herald, broadcast: str) -> set[str]:
    """The object ids of those whose deliveries the rows hold as `sending`, read from the table itself."""
    settings = read_settings(
        MicrosoftAppId="app",
        MicrosoftAppPassword="x",
        MicrosoftAppTenantId="0b7e6c52-94d1-4c7f-8f3a-61f0de2a9b84",
        AzureWebJobsStorage=herald.stack.connection_string,
    )
    account = StorageAccount(settings)
    try:
        store = Broadcasts(account.table(names.BROADCASTS))
        batches = await store.batches(broadcast, first=0, limit=1_000)
    finally:
        await account.close()
    return {
        identifier_of(batch.recipients[position].key)
        for batch in batches
        for position in batch.progress.of(Outcome.SENDING)
    }


async def _received_by_person(herald: Herald, text: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    async for entry in herald.teams.ledger_entries(event="sent"):
        if entry.text == text and entry.person:
            counts[entry.person] = counts.get(entry.person, 0) + 1
    return counts


async def test_a_host_that_is_asked_to_stop_leaves_work_that_another_finishes(pair: Herald) -> None:
    people = await pair.people(600)
    document = pair.request(users=people)
    broadcast = await pair.ask(document)
    await pair.sent_at_least(broadcast, 100)

    await asyncio.to_thread(pair.stack.hosts[1].child.terminate)
    report = await pair.finished(broadcast, within=200)

    assert report["counts"]["sent"] == 600
    assert (await pair.received(document["content"]["text"]))["reached"] == 600
