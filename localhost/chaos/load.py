"""Asks for broadcasts as other services do: again, with the same key, until the app has accepted."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from localhost.chaos.api import Api
from localhost.chaos.asks import Ask, Way
from localhost.chaos.kinds import Kind
from localhost.chaos.queue_faults import REQUESTS, QueueFaults

AGAIN_AFTER = 1.0
PUT_AGAIN_AFTER = 8.0
MISHAP_TRIES = 5
LISTED = 100


class Load:
    """The clients of a run. `people` and `strangers` are object ids, of those with the app and of those without.

    `accepted` are broadcasts by the keys of their requests.
    """

    def __init__(
        self, api: Api, queues: QueueFaults, *, tenant: str, people: Sequence[str], strangers: Sequence[str]
    ) -> None:
        self._api = api
        self._queues = queues
        self._tenant = tenant
        self._people = people
        self._strangers = strangers
        self.accepted: dict[str, str] = {}
        self.struck: Counter[Kind] = Counter()
        """Requests that met their mishap, by its kind."""

    async def ask(self, ask: Ask, *, started: float) -> None:
        """Wait for the moment, counted from `started` by the monotonic clock; then ask until accepted."""
        await asyncio.sleep(max(0.0, started + ask.at - time.monotonic()))
        document = self._document(ask)
        if ask.way is Way.QUEUE:
            await self._put(ask, json.dumps(document))
        else:
            await self._post(ask, document)

    async def listed(self) -> dict[str, str]:
        """The ids of the tenant's broadcasts by their keys; raises nothing, and may be empty where the app is busy."""
        answer = await self._api.call("GET", f"/api/broadcasts?tenant={self._tenant}&limit={LISTED}")
        return {entry["key"]: entry["id"] for entry in answer.body["broadcasts"]} if answer.body else {}

    async def _post(self, ask: Ask, document: dict[str, Any]) -> None:
        while ask.key not in self.accepted:
            answer = await self._api.call("POST", "/api/broadcasts", document)
            if answer.body:
                self.accepted[ask.key] = answer.body["id"]
                return
            await asyncio.sleep(AGAIN_AFTER)

    async def _put(self, ask: Ask, text: str) -> None:
        """Put the request; again where it is not listed after some seconds, or did not meet its mishap."""
        tries, struck = 0, ask.mishap is None
        while ask.key not in self.accepted or (not struck and tries < MISHAP_TRIES):
            tries += 1
            _, struck = await asyncio.gather(self._put_once(ask, text), self._strike(ask, text, struck=struck))

    async def _put_once(self, ask: Ask, text: str) -> None:
        until = time.monotonic() + PUT_AGAIN_AFTER
        await self._queues.put(REQUESTS, text)
        while ask.key not in self.accepted and time.monotonic() < until:
            await asyncio.sleep(AGAIN_AFTER)
            await self._look_for(ask.key)

    async def _look_for(self, key: str) -> None:
        """Take a request for accepted once its broadcast can be read.

        It is listed before: where its acceptance broke off there, it takes the same request to finish it, and until
        then its address is not known.
        """
        if (found := (await self.listed()).get(key)) is None:
            return
        if (await self._api.call("GET", f"/api/broadcasts/{found}", expected={404})).body:
            self.accepted[key] = found

    async def _strike(self, ask: Ask, text: str, *, struck: bool) -> bool:
        """Have the message meet its mishap, unless one did; whether that is done now."""
        if struck or ask.mishap is None:
            return True
        if not await self._queues.strike(
            REQUESTS, ask.mishap, for_s=PUT_AGAIN_AFTER, wanted=lambda found: found == text
        ):
            return False
        self.struck[ask.mishap] += 1
        return True

    def _document(self, ask: Ask) -> dict[str, Any]:
        everyone = {} if ask.people else {"everyone": "installed"}
        named = [self._people[number] for number in ask.people] + [self._strangers[one] for one in ask.strangers]
        return {
            "version": 1,
            "key": ask.key,
            "tenant": self._tenant,
            "audience": {"users": named, **everyone},
            "content": {"text": ask.text},
            "options": {"delivery": ask.delivery},
        }
