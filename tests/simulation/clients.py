"""Those who use Herald in a storm: they ask by queue or HTTP, ask twice, ask again when nobody answers, and cancel."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import orjson

from shared.acceptance import Accepted
from shared.digest_requests import read_digest_request
from shared.domain.modes import SILENT, Mode
from shared.domain.recipients import RecipientKind, recipient_key
from shared.storage import names
from tests.simulation.asks import Ask
from tests.simulation.calling import Caller
from tests.simulation.drops import digest_document
from tests.simulation.host import Host
from tests.simulation.moments import moment_document
from tests.simulation.processes import Process
from tests.simulation.promises import Promises
from tests.simulation.storm import Storm, Window
from tests.simulation.trace import Trace
from tests.twins.storage import MemoryAccount
from tests.twins.world import TENANT, object_id

URL = "https://herald.test/api/broadcasts"
OPERATOR_SECONDS = 60.0


class Clients:
    """The callers of one world. They are no part of the app, so nothing happens to them."""

    def __init__(
        self,
        storm: Storm,
        *,
        account: MemoryAccount,
        host: Host,
        trace: Trace,
        promises: Promises,
        caller: Caller,
    ) -> None:
        self._storm = storm
        self._account = account
        self._host = host
        self._trace = trace
        self._promises = promises
        self._caller = caller
        self._stops = len(storm.stops)
        """Stops whose callers have not ended them."""
        promises.asks = {ask.key: ask for ask in storm.asks}

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """What each of them does, to be run side by side."""
        if self._storm.installing:
            self._note("installing")
        if self._storm.tenant:
            self._note("directory")
        asking = [self._ask(ask, after=ask.at) for ask in self._storm.asks]
        asking += [
            self._ask(ask, after=ask.at + ask.again_after) for ask in self._storm.asks if ask.again_after is not None
        ]
        wishing = [self._cancel(ask, ask.cancel_after) for ask in self._storm.asks if ask.cancel_after is not None]
        wishing += [self._pause(ask, ask.pause_after) for ask in self._storm.asks if ask.pause_after is not None]
        wishing += [self._revise(ask, after, edit) for ask in self._storm.asks for edit, after in _revisions(ask)]
        return asking + wishing + [self._stop(window) for window in self._storm.stops]

    async def operate(self) -> None:
        """After the storm an operator replays poison, lets go on what is held, and replays what was set aside.

        A stop that nobody waits for any more ends as well.
        """
        while True:
            stopped = self._account.table(names.PACE).rows(TENANT).get("connector", {}).get("stopped_at")
            if stopped and not self._stops:
                # A stop of a process that was frozen came into effect after its caller had given it up.
                await self._caller.until_answered(lambda process: process.tenants.resume(TENANT))
            for queue in sorted(self._host.poisoned):
                poison = orjson.dumps({"queue": queue})
                await self._caller.until_answered(lambda process, body=poison: process.poison_api.replay(body))  # type: ignore[misc]
            for seen in list(self._promises.broadcasts.values()):
                if seen.finished_at is None and seen.paused:
                    await self._wish(seen.key, lambda process, one: process.wishes.resume(one, url=URL))
                for number in sorted(seen.parked):
                    if seen.stopped_at is None:
                        body = orjson.dumps({"broadcast": seen.id, "batch": number})
                        await self._caller.until_answered(lambda process, body=body: process.poison_api.replay(body))  # type: ignore[misc]
            await asyncio.sleep(OPERATOR_SECONDS)

    def conversations(self, ask: Ask) -> list[str]:
        """The keys of the channels and chats that an ask names."""
        channels = [recipient_key(RecipientKind.CHANNEL, _thread("tacv2", number)) for number in range(ask.channels)]
        return channels + [recipient_key(RecipientKind.CHAT, _thread("v2", number)) for number in range(ask.chats)]

    async def _ask(self, ask: Ask, *, after: float) -> None:
        await asyncio.sleep(after)
        if ask.digest:
            await self._caller.until_answered(lambda process: tell(process, ask))
            self._note("digest")
            return
        body = orjson.dumps(document_of(ask))
        if ask.mode is not Mode.SEND:
            self._note(ask.mode.value)
        if ask.ramp is not None:
            self._note("slow_start")
        if ask.moment is not None:
            self._note("moment")
        if ask.by_queue:
            await self._account.queue(names.BROADCAST_QUEUE).put(body)
            return
        if ask.mode in SILENT:
            await self._caller.until_answered(lambda process: process.installs.create(body, key_header=None, url=URL))
            return
        await self._caller.until_answered(lambda process: process.api.create(body, key_header=None, url=URL))

    async def _cancel(self, ask: Ask, after: float) -> None:
        await asyncio.sleep(ask.at + after)
        await self._wish(ask.key, lambda process, one: process.api.cancel(one, url=URL), noted="cancel")

    async def _pause(self, ask: Ask, after: float) -> None:
        await asyncio.sleep(ask.at + after)
        await self._wish(ask.key, lambda process, one: process.wishes.pause(one, url=URL), noted="pause")
        await asyncio.sleep(ask.paused_for)
        await self._wish(ask.key, lambda process, one: process.wishes.resume(one, url=URL))

    async def _revise(self, ask: Ask, after: float, edit: int) -> None:
        """Edit, or (with a number below nothing) recall."""
        await asyncio.sleep(ask.at + after)
        if edit < 0:
            await self._wish(ask.key, lambda process, one: process.wishes.recall(one, url=URL), noted="recall")
            return
        body = orjson.dumps({"content": {"text": f"{ask.key} edit {edit}"}})
        await self._wish(ask.key, lambda process, one: process.wishes.edit(one, body, url=URL), noted="edit")

    async def _stop(self, window: Window) -> None:
        """Stop all of the tenant's sending for a while."""
        await asyncio.sleep(window.start)
        await self._caller.until_answered(lambda process: process.tenants.stop(TENANT))
        self._note("tenant_stop")
        self._promises.stopped_since = asyncio.get_running_loop().time()
        await asyncio.sleep(window.length)
        self._promises.stopped_since = None
        await self._caller.until_answered(lambda process: process.tenants.resume(TENANT))
        self._stops -= 1

    def _note(self, wish: str) -> None:
        self._trace.fault(asyncio.get_running_loop().time(), "caller", wish)

    async def _wish(
        self, key: str, wish: Callable[[Process, str], Coroutine[Any, Any, object]], *, noted: str = ""
    ) -> None:
        while (seen := self._promises.by_key.get(key)) is None:
            await asyncio.sleep(1.0)
        broadcast = seen.id
        if await self._caller.until_answered(lambda process: wish(process, broadcast)) and noted:
            self._note(noted)


def _revisions(ask: Ask) -> list[tuple[int, float]]:
    """Which revisions of an ask there are, by their number, and when; a recall has a number below nothing."""
    recall = [] if ask.recall_after is None else [(-1, ask.recall_after)]
    return [*enumerate(ask.edit_after), *recall]


async def tell(process: Process, ask: Ask) -> Accepted:
    """Have a digest told, as a schedule's occurrence does it."""
    tenants = process.app.settings.tenants
    request = read_digest_request(digest_document(ask, ask.key), tenants=tenants, key=ask.key)
    return await process.app.acceptance.accept(request)


def document_of(ask: Ask) -> dict[str, Any]:
    """The request of an ask."""
    left_out = {"users": [*(object_id(number) for number in ask.but_users), *ask.but_names], "groups": ask.but_groups}
    audience: dict[str, Any] = {
        "users": [*(object_id(number) for number in ask.users), *ask.names],
        "channels": [_thread("tacv2", number) for number in range(ask.channels)],
        "chats": [_thread("v2", number) for number in range(ask.chats)],
        "groups": ask.groups,
        "everyone": "tenant" if ask.everyone_in_tenant else "installed" if ask.everyone else None,
        "except": {name: value for name, value in left_out.items() if value},
    }
    audience = {name: value for name, value in audience.items() if value}
    document = {"version": 1, "key": ask.key, "tenant": TENANT, "audience": audience, **moment_document(ask)}
    life = {} if ask.expires_after is None else {"expires_after": f"PT{ask.expires_after:.0f}S"}
    if ask.mode in SILENT:
        return document | {"action": ask.mode.value, "options": life}
    options: dict[str, Any] = {"delivery": ask.delivery.value, "priority": ask.priority.value, **life}
    if ask.mode is not Mode.SEND:
        options["mode"] = ask.mode.value
    if ask.ramp is not None:
        options["ramp"] = {"people": ask.ramp.people, "wait": f"PT{ask.ramp.wait:.0f}S"}
    return document | {"content": {"text": ask.key}, "options": options}


def _thread(domain: str, number: int) -> str:
    return f"19:{number:032x}@thread.{domain}"
