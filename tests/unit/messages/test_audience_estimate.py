"""An estimate of an audience over HTTP: exact where people are known, else a share of a first page; and no writes."""

from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

import azure.functions as func
import orjson
import pytest

from messages import audience_blueprint, audience_counts, parts
from messages.answers import Answer
from messages.problems import answering
from shared.composition import App
from shared.domain.audience import Source
from shared.domain.recipients import RecipientKind, recipient_key
from shared.domain.references import Reference, ReferenceState, values_of
from shared.errors import TokenRefused, TokenUnavailable
from shared.requests import read_request
from shared.storage import names
from shared.storage.audiences import SavedAudience
from shared.storage.rows import upsert
from tests.twins.accepting import CHANNEL, CHAT, NOON, a_document, rows_of
from tests.twins.directory import FORBIDDEN, THROTTLED, Account, Fault, MemoryDirectory
from tests.twins.graph import refusal
from tests.twins.storage import Call, MemoryAccount
from tests.twins.teams import MemoryConnector
from tests.twins.world import TENANT, compose_app, object_id

SALES, STAFF, GONE = (f"{digit * 8}-1111-1111-1111-111111111111" for digit in "123")
URL = "https://herald.test/api/audiences/estimate"


def accounts(first: int, last: int, *, guest: bool = False) -> list[Account]:
    """The accounts of some people."""
    return [
        Account(object_id(number), is_guest=guest, upn=f"u{number}@contoso.com", mail=f"m{number}@contoso.com")
        for number in range(first, last)
    ]


class Desk:
    """An author's desk, over a directory."""

    def __init__(self, directory: MemoryDirectory | None = None, *, pace: float | None = 50.0) -> None:
        self.account = MemoryAccount(lambda: NOON)
        self.directory = directory or MemoryDirectory(latency=0)
        # People may be named by name where the app is given to them.
        self.directory.gives_app = True
        self.app: App = compose_app(self.account, connector=MemoryConnector(), pace=pace, graph=self.directory)

    async def knows(self, first: int, last: int, state: ReferenceState = ReferenceState.ACTIVE) -> None:
        """Store a chat with each of some people."""
        table = self.account.table(names.CONVERSATIONS)
        reference = Reference(conversation="a:1", service_url="https://smba.test/", state=state)
        for number in range(first, last):
            key = recipient_key(RecipientKind.USER, object_id(number))
            await table.write(TENANT, [upsert(key, values_of(reference))])

    async def has_sent(self, people: int, outcomes: str) -> str:
        """A broadcast to the first people, whose deliveries have these outcomes; its id."""
        users = [object_id(number) for number in range(people)]
        request = read_request(a_document(tenant=TENANT, audience={"users": users}), tenants=[TENANT], key="k")
        broadcast = (await self.app.acceptance.accept(request)).broadcast_id
        recipients = await self.app.lookup.recipients(TENANT, request.audience.users)
        held = await self.app.broadcasts.cursor(broadcast)
        await self.app.broadcasts.step(broadcast, held.cursor, etag=held.etag, rows=rows_of([recipients]))
        batch = await self.app.broadcasts.batch(broadcast, 0)
        assert batch is not None
        progress = replace(batch.progress, outcomes=outcomes)
        await self.app.broadcasts.write_batch(broadcast, batch, progress, writer="w", writes=1, settle=True)
        return broadcast

    async def ask(self, **audience: Any) -> Answer:
        """Ask for an estimate."""
        body = orjson.dumps({"version": 1, "audience": audience})
        return await answering(parts.audience_estimate(self.app).estimate(body))

    async def estimate(self, **audience: Any) -> dict[str, Any]:
        """An estimate that is given."""
        answer = await self.ask(**audience)
        assert answer.status == 200, answer
        return read(answer)


def read(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(answer.body)
    return found


def counted(estimate: dict[str, Any]) -> list[tuple[str, str | None, int | None, str]]:
    """The sources of an estimate, shortly."""
    return [(one["source"], one["id"], one["count"], one["counted"]) for one in estimate["sources"]]


async def test_named_people_and_conversations_are_told_exactly() -> None:
    desk = Desk()
    await desk.knows(0, 3)
    await desk.knows(3, 4, ReferenceState.BLOCKED)
    await desk.knows(4, 5, ReferenceState.UNINSTALLED)

    found = await desk.estimate(users=[object_id(number) for number in range(7)], channels=[CHANNEL], chats=[CHAT])

    assert found == {
        "tenant": TENANT,
        "at_most": 9,
        "sources": [
            {"source": "users", "id": None, "count": 7, "counted": "people"},
            {"source": "conversations", "id": None, "count": 2, "counted": "conversations"},
        ],
        "reachable": 5,
        "to_install": 3,
        "sampled": None,
        "unknown": [],
        # Five, one that blocked the bot, and three that need a chat first, at fifty a second.
        "estimated_seconds": 1,
    }
    assert not desk.directory.asked


async def test_everybody_who_has_the_app_is_counted() -> None:
    desk = Desk()
    await desk.knows(0, 40)
    await desk.knows(40, 45, ReferenceState.BLOCKED)
    await desk.knows(45, 50, ReferenceState.UNINSTALLED)

    found = await desk.estimate(everyone="installed")

    assert counted(found) == [("installed", None, 45, "people")]
    assert (found["at_most"], found["reachable"], found["to_install"]) == (45, 40, 0)


async def test_very_many_who_have_the_app_are_extrapolated_from_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_counts, "MOST_COUNTED", 1_000)
    desk, chance = Desk(), Random(7)
    table = desk.account.table(names.CONVERSATIONS)
    for number in range(8_000):
        state = ReferenceState.BLOCKED if number % 4 == 0 else ReferenceState.ACTIVE
        reference = Reference(conversation="a:1", service_url="https://smba.test/", state=state)
        key = recipient_key(RecipientKind.USER, str(UUID(int=chance.getrandbits(128))))
        await table.write(TENANT, [upsert(key, values_of(reference))])

    found = await desk.estimate(everyone="installed")

    assert found["at_most"] == pytest.approx(8_000, rel=0.1)
    assert found["reachable"] == pytest.approx(6_000, rel=0.1)
    assert found["sampled"] == 1_000


async def test_a_small_group_is_looked_at_as_a_whole_and_its_guests_are_left_out() -> None:
    group = [*accounts(0, 6), *accounts(6, 8, guest=True)]
    desk = Desk(MemoryDirectory(groups={SALES: group}, latency=0))
    await desk.knows(0, 4)

    found = await desk.estimate(groups=[SALES])

    assert counted(found) == [("groups", SALES, 8, "people")]
    assert (found["reachable"], found["to_install"], found["sampled"]) == (4, 2, None)


async def test_a_large_group_and_the_tenant_are_extrapolated_from_their_first_pages() -> None:
    directory = MemoryDirectory(accounts(0, 400), {SALES: accounts(0, 200)}, page_size=100, latency=0)
    desk = Desk(directory)
    await desk.knows(0, 25)

    found = await desk.estimate(groups=[SALES], everyone="tenant")

    assert counted(found) == [("groups", SALES, 200, "people"), ("tenant", None, 400, "people")]
    # A quarter of each first page has the app: of 200 and of 400.
    assert (found["at_most"], found["reachable"], found["to_install"], found["sampled"]) == (600, 150, 450, 200)
    assert found["estimated_seconds"] == 21


async def test_a_group_whose_people_cannot_be_counted_alone_is_told_with_all_of_its_members() -> None:
    directory = MemoryDirectory(groups={SALES: accounts(0, 200), STAFF: accounts(0, 10)}, page_size=100, latency=0)
    directory.uncountable = {SALES: 50, STAFF: 1}
    desk = Desk(directory)

    found = await desk.estimate(groups=[SALES, STAFF])

    assert counted(found) == [("groups", SALES, 250, "members"), ("groups", STAFF, 10, "members")]


async def test_an_index_of_counts_that_lags_does_not_hide_who_is_on_the_page() -> None:
    directory = MemoryDirectory(groups={SALES: accounts(0, 200)}, page_size=100, latency=0)
    directory.uncountable = {SALES: -195}
    desk = Desk(directory)

    assert (await desk.estimate(groups=[SALES]))["at_most"] == 100


async def test_what_is_unknown_is_told_also_of_those_who_are_left_out() -> None:
    directory = MemoryDirectory(accounts(0, 3), {SALES: accounts(0, 3)}, latency=0)
    desk = Desk(directory)
    await desk.knows(0, 1)

    found = await desk.estimate(
        users=["u0@contoso.com", "m1@contoso.com", "nobody@contoso.com"],
        groups=[SALES, GONE],
        **{"except": {"groups": [STAFF], "users": ["nobody.else@contoso.com", "u2@contoso.com"]}},
    )

    assert counted(found) == [("users", None, 2, "people"), ("groups", SALES, 3, "people")]
    assert found["unknown"] == ["nobody@contoso.com", "nobody.else@contoso.com", GONE, STAFF]


async def test_who_is_named_in_several_ways_is_counted_once() -> None:
    desk = Desk(MemoryDirectory(accounts(0, 3), latency=0))

    found = await desk.estimate(users=[object_id(1), "u1@contoso.com", "m1@contoso.com"])

    assert found["at_most"] == 1


async def test_recipients_of_another_broadcast_are_counted_by_what_became_of_them() -> None:
    desk = Desk()
    await desk.knows(0, 2)
    broadcast = await desk.has_sent(5, "SSS0S")

    found = await desk.estimate(**{"from": broadcast, "states": ["sent"]})

    assert counted(found) == [("from", None, 4, "deliveries")]
    assert (found["reachable"], found["to_install"], found["sampled"]) == (2, 2, None)


async def test_a_saved_audience_is_estimated_as_it_stands() -> None:
    desk = Desk()
    await desk.knows(0, 2)
    document = {"users": [object_id(number) for number in range(3)]}
    await desk.app.audiences.put(TENANT, SavedAudience(name="sales", document=document, changed_at=NOON))

    found = await desk.estimate(saved=["sales"], users=[object_id(7)])

    assert (found["at_most"], found["reachable"], found["to_install"]) == (4, 2, 2)


async def test_rosters_and_names_of_channels_are_not_looked_at_before_they_are_planned() -> None:
    found = await Desk().estimate(rosters=[CHAT, SALES], channels=[{"team": CHANNEL, "channel": "News"}])

    assert sorted(counted(found), key=str) == [
        ("conversations", None, 1, "conversations"),
        ("rosters", SALES, None, "people"),
        ("rosters", CHAT, None, "people"),
    ]
    assert (found["at_most"], found["reachable"]) == (None, 1)
    # Nobody knows how many are in the rosters.
    assert found["estimated_seconds"] is None


async def test_a_source_that_nobody_counts_is_told_and_leaves_the_sum_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_counts, "COUNTED", audience_counts.COUNTED - {Source.USERS})

    found = await Desk().estimate(users=[object_id(1)], **{"except": {"users": [object_id(2)]}})

    assert counted(found) == [("users", None, 1, "people"), ("users", None, None, "people")]
    assert (found["at_most"], found["to_install"]) == (None, 1)


async def test_without_a_limit_nobody_knows_how_long_it_takes() -> None:
    found = await Desk(pace=None).estimate(users=[object_id(1)])

    assert found["estimated_seconds"] is None


async def test_an_estimate_writes_nothing() -> None:
    desk = Desk(MemoryDirectory(accounts(0, 3), {SALES: accounts(0, 3)}, latency=0))
    verbs = list[str]()

    async def note(call: Call) -> None:
        verbs.append(call.verb)

    desk.account.use_hook(note)

    await desk.estimate(users=["u1@contoso.com"], groups=[SALES], everyone="installed", channels=[CHANNEL])

    assert {"get", "scan"} >= set(verbs)
    assert verbs


@pytest.mark.parametrize(
    ("fault", "status", "kind", "retry_after", "words"),
    [
        # Throttled.
        (THROTTLED, 503, "directory-unavailable", "20", "429"),
        # An outage.
        (refusal(503, "serviceNotAvailable"), 503, "directory-unavailable", "5", "503"),
        # No token can be had at the moment.
        (TokenUnavailable, 503, "directory-unavailable", "5", "TokenUnavailable"),
        # No admin has consented.
        (FORBIDDEN, 502, "directory-refused", None, "GroupMember.Read.All with User.Read.All, and Member.Read.Hidden"),
        # The credentials are refused.
        (TokenRefused, 502, "directory-refused", None, "TokenRefused"),
    ],
)
async def test_graph_that_does_not_tell_is_told(
    fault: Fault, status: int, kind: str, retry_after: str | None, words: str
) -> None:
    for place in range(2):
        # The count fails, or the page does.
        faults = {place: fault}
        directory = MemoryDirectory(groups={SALES: accounts(0, 3)}, fault=faults.get, latency=0)

        answer = await Desk(directory).ask(groups=[SALES])

        problem = read(answer)
        assert (answer.status, problem["type"]) == (status, f"urn:herald:problem:{kind}")
        assert answer.headers.get("Retry-After") == retry_after
        assert words in problem["detail"]


async def test_the_permission_for_the_tenant_is_named_alone() -> None:
    answer = await Desk(MemoryDirectory(fault=lambda _: FORBIDDEN, latency=0)).ask(everyone="tenant")

    assert "application permission User.Read.All, with the consent" in read(answer)["detail"]


async def test_ids_without_what_tells_guests_are_a_refusal() -> None:
    directory = MemoryDirectory(groups={SALES: accounts(0, 3)}, latency=0)
    directory.is_readable = False

    answer = await Desk(directory).ask(groups=[SALES])

    assert (answer.status, directory.forgotten) == (502, 1)


@pytest.mark.parametrize(
    ("audience", "pointer", "words"),
    [
        # Nobody.
        ({}, "/audience", "empty"),
        # A misspelt kind.
        ({"group": [SALES]}, "/audience/group", "the fields here are"),
        # A saved audience that is not there.
        ({"saved": ["sails"]}, "/audience/saved/0", "no saved audience"),
        # A broadcast that is not there.
        ({"from": "0" * 20, "states": ["sent"]}, "/audience/from", "no broadcast"),
        # More groups than Graph can be asked about within seconds.
        (
            {"groups": [f"{number:08}-1111-1111-1111-111111111111" for number in range(101)]},
            "/audience/groups",
            "up to 100 groups",
        ),
    ],
)
async def test_what_is_wrong_is_named_by_its_pointer(audience: dict[str, Any], pointer: str, words: str) -> None:
    answer = await Desk().ask(**audience)

    (fault,) = [one for one in read(answer)["errors"] if one["pointer"] == pointer]
    assert answer.status == 422
    assert words in fault["detail"]


async def test_the_function_reaches_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()

    async def compose() -> App:
        return desk.app

    monkeypatch.setattr("messages.blueprint.compose", compose)
    body = orjson.dumps({"version": 1, "audience": {"users": [object_id(1)]}})
    request = func.HttpRequest("POST", URL, body=body)

    answer = await audience_blueprint.audiences_estimate.build().get_user_function()(request)

    assert (answer.status_code, orjson.loads(answer.get_body())["at_most"]) == (200, 1)
