"""A running Herald as its users see it: the queue, the HTTP API, and the stand-in's ledger as the judge."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aiohttp import ClientSession, ClientTimeout
from azure.storage.queue.aio import QueueClient

from localhost.stack import Stack
from simulator.control import Control
from simulator.places import Person

ENDED = frozenset({"finished", "cancelled", "expired"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer of the app."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Herald:
    """One stack with everything that a test does to it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    @property
    def teams(self) -> Control:
        """The stand-in."""
        return self.stack.control

    @property
    def tenant(self) -> str:
        """The tenant that the app serves."""
        return str(self.stack.addresses["tenant_id"])

    async def people(self, count: int, *, installed: bool = True) -> list[Person]:
        """Add people, who install the app by signed activities unless told otherwise."""
        people = await self.teams.add_people(count)
        if installed:
            tally = await self.teams.install(people)
            assert tally.failed == 0, tally
        return people

    async def call(self, method: str, path: str, *, document: Any = None, **headers: str) -> Answer:
        """Call the app's HTTP API at any of its hosts."""
        async with (
            ClientSession(timeout=ClientTimeout(total=30)) as session,
            session.request(
                method,
                path if path.startswith("http") else self.stack.url + path,
                data=None if document is None else json.dumps(document),
                headers={name.replace("_", "-"): value for name, value in headers.items()},
            ) as answer,
        ):
            text = await answer.text()
            is_json = "json" in answer.headers.get("Content-Type", "")
            return Answer(
                status=answer.status, headers=answer.headers, body=json.loads(text) if is_json and text else text
            )

    def request(self, *, text: str = "", users: Sequence[Person] | None = None, **fields: Any) -> dict[str, Any]:
        """A request for everyone who has the app, or for the named people; `fields` replace its parts."""
        audience = {"everyone": "installed"} if users is None else {"users": [one.object_id for one in users]}
        return {
            "version": 1,
            "key": f"key-{uuid4()}",
            "audience": audience,
            "content": {"text": text or f"Hello {uuid4()}"},
            **fields,
        }

    async def ask(self, document: Mapping[str, Any]) -> str:
        """Ask for a broadcast over HTTP; its id."""
        answer = await self.call("POST", "/api/broadcasts", document=document)
        assert answer.status == 202, answer
        return str(answer.body["id"])

    async def put(self, message: str, *, queue: str = "broadcasts") -> None:
        """Put a message on a queue with a plain client, as any other service does."""
        client = QueueClient.from_connection_string(self.stack.connection_string, queue, api_version="2025-11-05")
        async with client:
            await client.send_message(message)

    async def find(self, key: str) -> str:
        """The id of the broadcast with this key, as soon as the list has it."""
        async with asyncio.timeout(30):
            while True:
                listed = (await self.call("GET", "/api/broadcasts")).body["broadcasts"]
                for entry in listed:
                    if entry["key"] == key:
                        return str(entry["id"])
                await asyncio.sleep(0.3)

    async def report(self, broadcast_id: str) -> dict[str, Any]:
        """The broadcast's report, whose counts must add up whenever it is read."""
        answer = await self.call("GET", f"/api/broadcasts/{broadcast_id}")
        assert answer.status == 200, answer
        report: dict[str, Any] = answer.body
        assert sum(report["counts"].values()) == report["total"], report
        assert sum(report["reasons"].values()) == report["counts"]["undeliverable"], report
        return report

    async def finished(self, broadcast_id: str, *, within: float = 60.0) -> dict[str, Any]:
        """Wait for the end of a broadcast and of its closing; its last report."""
        deadline = time.monotonic() + within
        while True:
            report = await self.report(broadcast_id)
            if report["finished_at"]:
                return report
            assert time.monotonic() < deadline, report
            await asyncio.sleep(0.5)

    async def sent_at_least(self, broadcast_id: str, number: int, *, within: float = 60.0) -> dict[str, Any]:
        """Wait until so many deliveries are sent; the report."""
        async with asyncio.timeout(within):
            while (report := await self.report(broadcast_id))["counts"]["sent"] < number:
                await asyncio.sleep(0.2)
        return report

    async def received(self, text: str) -> dict[str, Any]:
        """What the ledger holds of a text: `reached` people or conversations, `duplicates`."""
        for content in (await self.teams.ledger_contents()).values():
            if content["text"] == text:
                return content
        return {"reached": 0, "duplicates": 0}

    async def deliveries(self, broadcast_id: str) -> list[dict[str, Any]]:
        """All deliveries, page by page."""
        found: list[dict[str, Any]] = []
        path: str | None = f"/api/broadcasts/{broadcast_id}/deliveries"
        while path:
            body = (await self.call("GET", path)).body
            found += body["deliveries"]
            path = body["next"]
        return found
