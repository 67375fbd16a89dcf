"""The HTTP API: what each request answers, and that all its numbers add up."""

from typing import Any

import orjson
import pytest

from messages.answers import Answer
from messages.bodies import LARGEST_BODY
from messages.problems import answering
from shared.domain.batches import Note, Progress
from shared.errors import SettingsError, StorageUnavailable
from shared.storage.rejections import UNKNOWN_TENANT
from tests.twins.accepting import ALICE, CHANNEL, TENANT, House, a_document, as_json, rows_of, user
from tests.twins.storage import Moment, fail_once

URL = "https://herald.test/api/broadcasts"
OTHER_TENANT = "3e8f2a64-8a0a-4a39-9b8f-6a1f1c0b5d77"


async def create(house: House, *, key_header: str | None = None, body: bytes | None = None, **changes: Any) -> Answer:
    """Post a broadcast."""
    given = as_json(a_document(**changes)) if body is None else body
    return await answering(house.api.create(given, key_header=key_header, url=URL))


async def created_id(house: House, **changes: Any) -> str:
    """The id of a broadcast that was accepted."""
    return str(read(await create(house, **changes))["id"])


def read(answer: Answer) -> dict[str, Any]:
    """The JSON of an answer."""
    assert answer.headers["Content-Type"] in ("application/json", "application/problem+json")
    found: dict[str, Any] = orjson.loads(answer.body)
    return found


async def report(house: House, broadcast_id: str) -> dict[str, Any]:
    """A broadcast's report."""
    return read(await house.api.get(broadcast_id, url=f"{URL}/{broadcast_id}"))


async def settle(house: House, broadcast_id: str, progress: Progress, *, number: int = 0) -> None:
    """Write what a sender would."""
    batch = await house.broadcasts.batch(broadcast_id, number)
    assert batch is not None
    await house.broadcasts.write_batch(broadcast_id, batch, progress, writer="w", writes=1, settle=True)


async def test_accepted_broadcast_is_answered_with_its_address_and_report() -> None:
    house = House()

    answer = await create(house)

    found = read(answer)
    assert answer.status == 202
    assert answer.headers["Location"] == f"{URL}/{found['id']}"
    assert found == {
        "id": found["id"],
        "tenant": TENANT,
        "key": "news-2026-05",
        "state": "sending",
        "accepted_at": "2026-05-28T20:26:40.000Z",
        "starts_at": None,
        "expires_at": None,
        "cancelled_at": None,
        "paused_for": None,
        "install_blocked": None,
        "finished_at": None,
        "delivery": "at_least_once",
        "priority": "normal",
        "mode": "send",
        "digest": None,
        "ramp": None,
        "clock": None,
        "parent": None,
        "rehearsal": None,
        "planned": True,
        "skipped": {"guests": 0, "disabled": 0},
        "unknown_groups": [],
        "unknown_rosters": [],
        "unknown_exceptions": [],
        "plan_waits_for": None,
        "counted_at": "2026-05-28T20:26:40.000Z",
        "total": 1,
        "counts": {**dict.fromkeys(found["counts"], 0), "pending": 1},
        "reasons": {},
        "revision": None,
        "rate": 0.0,
        "estimated_end_at": None,
        "links": {"self": f"{URL}/{found['id']}", "deliveries": f"{URL}/{found['id']}/deliveries"},
    }


async def test_same_key_and_body_again_is_answered_alike() -> None:
    house = House()
    first = await create(house)

    again = await create(house)

    assert (again.status, again.headers["Location"]) == (202, first.headers["Location"])


async def test_same_key_with_another_body_is_a_conflict_that_names_the_broadcast() -> None:
    house = House()
    first = await created_id(house)

    answer = await create(house, content={"text": "Else"})

    problem = read(answer)
    assert (answer.status, problem["type"], problem["broadcast"]) == (409, "urn:herald:problem:key-reused", first)
    assert problem["errors"][0]["pointer"] == "/key"


@pytest.mark.parametrize("header", ["from-header", '"from-header"', " from-header "])
async def test_header_stands_in_for_the_key(header: str) -> None:
    house = House()

    answer = await create(house, key=None, key_header=header)

    assert read(answer)["key"] == "from-header"


async def test_request_without_a_key_gets_a_new_one() -> None:
    house = House()

    answers = [await create(house, key=None) for _ in range(2)]

    assert len({read(answer)["key"] for answer in answers}) == 2


async def test_header_that_contradicts_the_body_is_one_fault_among_the_others() -> None:
    answer = await create(House(), key_header="another", version=2)

    assert answer.status == 422
    assert [error["pointer"] for error in read(answer)["errors"]] == ["/key", "/version"]


async def test_header_that_is_too_long_is_a_fault_of_the_key() -> None:
    answer = await create(House(), key=None, key_header="k" * 201)

    assert [error["pointer"] for error in read(answer)["errors"]] == ["/key"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
async def test_body_that_is_no_json_object_is_malformed(body: bytes) -> None:
    answer = await create(House(), body=body)

    assert (answer.status, read(answer)["type"]) == (400, "urn:herald:problem:malformed-body")


async def test_body_beyond_the_limit_is_too_large() -> None:
    answer = await create(House(), body=b" " * (LARGEST_BODY + 1))

    assert (answer.status, read(answer)["type"]) == (413, "urn:herald:problem:body-too-large")


async def test_largest_right_request_is_not_too_large() -> None:
    channels = [f"19:{number:0>400}" for number in range(1_000)]
    text = "\\u00e9" * 40_000
    body = as_json(a_document(audience={"channels": channels}, content={"text": "@"})).replace(
        b'"@"', f'"{text}"'.encode()
    )

    answer = await create(House(), body=body)

    assert answer.status == 202


async def test_failing_storage_asks_to_come_again() -> None:
    house = House()
    house.account.use_hook(fail_once(StorageUnavailable("gone"), moment=Moment.BEFORE, verb="write"))

    answer = await create(house)

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_setting_that_is_missing_is_named() -> None:
    async def compose() -> Answer:
        raise SettingsError("MicrosoftAppPassword is missing")

    answer = await answering(compose())

    assert answer.status == 500
    assert "MicrosoftAppPassword" in read(answer)["detail"]


@pytest.mark.parametrize("broadcast_id", ["", "nothing", "0123456789abcdefghjk", "a#b", "../x", "0123456789ABCDEFGHJK"])
async def test_unknown_id_is_not_found(broadcast_id: str) -> None:
    house = House()

    answers = [
        await answering(house.api.get(broadcast_id, url=URL)),
        await answering(house.api.cancel(broadcast_id, url=URL)),
        await answering(house.api.deliveries(broadcast_id, {}, accept="", url=URL)),
    ]

    assert [(answer.status, read(answer)["type"]) for answer in answers] == [(404, "urn:herald:problem:not-found")] * 3


async def test_report_counts_what_became_of_deliveries() -> None:
    house = House()
    broadcast_id = await created_id(house, audience={"users": [user(number) for number in range(100)]})
    house.now += 20
    await settle(house, broadcast_id, Progress(outcomes="S" * 60 + "1" * 3 + "2" + "d" * 4 + "p" * 32))

    found = await report(house, broadcast_id)

    assert found["total"] == sum(found["counts"].values()) == 100
    assert found["counts"]["sent"] == 60
    assert found["reasons"] == {"blocked_by_user": 3, "blocked_by_admin": 1}
    assert found["rate"] == 3.2
    assert found["estimated_end_at"] == "2026-05-28T20:27:11.250Z"


async def test_broadcast_that_waits_for_its_planner_is_accepted_with_nothing_in_it() -> None:
    house = House()

    found = await report(house, await created_id(house, audience={"everyone": "installed"}))

    assert (found["state"], found["planned"], found["total"]) == ("accepted", False, 0)


async def test_finished_broadcast_is_reported_from_its_stored_sums() -> None:
    house = House()
    broadcast_id = await created_id(house)
    house.now += 10
    await house.broadcasts.changes.finish(broadcast_id, at=house.now, sums="S90 010", revised_sums="", revision=0)

    found = await report(house, broadcast_id)

    assert (found["state"], found["total"], found["rate"]) == ("finished", 100, 10.0)
    assert found["reasons"] == {"not_installed": 10}
    assert found["finished_at"] == "2026-05-28T20:26:50.000Z"


async def test_cancel_is_accepted_then_confirmed() -> None:
    house = House()
    broadcast_id = await created_id(house)

    first = await house.api.cancel(broadcast_id, url=URL)
    house.now += 30
    again = await house.api.cancel(broadcast_id, url=URL)

    assert (first.status, again.status) == (202, 200)
    assert read(first)["state"] == "cancelled"
    assert read(first)["counts"]["pending"] == 1
    assert read(again)["counts"]["cancelled"] == 1
    assert read(again)["cancelled_at"] == read(first)["cancelled_at"]


async def test_cancel_of_a_broadcast_that_has_ended_is_a_conflict() -> None:
    house = House()
    broadcast_id = await created_id(house)
    await house.broadcasts.changes.finish(broadcast_id, at=house.now, sums="S1", revised_sums="", revision=0)

    answer = await answering(house.api.cancel(broadcast_id, url=URL))

    assert (answer.status, read(answer)["type"]) == (409, "urn:herald:problem:broadcast-ended")


async def test_cancel_of_a_broadcast_that_has_expired_is_a_conflict() -> None:
    house = House()
    broadcast_id = await created_id(house, options={"expires_after": "PT1H"})
    house.now += 3_600

    answer = await answering(house.api.cancel(broadcast_id, url=URL))

    assert (answer.status, read(answer)["state"]) == (409, "expired")


async def test_list_is_newest_first_and_its_next_links_reach_all() -> None:
    house = House()
    ids = []
    for number in range(5):
        house.now += 1
        ids.append(await created_id(house, key=f"key {number}"))

    listed, query = list[str](), {"limit": "2"}
    while True:
        page = read(await house.api.list(query, url=URL))
        listed += [entry["id"] for entry in page["broadcasts"]]
        if not page["next"]:
            break
        assert page["next"].startswith(f"{URL}?limit=2&after=")
        query = {"limit": "2", "after": page["next"].partition("after=")[2].replace("%21", "!")}

    assert listed == ids[::-1]


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ({"limit": "0"}, ["limit"]),
        ({"limit": "201"}, ["limit"]),
        ({"limit": "many", "after": "x'y", "tenant": "contoso"}, ["limit", "after", "tenant"]),
        ({"tenant": OTHER_TENANT}, ["tenant"]),
        ({"limit": "²"}, ["limit"]),
        # A repeated parameter arrives joined by a comma.
        ({"limit": "1,2"}, ["limit"]),
    ],
)
async def test_fault_of_the_query_names_its_parameter(query: dict[str, str], parameters: list[str]) -> None:
    answer = await answering(House().api.list(query, url=URL))

    assert (answer.status, read(answer)["type"]) == (400, "urn:herald:problem:invalid-query")
    assert [error["parameter"] for error in read(answer)["errors"]] == parameters


async def test_list_needs_a_tenant_where_there_are_several() -> None:
    house = House(tenants=(TENANT, OTHER_TENANT))

    answer = await answering(house.api.list({}, url=URL))

    assert [error["parameter"] for error in read(answer)["errors"]] == ["tenant"]
    assert (await answering(house.api.list({"tenant": TENANT.upper()}, url=URL))).status == 200


async def test_deliveries_tell_what_became_of_each() -> None:
    house = House()
    broadcast_id = await created_id(house, audience={"users": [ALICE, user(1)], "channels": [CHANNEL]})
    due = Note(attempts=2, first_tried_at=house.now, due_at=house.now + 60)
    await settle(house, broadcast_id, Progress(outcomes="Sd1", notes={1: due}, activity_ids={0: "1:abc"}))

    answer = await house.api.deliveries(broadcast_id, {}, accept="*/*", url=URL)

    assert read(answer) == {
        "deliveries": [
            {
                "recipient": {"kind": "user", "id": user(1)},
                "state": "sent",
                "reason": None,
                "attempts": 1,
                "activity_id": "1:abc",
                "due_at": None,
            },
            {
                "recipient": {"kind": "user", "id": ALICE},
                "state": "deferred",
                "reason": None,
                "attempts": 2,
                "activity_id": None,
                "due_at": "2026-05-28T20:27:40.000Z",
            },
            {
                "recipient": {"kind": "channel", "id": CHANNEL},
                "state": "undeliverable",
                "reason": "blocked_by_user",
                "attempts": 1,
                "activity_id": None,
                "due_at": None,
            },
        ],
        "next": None,
    }


async def planned_batches(house: House, *, batches: int) -> str:
    """A broadcast whose planner has written so many batches of two."""
    broadcast_id = await created_id(house, audience={"everyone": "installed"})
    held = await house.broadcasts.cursor(broadcast_id)
    for number in range(batches):
        pair = await house.lookup.recipients(TENANT, [f"user!{user(2 * number)}", f"user!{user(2 * number + 1)}"])
        await house.broadcasts.step(
            broadcast_id, held.cursor, etag=held.etag, rows=rows_of([tuple(pair)], first=number)
        )
        held = await house.broadcasts.cursor(broadcast_id)
    return broadcast_id


async def test_pages_of_deliveries_hold_whole_batches_and_reach_all() -> None:
    house = House()
    broadcast_id = await planned_batches(house, batches=5)

    found, query, pages = list[str](), {"limit": "200"}, 0
    while True:
        page = read(await house.api.deliveries(broadcast_id, query, accept="application/json", url=URL))
        found += [one["recipient"]["id"] for one in page["deliveries"]]
        pages += 1
        if not page["next"]:
            break
        query = {"limit": "200", "after": page["next"].rpartition("after=")[2]}

    assert found == [user(number) for number in range(10)]
    assert pages == 3


async def test_deliveries_and_sums_agree_while_a_broadcast_is_stopped() -> None:
    house = House()
    broadcast_id = await planned_batches(house, batches=3)
    await settle(house, broadcast_id, Progress(outcomes="Ss"), number=0)
    await settle(house, broadcast_id, Progress(outcomes="dw"), number=1)
    await house.api.cancel(broadcast_id, url=URL)

    for _ in range(3):
        listed = read(await house.api.deliveries(broadcast_id, {}, accept="", url=URL))["deliveries"]
        counts = (await report(house, broadcast_id))["counts"]
        states = [one["state"] for one in listed]
        assert {state: states.count(state) for state in counts} == counts
        house.now += 8


async def test_deliveries_come_as_csv_with_the_next_page_in_a_link() -> None:
    house = House()
    broadcast_id = await planned_batches(house, batches=2)

    answer = await house.api.deliveries(broadcast_id, {"limit": "100"}, accept="text/csv", url=URL)

    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Link"] == f'<{URL}/{broadcast_id}/deliveries?limit=100&after=1>; rel="next"'
    assert answer.body.decode().splitlines() == [
        "recipient_kind,recipient_id,state,reason,attempts,activity_id,due_at",
        f"user,{user(0)},pending,,0,,",
        f"user,{user(1)},pending,,0,,",
    ]


@pytest.mark.parametrize("query", [{"limit": "99"}, {"limit": "1001"}, {"after": "abc"}, {"after": "12345678901"}])
async def test_faults_of_a_deliveries_query_are_problems(query: dict[str, str]) -> None:
    house = House()
    broadcast_id = await created_id(house)

    answer = await answering(house.api.deliveries(broadcast_id, query, accept="", url=URL))

    assert answer.status == 400


async def test_rejections_are_listed_with_faults_and_body() -> None:
    house = House()
    await house.requests.receive(b"hello", message_id="m1")
    house.now += 1
    await house.requests.receive(as_json(a_document(version=2)), message_id="m2")

    both = read(await house.api.rejections({}, url="https://herald.test/api/rejections"))
    unknown = read(await house.api.rejections({"tenant": UNKNOWN_TENANT}, url=""))

    assert [one["message_id"] for one in both["rejections"]] == ["m2", "m1"]
    assert both["rejections"][0]["errors"] == [{"pointer": "/version", "detail": "this must be 1"}]
    (only,) = unknown["rejections"]
    assert (only["body"], only["body_bytes"], only["body_is_cut"], only["source"]) == ("hello", 5, False, "queue")


async def test_next_page_of_rejections_is_a_link() -> None:
    house = House()
    for number in range(3):
        house.now += 1
        await house.requests.receive(b"hello", message_id=f"m{number}")

    page = read(
        await house.api.rejections({"limit": "2"}, url="https://herald.test/api/rejections?limit=2&code=secret")
    )

    assert page["next"].startswith("https://herald.test/api/rejections?limit=2&after=")
    assert "secret" not in page["next"]


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://herald.test/api/broadcasts?code=secret", "https://herald.test/api/broadcasts/"),
        # A route prefix of the operator's own.
        ("https://herald.test/teams/herald/broadcasts", "https://herald.test/teams/herald/broadcasts/"),
        # No route prefix at all.
        ("https://herald.test/broadcasts", "https://herald.test/broadcasts/"),
        # A host that passes on no address.
        ("", "/api/broadcasts/"),
    ],
)
async def test_location_follows_the_address_that_was_asked(url: str, location: str) -> None:
    answer = await House().api.create(as_json(a_document()), key_header=None, url=url)

    assert answer.headers["Location"].startswith(location)
    assert "secret" not in answer.body.decode()
