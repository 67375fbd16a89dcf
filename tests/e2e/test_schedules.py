"""A message that comes again, from the request to the chat."""

import asyncio
from datetime import datetime
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


async def test_a_schedule_follows_the_calendar_of_its_tenant(pair: Herald) -> None:
    path = f"/api/tenants/{pair.tenant}/calendar"
    everyday = {"cron": "0 9 * * *", "zone": "Europe/Berlin"}

    put = await pair.call("PUT", path, document={"working_days": ["SUN"], "exceptions": [], "if_closed": "drop"})
    try:
        assert put.status == 201, put
        stale = await pair.call("PUT", path, document={}, If_Match='"other"')
        follows = await pair.call("POST", "/api/schedules", document=pair.request() | {"timetable": everyday})
        never = everyday | {"cron": "0 9 * * MON"}
        refused = await pair.call("POST", "/api/schedules", document=pair.request() | {"timetable": never})
    finally:
        removed = await pair.call("DELETE", path, If_Match=put.headers["ETag"])

    days = [datetime.fromisoformat(one).strftime("%a") for one in follows.body["upcoming"]]
    assert (stale.status, follows.status, refused.status, removed.status) == (412, 201, 422, 204)
    assert days == ["Sun"] * 5
    assert (await pair.call("GET", path)).status == 404
    assert (await pair.call("DELETE", f"/api/schedules/{follows.body['id']}")).status == 204


async def read(herald: Herald, path: str) -> dict[str, Any]:
    answer = await herald.call("GET", path)
    assert answer.status == 200, answer
    schedule: dict[str, Any] = answer.body
    return schedule
