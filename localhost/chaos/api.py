"""The app's HTTP API as a patient caller sees it, whose calls go to one host after the other."""

import itertools
import json
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import ClientError, ClientSession, ClientTimeout

from localhost.stack import AppHost

# An app whose storage is away tries three times for five seconds before it says so.
TIMEOUT = ClientTimeout(total=30, connect=2)
BUSY = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with a JSON body; status 0 where there was none, or where the app is busy: try again."""

    status: int
    body: Any = None


class Api:
    """Calls the hosts of a stack. Use it as an async context manager.

    `surprises` are answers that no caller need expect: another status than 2xx, 429 or 503.
    """

    def __init__(self, hosts: Sequence[AppHost], *, say: Callable[[str], None]) -> None:
        self._hosts = hosts
        self._say = say
        self._turns = itertools.count()
        self._resources = AsyncExitStack()
        self._session: ClientSession | None = None
        self.surprises: list[str] = []

    async def __aenter__(self) -> Self:
        self._session = await self._resources.enter_async_context(ClientSession(timeout=TIMEOUT, trust_env=False))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._resources.aclose()

    async def call(
        self, method: str, path: str, document: Any = None, *, expected: Collection[int] = frozenset()
    ) -> Answer:
        """Call the next host. An `expected` status is no surprise, and its answer has no body."""
        if self._session is None:
            raise RuntimeError("Api is an async context manager: use `async with Api(...)`")
        host = self._hosts[next(self._turns) % len(self._hosts)]
        data = None if document is None else json.dumps(document)
        try:
            async with self._session.request(method, host.url + path, data=data) as answer:
                text = await answer.text()
        except (ClientError, TimeoutError, OSError):
            return Answer(0)
        if answer.status in BUSY:
            return Answer(0)
        if answer.status in expected:
            return Answer(answer.status)
        if not 200 <= answer.status < 300:
            self.surprises.append(f"{method} {path} was answered {answer.status} {text[:300]}")
            self._say(self.surprises[-1])
            return Answer(answer.status)
        return Answer(answer.status, json.loads(text))
