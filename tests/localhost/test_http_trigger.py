"""HTTP triggers, seen by a client of the sample app's host."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession
from yarl import URL

from tests.localhost.hosting import sample_host

pytestmark = pytest.mark.azurite


@pytest.fixture(autouse=True)
def settings(azurite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AzureWebJobsStorage", azurite)
    monkeypatch.setenv("SAMPLE_QUEUE", "sample-http")
    monkeypatch.setenv("SAMPLE_SCHEDULE", "0 0 0 1 1 *")


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ClientSession]:
    async with sample_host(tmp_path) as host, ClientSession(host.url) as session:
        yield session


@pytest.fixture
async def guarded_client(tmp_path: Path) -> AsyncIterator[ClientSession]:
    async with sample_host(tmp_path, key="the key") as host, ClientSession(host.url) as session:
        yield session


async def test_function_sees_the_request_as_the_worker_gives_it(client: ClientSession) -> None:
    path = URL("/api/echo/gr%C3%BC%C3%9Fe/5?a=1&a=2&b=x", encoded=True)
    async with client.post(path, data=b"body", headers={"X-Custom": "Yes"}) as answer:
        seen = await answer.json()

    assert seen["method"] == "POST"
    assert seen["url"].endswith("/api/echo/gr%C3%BC%C3%9Fe/5?a=1&a=2&b=x")
    assert seen["params"] == {"a": "1,2", "b": "x"}
    assert seen["route_params"] == {"name": "grüße", "number": "5"}
    assert seen["headers"]["x-custom"] == "Yes"
    assert seen["body"] == "body"
    assert seen["function"] == "echo"


async def test_trace_of_the_caller_goes_on(client: ClientSession) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    async with client.get("/api/echo/x", headers=headers) as answer:
        seen = await answer.json()

    assert seen["trace"].split("-")[1] == trace_id


async def test_body_without_a_stated_length_arrives_empty(client: ClientSession) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"never seen"

    async with client.post("/api/echo/x", data=chunks()) as answer:
        seen = await answer.json()

    assert seen["body"] == ""


async def test_answer_keeps_headers_and_cookies_of_the_function(client: ClientSession) -> None:
    async with client.delete("/api/guarded") as answer:
        assert await answer.text() == "come in"

    # A function without methods takes all of them.
    assert answer.headers["X-Method"] == "DELETE"
    assert answer.content_type == "text/plain"
    assert answer.cookies["a"].value == "1"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/nothing"),
        ("GET", "/echo/x"),  # the prefix is part of the route
        ("GET", "/api/echo/x/five"),  # the constraint fails
        ("DELETE", "/api/echo/x"),  # another method is no route either
    ],
)
async def test_request_without_a_route_is_not_found(client: ClientSession, method: str, path: str) -> None:
    async with client.request(method, path) as answer:
        assert (answer.status, await answer.read()) == (404, b"")


async def test_failure_is_a_500_that_tells_nothing(client: ClientSession, caplog: pytest.LogCaptureFixture) -> None:
    async with client.post("/api/broken", data=b"{}") as answer:
        assert (answer.status, await answer.read()) == (500, b"")

    assert "Executed 'Functions.broken' (Failed)" in caplog.text


async def test_keys_are_not_checked_unless_asked_for(client: ClientSession) -> None:
    async with client.get("/api/guarded") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("query", "header", "status"),
    [
        ("", None, 401),
        ("?code=the%20key", None, 200),
        ("", "the key", 200),
        ("?code=the%20key", "wrong", 401),  # the header wins
        ("?code=wrong", "the key", 200),
    ],
)
async def test_key_opens_a_function(guarded_client: ClientSession, query: str, header: str | None, status: int) -> None:
    headers = {} if header is None else {"x-functions-key": header}
    async with guarded_client.get(URL(f"/api/guarded{query}", encoded=True), headers=headers) as answer:
        assert answer.status == status


async def test_anonymous_function_needs_no_key_and_the_admin_endpoint_does(guarded_client: ClientSession) -> None:
    async with guarded_client.get("/api/echo/x") as answer:
        assert answer.status == 200
    async with guarded_client.post("/admin/functions/ticker", json={}) as answer:
        assert answer.status == 401
