"""The local host: one app's HTTP, queue and timer triggers on one event loop.

It starts and stops; what a trigger does lies in the module of that trigger.
"""

import asyncio
import hashlib
import logging
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import azure.functions as func
from aiohttp import web
from azure.storage.queue.aio import QueueServiceClient

from localhost.environment import STORAGE_SETTING, resolve, storage_connection
from localhost.functions import HostedFunction, TriggerKind, index_app
from localhost.host_json import HostOptions
from localhost.http_trigger import BODY_LIMIT, HttpFront
from localhost.invocation import Invoker, log_failure
from localhost.ncrontab import Schedule
from localhost.queue_message import WireMessage, to_trigger_value
from localhost.queue_storage import TriggerQueue, open_service, open_session
from localhost.queue_trigger import QueueTrigger
from localhost.timer_trigger import TimerTrigger

logger = logging.getLogger("localhost.host")

DRAIN = timedelta(seconds=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the host listens, the key it asks for (none: no check) and the folder of its timers' status."""

    address: str = "127.0.0.1"
    port: int = 0
    key: str | None = None
    state: Path = field(default_factory=lambda: Path(".herald/localhost"))


class Host:
    """A running host: `async with Host(app, ...) as host` serves at `host.url` until the block ends."""

    def __init__(self, app: func.FunctionApp, *, options: HostOptions, listening: Listening) -> None:
        self.functions = {function.name: function for function in index_app(app)}
        self.url = ""
        self._options = options
        self._listening = listening
        self._invoker = Invoker()
        self._front = HttpFront(
            self._of_kind(TriggerKind.HTTP), prefix=options.route_prefix, invoker=self._invoker, key=listening.key
        )
        self._services: dict[str, QueueServiceClient] = {}
        self._queues: list[QueueTrigger] = []
        self._timers: dict[str, TimerTrigger] = {}
        self._listeners: list[asyncio.Task[None]] = []
        self._by_hand: set[asyncio.Task[None]] = set()
        self._resources = AsyncExitStack()

    def _of_kind(self, kind: TriggerKind) -> list[HostedFunction]:
        return [function for function in self.functions.values() if function.kind is kind]

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._resources.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _start(self) -> None:
        session = await self._resources.enter_async_context(open_session())
        for function in self._of_kind(TriggerKind.QUEUE):
            connection = storage_connection(str(function.trigger.get("connection") or ""), os.environ)
            if connection not in self._services:
                self._services[connection] = open_service(connection, session)
            name = resolve(str(function.trigger["queueName"]), os.environ).lower()
            queue = TriggerQueue(self._services[connection], name)
            self._queues.append(QueueTrigger(function, queue, options=self._options.queues, invoker=self._invoker))
        for function in self._of_kind(TriggerKind.TIMER):
            schedule = Schedule.parse(resolve(str(function.trigger["schedule"]), os.environ))
            self._timers[function.name] = TimerTrigger(
                function, schedule, folder=self._timer_folder(), invoker=self._invoker
            )
        await self._serve()
        triggers: list[QueueTrigger | TimerTrigger] = [*self._queues, *self._timers.values()]
        self._listeners = [asyncio.create_task(_listen(trigger)) for trigger in triggers]

    def _timer_folder(self) -> Path:
        # Hosts of one storage account share their timers, as in Azure; those of another account do not.
        storage = os.environ.get(STORAGE_SETTING, "")
        return self._listening.state / hashlib.sha256(storage.encode()).hexdigest()[:12]

    async def _serve(self) -> None:
        server = web.Application(client_max_size=BODY_LIMIT)
        server.router.add_get("/admin/host/status", self._tell_status)
        server.router.add_post("/admin/functions/{name}", self._run_by_hand)
        server.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(server, access_log=None, handle_signals=False, shutdown_timeout=0.5)
        await runner.setup()
        self._resources.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, self._listening.address, self._listening.port)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"http://{self._listening.address}:{port}"
        self._resources.push_async_callback(site.stop)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        return await self._front.handle(request)

    async def _tell_status(self, _request: web.Request) -> web.Response:
        return web.json_response({"state": "Running", "processId": os.getpid()})

    async def _run_by_hand(self, request: web.Request) -> web.Response:
        """Start a function that HTTP does not trigger: https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http."""
        if not self._front.is_authorized(request, "admin"):
            return web.Response(status=401)
        function = self.functions.get(request.match_info["name"])
        if function is None or function.kind is TriggerKind.HTTP:
            return web.Response(status=404)
        body = await request.json() if request.content_length else {}
        task = asyncio.create_task(self._invoke_by_hand(function, str(body.get("input") or "")))
        self._by_hand.add(task)
        task.add_done_callback(self._by_hand.discard)
        return web.Response(status=202)

    async def _invoke_by_hand(self, function: HostedFunction, text: str) -> None:
        if function.kind is TriggerKind.TIMER:
            await self._timers[function.name].run(past_due=False)
            return
        now = datetime.now(UTC)
        message = WireMessage(id="by-hand", text=text, pop_receipt="by-hand", dequeue_count=1, inserted_at=now)
        try:
            value = to_trigger_value(message, text, binary=function.takes_bytes)
            await self._invoker.invoke(function, value)
        except Exception as error:
            log_failure(function, error)

    async def stop(self, drain: timedelta = DRAIN) -> None:
        """Stop polling and listening, let what runs end within `drain`, cancel the rest."""
        for listener in self._listeners:
            listener.cancel()
        # A timer that runs is part of its listener: it is cancelled with it and comes back past due.
        await asyncio.gather(*self._listeners, return_exceptions=True)
        running = set(self._by_hand).union(*(trigger.running for trigger in self._queues))
        if running:
            _, late = await asyncio.wait(running, timeout=drain.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._resources.aclose()
        self._invoker.close()


async def _listen(trigger: QueueTrigger | TimerTrigger) -> None:
    try:
        await trigger.listen()
    except Exception:
        logger.exception("The listener for function '%s' has stopped", trigger.function.name)
        raise
