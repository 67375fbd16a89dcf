"""Those who use Herald in a storm: they ask by queue or HTTP, ask twice, ask again when nobody answers, and cancel."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import orjson

from shared.domain.recipients import RecipientKind, recipient_key
from shared.errors import HeraldError, StorageError
from shared.storage import names
from tests.simulation.host import Host
from tests.simulation.processes import Process
from tests.simulation.promises import Promises
from tests.simulation.storm import Ask, Storm
from tests.twins.storage import MemoryAccount
from tests.twins.world import TENANT, object_id

URL = "https://herald.test/api/broadcasts"
OPERATOR_SECONDS = 60.0
PATIENCE = 60.0
"""Seconds that a caller waits for an HTTP answer."""


class Clients:
    """The callers of one world. They are no part of the app, so nothing happens to them."""

    def __init__(
        self,
        storm: Storm,
        *,
        account: MemoryAccount,
        host: Host,
        promises: Promises,
        pick: Callable[[], Process | None],
    ) -> None:
        self._storm = storm
        self._account = account
        self._host = host
        self._promises = promises
        self._pick = pick
        promises.asks = {ask.key: ask for ask in storm.asks}

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """What each of them does, to be run side by side."""
        asking = [self._ask(ask, after=ask.at) for ask in self._storm.asks]
        asking += [
            self._ask(ask, after=ask.at + ask.again_after) for ask in self._storm.asks if ask.again_after is not None
        ]
        wishing = [self._cancel(ask, ask.cancel_after) for ask in self._storm.asks if ask.cancel_after is not None]
        wishing += [self._pause(ask, ask.pause_after) for ask in self._storm.asks if ask.pause_after is not None]
        wishing += [self._revise(ask, after, edit) for ask in self._storm.asks for edit, after in _revisions(ask)]
        return asking + wishing

    async def operate(self) -> None:
        """After the storm an operator replays poison, lets go on what is held, and replays what was set aside."""
        while True:
            for queue in sorted(self._host.poisoned):
                poison = orjson.dumps({"queue": queue})
                await self._until_answered(lambda process, body=poison: process.poison_api.replay(body))  # type: ignore[misc]
            for seen in list(self._promises.broadcasts.values()):
                if seen.finished_at is None and seen.paused:
                    await self._wish(seen.key, lambda process, one: process.wishes.resume(one, url=URL))
                for number in sorted(seen.parked):
                    if seen.stopped_at is None:
                        body = orjson.dumps({"broadcast": seen.id, "batch": number})
                        await self._until_answered(lambda process, body=body: process.poison_api.replay(body))  # type: ignore[misc]
            await asyncio.sleep(OPERATOR_SECONDS)

    def conversations(self, ask: Ask) -> list[str]:
        """The keys of the channels and chats that an ask names."""
        channels = [recipient_key(RecipientKind.CHANNEL, _thread("tacv2", number)) for number in range(ask.channels)]
        return channels + [recipient_key(RecipientKind.CHAT, _thread("v2", number)) for number in range(ask.chats)]

    async def _ask(self, ask: Ask, *, after: float) -> None:
        await asyncio.sleep(after)
        body = orjson.dumps(_document(ask))
        if ask.by_queue:
            await self._account.queue(names.BROADCAST_QUEUE).put(body)
            return
        await self._until_answered(lambda process: process.api.create(body, key_header=None, url=URL))

    async def _cancel(self, ask: Ask, after: float) -> None:
        await asyncio.sleep(ask.at + after)
        await self._wish(ask.key, lambda process, one: process.api.cancel(one, url=URL))

    async def _pause(self, ask: Ask, after: float) -> None:
        await asyncio.sleep(ask.at + after)
        await self._wish(ask.key, lambda process, one: process.wishes.pause(one, url=URL))
        await asyncio.sleep(ask.paused_for)
        await self._wish(ask.key, lambda process, one: process.wishes.resume(one, url=URL))

    async def _revise(self, ask: Ask, after: float, edit: int) -> None:
        """Edit, or (with a number below nothing) recall."""
        await asyncio.sleep(ask.at + after)
        if edit < 0:
            await self._wish(ask.key, lambda process, one: process.wishes.recall(one, url=URL))
            return
        body = orjson.dumps({"text": f"{ask.key} edit {edit}"})
        await self._wish(ask.key, lambda process, one: process.wishes.edit(one, body, url=URL))

    async def _wish(self, key: str, wish: Callable[[Process, str], Coroutine[Any, Any, object]]) -> None:
        while (seen := self._promises.by_key.get(key)) is None:
            await asyncio.sleep(1.0)
        broadcast = seen.id
        await self._until_answered(lambda process: wish(process, broadcast))

    async def _until_answered(self, call: Callable[[Process], Coroutine[Any, Any, object]]) -> None:
        """Call until somebody answers: a process that dies or stands still answers nothing."""
        while True:
            process = self._pick()
            if process is not None:
                task = process.spawn(call(process))
                await asyncio.wait([task], timeout=PATIENCE)
                if task.done() and not _should_try_again(task):
                    return
            await asyncio.sleep(3.0)


def _revisions(ask: Ask) -> list[tuple[int, float]]:
    """Which revisions of an ask there are, by their number, and when; a recall has a number below nothing."""
    recall = [] if ask.recall_after is None else [(-1, ask.recall_after)]
    return [*enumerate(ask.edit_after), *recall]


def _should_try_again(task: asyncio.Task[Any]) -> bool:
    """Whether the call failed in passing. Raises what is neither an answer nor a refusal."""
    error = None if task.cancelled() else task.exception()
    if error is None or (isinstance(error, HeraldError) and not isinstance(error, StorageError)):
        return False
    if isinstance(error, StorageError):
        return True
    # Problems of the HTTP API (it has ended already) are answers, too.
    if type(error).__module__.startswith("messages."):
        return False
    raise error


def _document(ask: Ask) -> dict[str, Any]:
    audience: dict[str, Any] = {
        "users": [object_id(number) for number in ask.users],
        "channels": [_thread("tacv2", number) for number in range(ask.channels)],
        "chats": [_thread("v2", number) for number in range(ask.chats)],
        "everyone": "installed" if ask.everyone else None,
    }
    options: dict[str, Any] = {"delivery": ask.delivery.value, "priority": ask.priority.value}
    if ask.expires_after is not None:
        options["expires_after"] = f"PT{ask.expires_after:.0f}S"
    return {
        "version": 1,
        "key": ask.key,
        "tenant": TENANT,
        "audience": {name: value for name, value in audience.items() if value},
        "content": {"text": ask.key},
        "options": options,
    }


def _thread(domain: str, number: int) -> str:
    return f"19:{number:032x}@thread.{domain}"
