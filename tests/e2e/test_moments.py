"""A broadcast for a moment: told as scheduled until then, and sent right behind it."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.herald import Herald

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_broadcast_waits_for_its_moment_and_then_everybody_has_it(herald: Herald) -> None:
    people = await herald.people(120)
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=12)
    at = moment.replace(tzinfo=None).isoformat()

    document = herald.request(users=people, send={"at": at, "zone": "Etc/UTC"})
    broadcast = await herald.ask(document)
    await asyncio.sleep((moment - datetime.now(UTC)).total_seconds() - 1.0)
    waiting, early = await herald.report(broadcast), await herald.received(document["content"]["text"])
    report = await herald.finished(broadcast)

    received = await herald.received(document["content"]["text"])
    assert (waiting["state"], waiting["planned"], early["reached"]) == ("scheduled", True, 0)
    assert datetime.fromisoformat(waiting["starts_at"]) == moment
    assert (report["counts"]["sent"], received["reached"], received["duplicates"]) == (120, 120, 0)


async def test_everybody_has_it_when_their_own_clock_shows_the_time(herald: Herald) -> None:
    people = await herald.teams.add_people(20, zones=["Etc/GMT-1", "Etc/UTC"])
    assert (await herald.teams.install(people)).failed == 0
    for person in people:
        # Teams tells somebody's zone with what they do themselves.
        await herald.teams.say(person, "hello")
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=15)

    # The clocks one hour ahead have shown it already, so their people are sent to at once.
    send = {"at": moment.replace(tzinfo=None).isoformat(), "zone": "recipient", "default_zone": "Pacific/Honolulu"}
    document = herald.request(users=people, send=send)
    broadcast = await herald.ask(document)
    await asyncio.sleep((moment - datetime.now(UTC)).total_seconds() - 1.0)
    halfway, early = await herald.report(broadcast), await herald.received(document["content"]["text"])
    report = await herald.finished(broadcast)

    received = await herald.received(document["content"]["text"])
    assert (halfway["state"], halfway["counts"]["sent"], halfway["counts"]["pending"]) == ("sending", 10, 10)
    assert (early["reached"], received["reached"], received["duplicates"]) == (10, 20, 0)
    assert (report["total"], report["counts"]["sent"], report["clock"]["guessed"]) == (20, 20, 0)
    instants = [datetime.fromisoformat(one["at"]) for one in report["clock"]["moments"]]
    assert instants == [moment - timedelta(hours=1), moment]
    assert {one["recipient"]["id"] for one in await herald.deliveries(broadcast)} == {one.object_id for one in people}
