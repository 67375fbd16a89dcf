"""The signing proxy adds the token and changes nothing else."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web

from localhost.signing_proxy import SigningProxy

BODY = b'{ "type": "message",  "serviceUrl": "http://localhost:1/_connector" }'


@pytest.fixture
async def bot() -> AsyncIterator[tuple[str, list[web.Request]]]:
    """A bot that tells in its answer what it got."""
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request)
        body = (await request.read()).decode()
        return web.json_response({"token": request.headers["Authorization"], "body": body}, status=202)

    app = web.Application()
    app.router.add_post("/api/messages", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    await runner.cleanup()


async def test_activity_goes_on_byte_for_byte_with_a_token_for_its_service(
    bot: tuple[str, list[web.Request]],
) -> None:
    url, seen = bot
    async with SigningProxy(lambda service_url: f"for {service_url}", app_url=url) as proxy, ClientSession() as session:
        headers = {"Content-Type": "application/json", "X-Custom": "kept", "Authorization": "Bearer junk"}
        async with session.post(proxy.url, data=BODY, headers=headers) as answer:
            told = await answer.json()

    assert answer.status == 202
    assert told == {"token": "Bearer for http://localhost:1/_connector", "body": BODY.decode()}
    assert seen[0].headers["X-Custom"] == "kept"


@pytest.mark.parametrize("body", [b"no json", b"[]", json.dumps({"type": "message"}).encode()])
async def test_what_is_no_activity_is_refused(body: bytes) -> None:
    async with (
        SigningProxy(str, app_url="http://127.0.0.1:1") as proxy,
        ClientSession() as session,
        session.post(proxy.url, data=body) as answer,
    ):
        assert answer.status == 400


async def test_app_that_is_down_is_a_bad_gateway() -> None:
    async with (
        SigningProxy(str, app_url="http://127.0.0.1:1") as proxy,
        ClientSession() as session,
        session.post(proxy.url, data=BODY) as answer,
    ):
        assert answer.status == 502
