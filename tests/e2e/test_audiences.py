"""Audiences that are saved and named by requests, and estimates, by the app as its host runs it."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.herald import Answer, Herald

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def save(herald: Herald, name: str, *, if_match: str = "", **audience: Any) -> Answer:
    """Save an audience."""
    headers = {"If_Match": if_match} if if_match else {}
    document = {"version": 1, "audience": audience}
    return await herald.call("PUT", f"/api/audiences/{name}", document=document, **headers)


async def estimate(herald: Herald, **audience: Any) -> Answer:
    """Ask for an estimate."""
    document = {"version": 1, "audience": audience}
    return await herald.call("POST", "/api/audiences/estimate", document=document)


async def test_a_saved_audience_is_a_broadcasts_as_it_stood_when_that_was_accepted(herald: Herald) -> None:
    people = [one.object_id for one in await herald.people(30)]
    name = f"team-{uuid4().hex[:8]}"
    created = await save(herald, name, users=people[:20])
    document = herald.request(audience={"saved": [name], "users": people[20:25], "except": {"users": people[:5]}})

    broadcast = await herald.ask(document)
    edited = await save(herald, name, if_match=created.headers["ETag"], users=people)
    again = await herald.ask(document)
    stale = await save(herald, name, if_match=created.headers["ETag"], users=people[:1])
    report = await herald.finished(broadcast)

    received = await herald.received(document["content"]["text"])
    assert (created.status, edited.status, stale.status, again) == (201, 200, 412, broadcast)
    assert (report["counts"]["sent"], received["reached"], received["duplicates"]) == (20, 20, 0)


async def test_saved_audiences_are_listed_read_and_removed(herald: Herald) -> None:
    name = f"team-{uuid4().hex[:8]}"
    put = await save(herald, name, everyone="installed")

    read = await herald.call("GET", put.headers["Location"])
    listed = await herald.call("GET", f"/api/audiences?limit=1&after={name[:-1]}")
    removed = await herald.call("DELETE", f"/api/audiences/{name}")
    gone = await herald.call("GET", f"/api/audiences/{name}")

    assert (read.status, read.body["audience"], read.headers["ETag"]) == (
        200,
        {"everyone": "installed"},
        put.headers["ETag"],
    )
    assert [one["name"] for one in listed.body["audiences"]] == [name]
    assert (removed.status, gone.status, gone.body["type"]) == (204, 404, "urn:herald:problem:unknown-audience")


async def test_an_unknown_name_is_refused_by_http_and_rejected_from_the_queue(herald: Herald) -> None:
    document = herald.request(audience={"saved": ["nobody-saved-this"]})

    refused = await herald.call("POST", "/api/broadcasts", document=document)
    await herald.put(json.dumps(document))

    assert (refused.status, [one["pointer"] for one in refused.body["errors"]]) == (422, ["/audience/saved/0"])
    async with asyncio.timeout(30):
        while True:
            rejections = (await herald.call("GET", "/api/rejections")).body["rejections"]
            if found := [one for one in rejections if one["key"] == document["key"]]:
                break
            await asyncio.sleep(0.3)
    assert [one["pointer"] for one in found[0]["errors"]] == ["/audience/saved/0"]


async def test_an_estimate_and_a_dry_run_of_named_people_agree(installing: Herald) -> None:
    friends, strangers = await installing.people(12), await installing.people(8, installed=False)
    audience = {"users": [*(one.object_id for one in friends), *(one.upn for one in strangers)]}

    told = await estimate(installing, **audience)
    rehearsal = await installing.finished(
        await installing.ask(installing.request(audience=audience, options={"mode": "dry_run"}))
    )

    counts = rehearsal["rehearsal"]["counts"]
    assert (told.status, told.body["at_most"], told.body["sampled"]) == (200, 20, None)
    assert (told.body["reachable"], told.body["to_install"]) == (counts["reachable"], counts["to_install"]) == (12, 8)


async def test_an_estimate_counts_groups_and_the_tenant(installing: Herald) -> None:
    friends, strangers = await installing.people(30), await installing.people(10, installed=False)
    added = await installing.teams.call(
        "add_group", name="kitchen", members=[one.object_id for one in (*friends, *strangers)]
    )
    unknown = str(uuid4())

    group = await estimate(installing, groups=[added["id"], unknown])
    tenant = await estimate(installing, everyone="tenant")

    assert (group.body["at_most"], group.body["reachable"], group.body["to_install"]) == (40, 30, 10)
    assert group.body["unknown"] == [unknown]
    assert tenant.body["at_most"] >= 40
    assert tenant.body["sources"][0]["source"] == "tenant"


async def test_an_estimate_without_consent_names_the_permission(installing_apart: Herald) -> None:
    await installing_apart.teams.call("consent", roles=[])

    answer = await estimate(installing_apart, everyone="tenant")

    assert (answer.status, answer.body["type"]) == (502, "urn:herald:problem:directory-refused")
    assert "User.Read.All" in answer.body["detail"]
