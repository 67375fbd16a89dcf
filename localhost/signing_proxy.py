"""Signs what the Agents Playground sends: the Playground has no tokens, and Herald takes no activity without one.

The proxy stands between the two on loopback. It adds the `Authorization` header that Teams would send and changes
nothing of an activity; the token names the activity's own service URL, as Herald checks.
"""

import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from aiohttp import ClientError, ClientSession, web

# https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication: a token's
# `serviceurl` is that of the activity. A signer makes such a token from a service URL.
Signer = Callable[[str], str]

_MESSAGES = "/api/messages"
# What belongs to one connection, and what the client writes anew.
_OWN_HEADERS = frozenset({"host", "content-length", "connection", "transfer-encoding", "authorization"})


class SigningProxy:
    """A proxy in front of an app: `url` is the bot endpoint to give to the Playground."""

    def __init__(self, sign: Signer, *, app_url: str = "") -> None:
        self.app_url = app_url
        self.url = ""
        self._sign = sign
        self._session: ClientSession | None = None
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as resources:
            self._session = await resources.enter_async_context(ClientSession(trust_env=False))
            server = web.Application()
            server.router.add_post(_MESSAGES, self._forward)
            runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.5)
            await runner.setup()
            resources.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}{_MESSAGES}"
            self._resources = resources.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._resources.aclose()

    async def _forward(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            service_url = str(json.loads(body)["serviceUrl"])
        except (ValueError, LookupError, TypeError):
            return web.Response(status=400, text="this is no activity: it has no serviceUrl")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OWN_HEADERS}
        headers["Authorization"] = f"Bearer {self._sign(service_url)}"
        if self._session is None:
            raise RuntimeError("the proxy is not running: use it as a context manager")
        try:
            async with self._session.post(self.app_url + _MESSAGES, data=body, headers=headers) as answer:
                return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)
        except ClientError as error:
            return web.Response(status=502, text=f"the app at {self.app_url} did not answer: {error}")
