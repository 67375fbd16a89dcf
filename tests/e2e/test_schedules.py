"""A message that comes again, from the request to the chat."""

import asyncio
from typing import Any

import pytest

from tests.e2e.herald import Herald

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_schedule_comes_once_each_minute_with_two_hosts(pair: Herald) -> None:
    people = await pair.people(3)
    text = "Look up from your screen"
    document = pair.request(text=text, users=people) | {"timetable": {"cron": "* * * * *", "zone": "Europe/Berlin"}}

    created = await pair.call("POST", "/api/schedules", document=document)
    assert created.status == 201, created
    path = f"/api/schedules/{created.body['id']}"
    async with asyncio.timeout(200):
        while len((schedule := await read(pair, path))["broadcasts"]) < 2:
            await asyncio.sleep(1)
    assert (await pair.call("POST", f"{path}/pause")).status == 200
    schedule = await read(pair, path)

    instants = [one["at"] for one in schedule["broadcasts"]]
    reports = [await pair.finished(one["id"]) for one in schedule["broadcasts"]]
    assert len(set(instants)) == len(instants)
    assert created.body["next"] == instants[-1]
    assert all(at.endswith(":00.000Z") for at in instants)
    assert [report["counts"]["sent"] for report in reports] == [3] * len(reports)
    # The ledger counts a text that a person has again as a duplicate: each occurrence reached each person once.
    received = await pair.received(text)
    assert (received["reached"], received["duplicates"]) == (3, 3 * (len(reports) - 1))


async def read(herald: Herald, path: str) -> dict[str, Any]:
    answer = await herald.call("GET", path)
    assert answer.status == 200, answer
    schedule: dict[str, Any] = answer.body
    return schedule
