"""Calendars over HTTP: what each call answers, and that no operator overwrites another unseen."""

from collections.abc import Awaitable, Callable
from typing import Any

import azure.functions as func
import orjson
import pytest

from messages.schedule_blueprint import blueprint
from shared.composition import App
from shared.errors import RowConflict, StorageUnavailable
from tests.twins.accepting import NOON
from tests.twins.storage import Call, Hook, MemoryAccount, Moment, yielding
from tests.twins.teams import MemoryConnector
from tests.twins.world import TENANT, compose_app

URL = f"https://herald.test/api/tenants/{TENANT}/calendar"
NIGHT = {"quiet_hours": {"from": "18:00", "to": "08:00"}}
FULL = {
    **NIGHT,
    "working_days": ["MON", "TUE", "WED", "THU", "FRI"],
    "exceptions": ["2026-12-24", "2026-12-25"],
    "if_closed": "drop",
}


class Answered:
    """An answer of a function."""

    def __init__(self, answer: func.HttpResponse) -> None:
        self.status = answer.status_code
        self.headers = answer.headers
        self.body: dict[str, Any] = orjson.loads(answer.get_body() or b"{}")

    @property
    def kind(self) -> str:
        """The last part of a problem's type."""
        return str(self.body["type"]).rpartition(":")[2]


class Desk:
    """An operator's desk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOON
        self.account = MemoryAccount(lambda: self.now)
        self.app: App = compose_app(self.account, connector=MemoryConnector(), pace=None)
        app = func.FunctionApp()
        app.register_functions(blueprint)
        self._functions: dict[str, Any] = {str(one.get_function_name()): one for one in app.get_functions()}

        async def compose() -> App:
            return self.app

        monkeypatch.setattr("messages.blueprint.compose", compose)

    async def call(
        self, verb: str, document: Any = None, *, if_match: str | None = None, tenant: str = TENANT
    ) -> Answered:
        """Call `get`, `put` or `remove`."""
        request = func.HttpRequest(
            "GET",
            URL,
            headers={} if if_match is None else {"If-Match": if_match},
            route_params={"tenant_id": tenant},
            body=b"" if document is None else orjson.dumps(document),
        )
        return Answered(await self._functions[f"calendars_{verb}"].get_user_function()(request))

    async def put(self, document: Any, if_match: str | None = None) -> Answered:
        return await self.call("put", document, if_match=if_match)

    async def says(self) -> dict[str, Any]:
        """What the tenant's calendar says."""
        return dict(await self.app.calendars.document(TENANT))


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(monkeypatch)


async def test_a_calendar_is_put_told_and_removed(desk: Desk) -> None:
    put = await desk.put(FULL)

    told = {"tenant": TENANT, **FULL, "changed_at": "2026-05-28T20:26:40.000Z", "links": {"self": URL}}
    assert (put.status, put.headers["Location"], put.body) == (201, URL, told)
    read = await desk.call("get", tenant=TENANT.upper())
    assert (read.status, read.headers["ETag"], read.body) == (200, put.headers["ETag"], told)
    assert (await desk.call("remove")).status == 204
    gone = [await desk.call("get"), await desk.call("remove")]
    assert [(one.status, one.kind) for one in gone] == [(404, "not-found")] * 2
    assert await desk.says() == {}


async def test_a_calendar_is_replaced_as_a_whole(desk: Desk) -> None:
    first = await desk.put(FULL)

    second = await desk.put({"if_closed": "drop", "working_days": None})

    assert (second.status, await desk.says()) == (200, {"if_closed": "drop"})
    assert "Location" not in second.headers
    assert second.headers["ETag"] != first.headers["ETag"]


async def test_the_same_words_again_change_nothing(desk: Desk) -> None:
    first = await desk.put(NIGHT)
    desk.now += 60

    again = await desk.put(NIGHT, '"lost with the first answer"')

    assert (again.status, again.headers["ETag"], again.body) == (200, first.headers["ETag"], first.body)


async def test_of_two_operators_the_second_is_told(desk: Desk) -> None:
    etag = (await desk.put(NIGHT)).headers["ETag"]

    first = await desk.put(FULL, etag)
    second = await desk.put({}, etag)
    gone = await desk.call("remove", if_match=etag)

    assert (first.status, second.status, gone.status) == (200, 412, 412)
    assert {second.kind, gone.kind} == {"changed-since"}
    assert await desk.says() == FULL


async def test_without_a_condition_the_last_one_is_heard(desk: Desk) -> None:
    await desk.put(NIGHT)

    assert (await desk.put(FULL)).status == 200
    assert (await desk.put(NIGHT, "*")).status == 200
    assert (await desk.call("remove")).status == 204
    assert (await desk.put(NIGHT, "*")).status == 412


def echoing() -> Hook:
    """Answer the first write with a conflict though it was done: its first answer was lost."""
    left = [RowConflict("written by the first try")]

    async def hook(call: Call) -> None:
        if left and call.verb == "write" and call.moment is Moment.AFTER:
            raise left.pop()

    return hook


def coming_between(another: Callable[[], Awaitable[object]]) -> Hook:
    """Let somebody else write just before the first write."""
    left = [another]

    async def hook(call: Call) -> None:
        if left and call.verb == "write" and call.moment is Moment.BEFORE:
            await left.pop()()

    return hook


async def test_the_echo_of_an_own_write_is_no_conflict(desk: Desk) -> None:
    etag = (await desk.put(NIGHT)).headers["ETag"]
    desk.account.use_hook(echoing())

    changed = await desk.put(FULL, etag)
    desk.account.use_hook(echoing())
    removed = await desk.call("remove", if_match=changed.headers["ETag"])

    assert (changed.status, removed.status) == (200, 204)


@pytest.mark.parametrize("verb", ["put", "remove"])
async def test_an_operator_who_comes_between_is_not_overwritten(desk: Desk, verb: str) -> None:
    etag = (await desk.put(NIGHT)).headers["ETag"]
    desk.account.use_hook(coming_between(lambda: desk.put({"if_closed": "drop"})))

    answer = await desk.call(verb, FULL, if_match=etag)

    desk.account.use_hook(yielding)
    assert answer.status == 412
    assert await desk.says() == {"if_closed": "drop"}


@pytest.mark.parametrize(
    ("document", "pointer", "words"),
    [
        ({"quiet_hours": {"from": "22:00", "to": "22:00"}}, "/quiet_hours", "all day would be quiet"),
        ({"quiet_hours": {"from": "22:00"}}, "/quiet_hours/to", "missing"),
        ({"working_days": []}, "/working_days", "no day is left"),
        ({"working_days": ["Monday"]}, "/working_days/0", '"MON"'),
        ({"exceptions": ["24.12.2026"]}, "/exceptions/0", "such as 2026-12-24"),
        ({"exceptions": ["2026-12-24"] * 401}, "/exceptions", "at most 400 entries"),
        ({"if_closed": "skip"}, "/if_closed", '"wait" or "drop"'),
        ({"zone": "Europe/Berlin"}, "/zone", "the fields here are exceptions, quiet_hours, working_days, if_closed"),
    ],
)
async def test_what_is_wrong_with_a_calendar_is_told(desk: Desk, document: Any, pointer: str, words: str) -> None:
    answer = await desk.put(document)

    assert (answer.status, answer.kind) == (422, "invalid-request")
    [error] = answer.body["errors"]
    assert error["pointer"] == pointer
    assert words in error["detail"]
    assert await desk.says() == {}


async def test_a_body_that_is_no_object_is_told(desk: Desk) -> None:
    assert (await desk.put([])).status == 400


@pytest.mark.parametrize("verb", ["get", "put", "remove"])
@pytest.mark.parametrize("tenant", ["3e8f2a64-8a0a-4a39-9b8f-6a1f1c0b5d77", "contoso.com", ""])
async def test_a_tenant_that_the_app_does_not_serve_is_not_found(desk: Desk, verb: str, tenant: str) -> None:
    answer = await desk.call(verb, NIGHT, tenant=tenant)

    assert (answer.status, answer.kind) == (404, "unknown-tenant")


@pytest.mark.parametrize("verb", ["get", "put", "remove"])
async def test_storage_that_is_away_is_told(desk: Desk, verb: str) -> None:
    async def away(call: Call) -> None:
        raise StorageUnavailable(call.verb)

    desk.account.use_hook(away)

    assert (await desk.call(verb, NIGHT)).status == 503
