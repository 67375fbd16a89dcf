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
