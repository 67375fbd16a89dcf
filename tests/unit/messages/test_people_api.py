"""What a person got, and who can be reached: bounded work, and links that reach all of it."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from messages import people_api, person_reports
from messages.answers import Answer
from messages.people_api import PeopleApi
from messages.person_reports import PersonReports
from messages.problems import answering
from shared.domain.batches import Progress, Recipient
from shared.domain.cursors import Cursor
from shared.domain.recipients import named_channel_key
from shared.domain.references import Reference, ReferenceState, values_of
from shared.errors import BroadcastNotFound
from shared.storage import names
from shared.storage.rows import upsert
from tests.twins.accepting import ALICE, CHANNEL, CHAT, TENANT, House, a_request, rows_of, user

URL = "https://herald.test/api/people"
OTHER_TENANT = "3e8f2a64-8a0a-4a39-9b8f-6a1f1c0b5d77"


def an_api(house: House, *, tenants: tuple[str, ...] = (TENANT,)) -> PeopleApi:
    clock = house.account.clock
    reports = PersonReports(
        house.broadcasts, house.directory, families=house.families, search=house.search, clock=clock
    )
    return PeopleApi(reports, house.conversations, clock=clock, tenants=tenants)


def read(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(answer.body)
    return found


def query_of(link: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(link).query))


async def broadcast_to(house: House, *users: str, key: str) -> str:
    """A broadcast, a second after whatever was before it."""
    house.now += 1
    return (await house.acceptance.accept(a_request(key=key, audience={"users": list(users)}))).broadcast_id


async def outcome(house: House, broadcast_id: str, outcomes: str) -> None:
    """Write what a sender would."""
    batch = await house.broadcasts.batch(broadcast_id, 0)
    assert batch is not None
    await house.broadcasts.write_batch(
        broadcast_id, batch, Progress(outcomes=outcomes), writer="w", writes=1, settle=True
    )


async def lately(house: House, **query: str) -> dict[str, Any]:
    return read(await an_api(house).deliveries(ALICE, query, url=f"{URL}/{ALICE}/deliveries"))


async def all_of(house: House, **query: str) -> list[str]:
    """The keys of all broadcasts that reached Alice, page by page."""
    found = list[str]()
    while True:
        page = await lately(house, **query)
        found += [one["key"] for one in page["deliveries"]]
        if page["next"] is None:
            return found
        query = query_of(page["next"])


async def test_one_recipient_of_a_broadcast_is_found_by_id() -> None:
    house = House()
    broadcast_id = await broadcast_to(house, ALICE, user(1), key="k")
    await outcome(house, broadcast_id, "S1")
    url = f"https://herald.test/api/broadcasts/{broadcast_id}/deliveries"

    answer = await house.api.deliveries(broadcast_id, {"recipient": ALICE.upper()}, accept="", url=url)
    nobody = await house.api.deliveries(broadcast_id, {"recipient": user(7)}, accept="", url=url)

    assert read(answer) == {
        "deliveries": [
            {
                "recipient": {"kind": "user", "id": ALICE},
                "state": "undeliverable",
                "reason": "blocked_by_user",
                "attempts": 1,
                "activity_id": None,
                "due_at": None,
                "updated_at": "2026-05-28T20:26:41.000Z",
            }
        ],
        "next": None,
    }
    assert read(nobody) == {"deliveries": [], "next": None}


@pytest.mark.parametrize(("recipient", "kind"), [(CHANNEL, "channel"), (CHAT, "chat")])
async def test_a_conversation_is_found_by_its_id_whatever_it_is(recipient: str, kind: str) -> None:
    house = House()
    request = a_request(audience={"users": [ALICE], "channels": [CHANNEL], "chats": [CHAT]})
    broadcast_id = (await house.acceptance.accept(request)).broadcast_id

    answer = await house.api.deliveries(broadcast_id, {"recipient": recipient}, accept="", url=URL)

    assert [one["recipient"] for one in read(answer)["deliveries"]] == [{"kind": kind, "id": recipient}]


@pytest.mark.parametrize(
    ("recipient", "kind"),
    [
        (ALICE.upper(), "team"),
        (f"{CHANNEL}/Sales & Co / Ost", "channel_name"),
        (f" {ALICE.upper()}/SALES", "channel_name"),
        ("Ann@Contoso.com", "name"),
    ],
)
async def test_what_was_not_found_is_found_by_its_name(recipient: str, kind: str) -> None:
    house = House()
    broadcast_id = await broadcast_to(house, user(1), key="k")
    keys = [
        f"team!{ALICE}",
        named_channel_key(CHANNEL, "sales & co / ost"),
        named_channel_key(ALICE, "sales"),
        "name!ann@contoso.com",
    ]
    unknown = [Recipient(key=key, service_url="https://smba.test/") for key in keys]
    cursor = await house.broadcasts.cursor(broadcast_id)
    await house.broadcasts.step(broadcast_id, cursor.cursor, etag=cursor.etag, rows=rows_of([unknown], first=1))

    answer = await house.api.deliveries(broadcast_id, {"recipient": recipient}, accept="", url=URL)

    assert [one["recipient"]["kind"] for one in read(answer)["deliveries"]] == [kind]


async def test_one_recipient_comes_as_csv_too() -> None:
    house = House()
    broadcast_id = await broadcast_to(house, ALICE, key="k")

    answer = await house.api.deliveries(broadcast_id, {"recipient": ALICE}, accept="text/csv", url=URL)

    assert answer.body.decode().splitlines()[1:] == [f"user,{ALICE},pending,,0,,"]


@pytest.mark.parametrize("recipient", ["alice@contoso", "29:1abc", "5f0c9d1e", "a/b#c"])
async def test_what_is_no_id_is_told_so(recipient: str) -> None:
    house = House()
    broadcast_id = await broadcast_to(house, ALICE, key="k")

    by_broadcast = await answering(house.api.deliveries(broadcast_id, {"recipient": recipient}, accept="", url=URL))
    by_person = await answering(an_api(house).deliveries(recipient, {}, url=URL))

    assert (by_broadcast.status, read(by_broadcast)["errors"][0]["parameter"]) == (400, "recipient")
    assert (by_person.status, read(by_person)["errors"][0]["parameter"]) == (400, "person")


async def test_an_unknown_broadcast_is_not_found() -> None:
    answer = await answering(House().api.deliveries("0" * 20, {"recipient": ALICE}, accept="", url=URL))

    assert answer.status == 404


async def test_what_a_person_got_lately_is_newest_first_with_its_state() -> None:
    house = House()
    first = await broadcast_to(house, ALICE, key="first")
    await broadcast_to(house, user(1), key="for somebody else")
    third = await broadcast_to(house, ALICE, user(1), key="third")
    await outcome(house, first, "S")

    found = await lately(house)

    assert [(one["broadcast"], one["state"]) for one in found["deliveries"]] == [(third, "pending"), (first, "sent")]
    assert found["deliveries"][1] == {
        "broadcast": first,
        "key": "first",
        "mode": "send",
        "accepted_at": "2026-05-28T20:26:41.000Z",
        "recipient": {"kind": "user", "id": ALICE},
        "state": "sent",
        "reason": None,
        "attempts": 1,
        "activity_id": None,
        "due_at": None,
        "updated_at": "2026-05-28T20:26:43.000Z",
        "links": {"broadcast": f"https://herald.test/api/broadcasts/{first}"},
    }
    assert (found["person"], found["next"]) == (ALICE, None)


async def test_links_reach_every_broadcast_of_a_person_once() -> None:
    house = House()
    for number in range(20):
        await broadcast_to(house, ALICE if number % 3 else user(1), key=f"{number}")
    expected = [f"{number}" for number in reversed(range(20)) if number % 3]

    assert await all_of(house, limit="1") == expected
    assert await all_of(house, limit="5") == expected
    assert await all_of(house) == expected


async def test_a_request_looks_at_so_many_broadcasts_and_its_link_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person_reports, "MOST_BROADCASTS", 8)
    house = House()
    await broadcast_to(house, ALICE, key="oldest")
    for number in range(8):
        await broadcast_to(house, user(1), key=f"{number}")

    page = await lately(house)

    assert page["deliveries"] == []
    assert page["next"].startswith(f"https://herald.test/api/people/{ALICE}/deliveries?after=")
    assert await all_of(house) == ["oldest"]


async def test_a_request_reads_so_much_of_indexes_and_its_link_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person_reports, "MOST_ROWS", 1)
    house = House()
    await broadcast_to(house, ALICE, key="oldest")
    for number in range(8):
        house.now += 1
        request = a_request(key=f"{number}", audience={"everyone": "installed"})
        broadcast_id = (await house.acceptance.accept(request)).broadcast_id
        held = await house.broadcasts.cursor(broadcast_id)
        batch = tuple(await house.lookup.recipients(TENANT, [f"user!{user(1)}"]))
        await house.broadcasts.step(
            broadcast_id,
            Cursor(batches=1, recipients=1),
            etag=held.etag,
            rows=rows_of([batch]),
        )

    assert (await lately(house))["next"] is not None
    assert await all_of(house) == ["oldest"]


async def test_a_broadcast_that_was_removed_meanwhile_is_left_out() -> None:
    house = House()
    gone = await broadcast_to(house, ALICE, key="gone")
    await broadcast_to(house, ALICE, key="there")
    while await house.broadcasts.remove_rows(gone):
        pass

    assert await all_of(house) == ["there"]
    with pytest.raises(BroadcastNotFound):
        await house.broadcasts.head(gone)


async def test_a_person_is_looked_for_in_one_tenant() -> None:
    api = an_api(House(), tenants=(TENANT, OTHER_TENANT))

    assert (await answering(api.deliveries(ALICE, {}, url=URL))).status == 400
    assert (await answering(api.deliveries(ALICE, {"tenant": OTHER_TENANT}, url=URL))).status == 200


async def known(house: House, *states: str) -> None:
    """So many people, each in a state."""
    table = house.account.table(names.CONVERSATIONS)
    at = "2026-05-28T20:00:00.500000+00:00"
    for number, state in enumerate(states):
        reference = Reference(
            conversation="" if state == "no_conversation" else f"a:{number}",
            state=ReferenceState(state) if state in set(ReferenceState) else ReferenceState.ACTIVE,
            changed_at=at,
        )
        await table.write(TENANT, [upsert(f"user!{user(number)}", values_of(reference))])
    await table.write(TENANT, [upsert(f"chat!{CHAT}", values_of(Reference(conversation=CHAT)))])


MANY = ["active", "active", "blocked", "uninstalled", "active", "no_conversation", "blocked"]


@pytest.mark.parametrize("limit", ["1", "2", "7", "8", ""])
async def test_sums_are_of_people_alone_and_add_up_over_the_links(limit: str) -> None:
    house = House()
    await known(house, *MANY)
    query, totals = {"limit": limit} if limit else {}, list[int]()
    while True:
        found = read(await an_api(house).reachability(query, url="https://herald.test/api/reachability"))
        totals.append(found["total"])
        assert sum(found["counts"].values()) == found["total"]
        if found["next"] is None:
            break
        assert found["next"].startswith("https://herald.test/api/reachability?")
        query = query_of(found["next"])

    assert found["counts"] == {"active": 3, "blocked": 2, "uninstalled": 1, "no_conversation": 1}
    assert found["tenant"] == TENANT
    assert totals == sorted(totals)


async def test_nobody_is_known_of_an_empty_tenant() -> None:
    found = read(await an_api(House()).reachability({}, url=URL))

    assert (found["total"], found["next"]) == (0, None)


@pytest.mark.parametrize("limit", ["1", "2", "1000"])
async def test_people_in_a_state_are_listed_by_pages(limit: str) -> None:
    house = House()
    await known(house, *MANY)
    query, found = {"state": "blocked", "limit": limit}, list[dict[str, Any]]()
    while True:
        page = read(await an_api(house).people(query, accept="", url="https://herald.test/api/reachability/people"))
        found += page["people"]
        if page["next"] is None:
            break
        assert page["next"].startswith("https://herald.test/api/reachability/people?state=blocked&")
        query = query_of(page["next"])

    assert found == [
        {"id": user(2), "state": "blocked", "changed_at": "2026-05-28T20:00:00.500Z", "seen_at": None},
        {"id": user(6), "state": "blocked", "changed_at": "2026-05-28T20:00:00.500Z", "seen_at": None},
    ]


async def test_everybody_is_listed_without_a_state() -> None:
    house = House()
    await known(house, *MANY)

    page = read(await an_api(house).people({}, accept="", url=URL))

    assert [one["state"] for one in page["people"]] == MANY


async def test_a_request_looks_at_so_many_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_api, "MOST_LOOKED_AT", 3)
    house = House()
    await known(house, *["active"] * 5, "blocked")

    page = read(await an_api(house).people({"state": "blocked"}, accept="", url=URL))

    assert page["people"] == []
    query = query_of(page["next"])
    assert len(read(await an_api(house).people(query, accept="", url=URL))["people"]) == 1


async def test_people_come_as_csv_with_the_next_page_in_a_link() -> None:
    house = House()
    await known(house, "blocked", "blocked")

    answer = await an_api(house).people({"limit": "1"}, accept="text/csv", url=URL)

    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Link"].endswith('>; rel="next"')
    assert answer.body.decode().splitlines() == [
        "id,state,changed_at,seen_at",
        f"{user(0)},blocked,2026-05-28T20:00:00.500Z,",
    ]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"state": "gone"}, "state"),
        ({"after": "abc"}, "after"),
        ({"limit": "0"}, "limit"),
        ({"tenant": OTHER_TENANT}, "tenant"),
    ],
)
async def test_a_fault_of_the_query_names_its_parameter(query: dict[str, str], parameter: str) -> None:
    api = an_api(House())
    answers = [await answering(api.people(query, accept="", url=URL))]
    if parameter != "state":
        answers.append(await answering(api.reachability(query, url=URL)))

    for answer in answers:
        assert answer.status == 400
        assert [error["parameter"] for error in read(answer)["errors"]] == [parameter]
