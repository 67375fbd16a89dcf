"""Saved audiences over HTTP: what each call answers, and that no editor overwrites another unseen."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import azure.functions as func
import orjson
import pytest

from messages.audience_api import AudienceApi
from messages.audience_blueprint import blueprint
from messages.problems import answering
from shared.composition import App
from shared.errors import RowConflict, StorageUnavailable
from tests.twins.accepting import ALICE, CHANNEL, NOON, user
from tests.twins.storage import Call, Hook, MemoryAccount, Moment, yielding
from tests.twins.teams import MemoryConnector
from tests.twins.world import TENANT, compose_app

URL = "https://herald.test/api/audiences"
GROUP = "02bd9fd6-8f93-4758-87c3-1fb73740a315"
PEOPLE = {"users": [ALICE]}
LONG_NAMES = [{"team": CHANNEL, "channel": f"{number:04}{'ü' * 196}"} for number in range(1_000)]
ROUTES = {
    "audiences_list": ("audiences", ["GET"], "FUNCTION"),
    "audiences_get": ("audiences/{name}", ["GET"], "FUNCTION"),
    "audiences_put": ("audiences/{name}", ["PUT"], "FUNCTION"),
    "audiences_remove": ("audiences/{name}", ["DELETE"], "FUNCTION"),
    "audiences_estimate": ("audiences/estimate", ["POST"], "FUNCTION"),
}


class Answered:
    """An answer of a function."""

    def __init__(self, answer: func.HttpResponse) -> None:
        self.status = answer.status_code
        self.headers = answer.headers
        self.body: dict[str, Any] = orjson.loads(answer.get_body() or b"{}")

    @property
    def etag(self) -> str:
        return str(self.headers["ETag"])

    @property
    def faults(self) -> dict[str, str]:
        """The faults of a problem by their pointers."""
        return {one["pointer"]: one["detail"] for one in self.body["errors"]}


class Desk:
    """An author's desk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOON
        self.account = MemoryAccount(lambda: self.now)
        self.app: App = compose_app(self.account, connector=MemoryConnector(), pace=None)
        app = func.FunctionApp()
        app.register_functions(blueprint)
        self.functions: dict[str, Any] = {str(one.get_function_name()): one for one in app.get_functions()}

        async def compose() -> App:
            return self.app

        monkeypatch.setattr("messages.blueprint.compose", compose)

    async def call(
        self, verb: str, name: str = "", *, document: Any = None, if_match: str | None = None, **query: str
    ) -> Answered:
        request = func.HttpRequest(
            "GET",
            f"{URL}/{name}" if name else URL,
            headers={} if if_match is None else {"If-Match": if_match},
            params=query,
            route_params={"name": name},
            body=b"" if document is None else orjson.dumps(document),
        )
        return Answered(await self.functions[f"audiences_{verb}"].get_user_function()(request))

    async def put(
        self, name: str = "sales", *, if_match: str | None = None, description: str | None = None, **audience: Any
    ) -> Answered:
        """Put an audience of these kinds."""
        document = {"version": 1, "audience": audience or PEOPLE, "description": description}
        return await self.call("put", name, document=document, if_match=if_match)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


def test_functions_have_their_routes_and_keys(desk: Desk) -> None:
    triggers = {name: one.get_trigger().get_dict_repr() for name, one in desk.functions.items()}
    found = {
        name: (one["route"], [getattr(method, "name", method) for method in one["methods"]], one["authLevel"].name)
        for name, one in triggers.items()
    }

    assert found == ROUTES


async def test_a_new_audience_is_answered_with_its_address_and_version(desk: Desk) -> None:
    audience = {"users": [ALICE.upper()], "except": {"groups": [GROUP]}}
    answer = await desk.call("put", "sales", document={"version": 1, "description": "Who sells", "audience": audience})

    link = f"{URL}/sales?tenant={TENANT}"
    told = {
        "name": "sales",
        "tenant": TENANT,
        "description": "Who sells",
        "changed_at": "2026-05-28T20:26:40.000Z",
        "links": {"self": link},
        "audience": {"users": [ALICE], "except": {"groups": [GROUP]}},
    }
    read = await desk.call("get", "sales", tenant=TENANT)
    assert (answer.status, answer.headers["Location"], answer.body) == (201, link, told)
    assert (read.status, read.etag, read.body) == (200, answer.etag, told)


async def test_a_known_name_is_replaced_as_a_whole(desk: Desk) -> None:
    first = await desk.put(description="Who sells", users=[ALICE])
    desk.now += 60

    second = await desk.put(groups=[GROUP])

    read = await desk.call("get", "sales")
    assert (second.status, read.body["audience"], read.body["description"]) == (200, {"groups": [GROUP]}, None)
    assert read.body["changed_at"] == "2026-05-28T20:27:40.000Z"
    assert "Location" not in second.headers
    assert len({first.etag, second.etag}) == 2


async def test_of_two_editors_the_second_is_told_that_the_audience_has_changed(desk: Desk) -> None:
    etag = (await desk.put()).etag

    first = await desk.put(if_match=etag, groups=[GROUP])
    second = await desk.put(if_match=etag, users=[user(1)])
    gone = await desk.call("remove", "sales", if_match=etag)

    assert (first.status, second.status, gone.status) == (200, 412, 412)
    assert second.body["type"] == "urn:herald:problem:changed-since"
    assert (await desk.call("get", "sales")).body["audience"] == {"groups": [GROUP]}


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("{etag}", 200),
        # One of several.
        ('"other", {etag}', 200),
        # Whatever it is, as long as it is there.
        ("*", 200),
        # As a proxy that compresses writes it.
        ("W/{etag}", 200),
        ('"other"', 412),
        # Without its quotes it is no tag.
        ("other", 412),
        # An editor who lost the tag on the way overwrites nobody.
        ("", 412),
    ],
)
async def test_a_condition_is_met_or_not(desk: Desk, condition: str, status: int) -> None:
    etag = (await desk.put()).etag

    assert (await desk.put(if_match=condition.format(etag=etag), groups=[GROUP])).status == status


async def test_a_condition_is_not_met_by_an_audience_that_is_not_there(desk: Desk) -> None:
    assert (await desk.put(if_match="*")).status == 412


async def test_the_same_words_again_change_nothing_whatever_the_condition(desk: Desk) -> None:
    first = await desk.put()
    desk.now += 60

    again = await desk.put(if_match='"lost with the first answer"')

    assert (again.status, again.etag, again.body["changed_at"]) == (200, first.etag, first.body["changed_at"])


def echoing() -> Hook:
    """Answer the first write with a conflict though it was done: its first answer was lost."""
    left = [RowConflict("written by the first try")]

    async def hook(call: Call) -> None:
        if left and call.verb == "write" and call.moment is Moment.AFTER:
            raise left.pop()

    return hook


def coming_between(another: Callable[[], Awaitable[None]]) -> Hook:
    """Let somebody else write just before the first write."""
    left = [another]

    async def hook(call: Call) -> None:
        if left and call.verb == "write" and call.moment is Moment.BEFORE:
            await left.pop()()

    return hook


async def test_the_echo_of_an_own_write_is_no_conflict(desk: Desk) -> None:
    etag = (await desk.put()).etag
    desk.account.use_hook(echoing())

    changed = await desk.put(if_match=etag, groups=[GROUP])
    desk.account.use_hook(echoing())
    removed = await desk.call("remove", "sales", if_match=changed.etag)

    assert (changed.status, removed.status) == (200, 204)


@pytest.mark.parametrize(
    ("verb", "document"), [("put", {"version": 1, "audience": {"groups": [GROUP]}}), ("remove", None)]
)
async def test_an_editor_who_comes_between_is_not_overwritten(desk: Desk, verb: str, document: Any) -> None:
    etag = (await desk.put()).etag

    async def another() -> None:
        await desk.put(users=[user(1)])

    desk.account.use_hook(coming_between(another))
    changed = await desk.call(verb, "sales", document=document, if_match=etag)

    desk.account.use_hook(yielding)
    assert changed.status == 412
    assert (await desk.call("get", "sales")).body["audience"] == {"users": [user(1)]}


async def test_of_many_editors_at_once_with_one_version_one_is_heard(desk: Desk) -> None:
    etag = (await desk.put()).etag

    answers = await asyncio.gather(*(desk.put(if_match=etag, users=[user(number)]) for number in range(8)))

    assert sorted(answer.status for answer in answers) == [200] + [412] * 7


async def test_a_removed_audience_is_gone(desk: Desk) -> None:
    await desk.put()

    removed = await desk.call("remove", "sales", tenant=TENANT)

    after = [await desk.call(verb, "sales") for verb in ("get", "remove")]
    assert (removed.status, removed.body) == (204, {})
    assert [(one.status, one.body["type"]) for one in after] == [(404, "urn:herald:problem:unknown-audience")] * 2


async def test_a_list_has_names_and_no_ids_page_by_page(desk: Desk) -> None:
    for name in ("sales", "a-1", "managers"):
        await desk.put(name, description=name.upper())

    first = await desk.call("list", tenant=TENANT, limit="2")
    second = await desk.call("list", tenant=TENANT, limit="2", after="managers")

    assert [one["name"] for one in first.body["audiences"]] == ["a-1", "managers"]
    assert first.body["next"] == f"{URL}?tenant={TENANT}&limit=2&after=managers"
    assert second.body == {
        "audiences": [
            {
                "name": "sales",
                "tenant": TENANT,
                "description": "SALES",
                "changed_at": "2026-05-28T20:26:40.000Z",
                "links": {"self": f"{URL}/sales?tenant={TENANT}"},
            }
        ],
        "next": None,
    }


@pytest.mark.parametrize(
    ("document", "pointer", "words"),
    [
        # No version.
        ({"audience": PEOPLE}, "/version", "missing"),
        # A tenant of somebody else.
        ({"version": 1, "tenant": user(1), "audience": PEOPLE}, "/tenant", "does not serve"),
        # A misspelt field.
        ({"version": 1, "audience": PEOPLE, "descripton": "x"}, "/descripton", "audience, description"),
        # A description that is too long.
        ({"version": 1, "audience": PEOPLE, "description": "x" * 501}, "/description", "at most 500"),
        # No audience.
        ({"version": 1}, "/audience", "missing"),
        # An empty one.
        ({"version": 1, "audience": {"users": []}}, "/audience", "empty"),
        # A team by the GUID of its group.
        ({"version": 1, "audience": {"teams": [ALICE]}}, "/audience/teams/0", "internalId"),
        # A name that cannot be looked up here.
        ({"version": 1, "audience": {"users": ["ann@contoso.com"]}}, "/audience/users/0", "sign-in name"),
        # More ids than a request may name.
        ({"version": 1, "audience": {"users": [user(n) for n in range(1_001)]}}, "/audience", "1,001 ids"),
        # More than a row takes of it.
        ({"version": 1, "audience": {"channels": LONG_NAMES}}, "/audience", "655,360 are allowed"),
        # A saved audience in it.
        ({"version": 1, "audience": {"saved": ["managers"]}}, "/audience/saved", "name both"),
        # Among those who are left out.
        (
            {"version": 1, "audience": {**PEOPLE, "except": {"saved": ["managers"]}}},
            "/audience/except/saved",
            "name both",
        ),
        # The recipients of another broadcast.
        ({"version": 1, "audience": {"from": "0" * 20}}, "/audience/from", "the request which names"),
        ({"version": 1, "audience": {**PEOPLE, "reasons": ["not_installed"]}}, "/audience/reasons", "cannot be saved"),
    ],
)
async def test_what_is_wrong_is_named_by_its_pointer(desk: Desk, document: Any, pointer: str, words: str) -> None:
    answer = await desk.call("put", "sales", document=document)

    assert (answer.status, list(answer.faults)) == (422, [pointer])
    assert words in answer.faults[pointer]
    assert (await desk.call("list")).body["audiences"] == []


async def test_all_faults_are_named_in_one_go(desk: Desk) -> None:
    document = {"audience": {"users": ["Ann"], "saved": ["x"], "chats": [CHANNEL, "19:a/b"]}, "description": 3}

    answer = await desk.call("put", "sales", document=document)

    assert list(answer.faults) == [
        "/version",
        "/audience/users/0",
        "/audience/chats/1",
        "/description",
        "/audience/saved",
    ]


@pytest.mark.parametrize("name", ["Sales", "a_b", "é", "x" * 65, "a b", "../x", "a!b"])
@pytest.mark.parametrize("verb", ["get", "put", "remove"])
async def test_a_name_that_none_can_have_is_told(desk: Desk, verb: str, name: str) -> None:
    document = {"version": 1, "audience": PEOPLE} if verb == "put" else None

    answer = await desk.call(verb, name, document=document)

    assert (answer.status, answer.body["errors"][0]["parameter"]) == (400, "name")
    assert "1 to 64 small letters" in answer.body["detail"]


async def test_a_tenant_is_named_where_the_app_serves_several(desk: Desk) -> None:
    api = AudienceApi(desk.app.audiences, clock=desk.app.clock, tenants=[TENANT, user(1)], takes_names=False)
    body = orjson.dumps({"version": 1, "audience": PEOPLE})
    calls = [
        api.list({}, url=URL),
        api.get("sales", {}, url=URL),
        api.get("sales", {"tenant": user(2)}, url=URL),
        api.remove("sales", {}, if_match=None),
        api.put("sales", body, if_match=None, url=URL),
    ]

    answers = [await answering(call) for call in calls]

    assert [answer.status for answer in answers] == [400, 400, 400, 400, 422]


@pytest.mark.parametrize("body", [b"", b"[]"])
async def test_a_body_that_is_no_json_object_is_malformed(desk: Desk, body: bytes) -> None:
    request = func.HttpRequest("PUT", f"{URL}/sales", route_params={"name": "sales"}, body=body)

    answer = Answered(await desk.functions["audiences_put"].get_user_function()(request))

    assert (answer.status, answer.body["type"]) == (400, "urn:herald:problem:malformed-body")


async def test_storage_that_is_away_is_told(desk: Desk) -> None:
    async def away(call: Call) -> None:
        raise StorageUnavailable(call.verb)

    desk.account.use_hook(away)

    answers = [await desk.put(), await desk.call("list"), await desk.call("get", "sales")]

    assert {answer.status for answer in answers} == {503}
