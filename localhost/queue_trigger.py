"""The queue trigger: polls a queue, runs its function and settles each message, as the queue extension 5.x does.

https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger: a message is deleted
after success, seen again after a failure, and moved to `<queue>-poison` once `maxDequeueCount` tries have failed. A
process that dies leaves its messages invisible for up to ten minutes.
"""

import asyncio
import logging
import random
from datetime import timedelta

from azure.core.exceptions import AzureError, HttpResponseError

from localhost.functions import HostedFunction
from localhost.host_json import MIN_POLLING_INTERVAL, QueueOptions
from localhost.invocation import Invoker, log_failure
from localhost.queue_message import UndecodableMessageError, WireMessage, decode_text, to_trigger_value
from localhost.queue_storage import INVISIBILITY, TriggerQueue

logger = logging.getLogger("localhost.host")

RENEW_EVERY = INVISIBILITY / 2


class PollingDelay:
    """The randomised exponential back-off between polls of an empty queue, from 100 ms to `maxPollingInterval`."""

    def __init__(self, longest: timedelta) -> None:
        self._longest = longest
        self._tries = 0

    def reset(self) -> None:
        """Start again at the shortest delay: a message was found."""
        self._tries = 0

    def next(self) -> float:
        """Return the seconds to wait before the next poll."""
        step = MIN_POLLING_INTERVAL * random.uniform(0.8, 1.2)  # noqa: S311 - Jitter is no secret.
        delay = MIN_POLLING_INTERVAL + step * ((1 << self._tries) - 1)
        if delay >= self._longest:
            return self._longest.total_seconds()
        self._tries += 1
        return delay.total_seconds()


class QueueTrigger:
    """The listener of one function."""

    def __init__(
        self,
        function: HostedFunction,
        queue: TriggerQueue,
        *,
        options: QueueOptions,
        invoker: Invoker,
        renew_every: timedelta = RENEW_EVERY,
    ) -> None:
        self.function = function
        self._queue = queue
        self._options = options
        self._invoker = invoker
        self._renew_every = renew_every
        self._delay = PollingDelay(options.max_polling_interval)
        self._running: set[asyncio.Task[None]] = set()

    @property
    def running(self) -> set[asyncio.Task[None]]:
        """The messages in work."""
        return self._running

    async def listen(self) -> None:
        """Poll until cancelled; messages in work go on."""
        while True:
            if not await self._fetch():
                await asyncio.sleep(self._delay.next())
                continue
            self._delay.reset()
            while len(self._running) > self._options.fetch_below:
                await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def _fetch(self) -> bool:
        """Start what one poll finds; return whether it found anything."""
        try:
            messages = await self._queue.receive(self._options.batch_size)
        except AzureError as error:
            logger.warning("Polling of queue %s failed: %s", self._queue.name, error)
            return False
        for message in messages or ():
            task = asyncio.create_task(self._process(message), name=f"{self.function.name} {message.id}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return bool(messages)

    async def _process(self, message: WireMessage) -> None:
        try:
            if self._queue.has_poison and message.dequeue_count > self._options.max_dequeue_count:
                await self._move_to_poison(message, message.pop_receipt)
                return
            try:
                body = decode_text(message.text, self._options.message_encoding)
            except UndecodableMessageError:
                await self._move_to_poison(message, message.pop_receipt)
                return
            await self._run(message, body)
        except AzureError as error:
            # The message stays invisible for its ten minutes, as when the process had died.
            logger.warning("Message %s of queue %s could not be settled: %s", message.id, self._queue.name, error)

    async def _run(self, message: WireMessage, body: str) -> None:
        lease = MessageLease(self._queue, message, every=self._renew_every)
        failure: Exception | None = None
        try:
            value = to_trigger_value(message, body, binary=self.function.takes_bytes)
            await self._invoker.invoke(self.function, value)
        except Exception as error:
            failure = error
        finally:
            pop_receipt = lease.end()
        if failure is None:
            await self._queue.delete(message.id, pop_receipt)
            return
        log_failure(self.function, failure)
        if not self._queue.has_poison:
            # The extension leaves such a message invisible, so that it does not fail in a tight loop.
            return
        if message.dequeue_count >= self._options.max_dequeue_count:
            await self._move_to_poison(message, pop_receipt)
            return
        await self._queue.renew(message.id, pop_receipt, self._options.visibility_timeout)

    async def _move_to_poison(self, message: WireMessage, pop_receipt: str) -> None:
        logger.error(
            "Message %s has reached MaxDequeueCount or is undecodable: to %s-poison", message.id, self._queue.name
        )
        await self._queue.copy_to_poison(message.text)
        await self._queue.delete(message.id, pop_receipt)


class MessageLease:
    """Keeps a message invisible while its function runs, and knows its latest pop receipt."""

    def __init__(self, queue: TriggerQueue, message: WireMessage, *, every: timedelta) -> None:
        self._queue = queue
        self._message_id = message.id
        self._pop_receipt = message.pop_receipt
        self._every = every.total_seconds()
        loop = asyncio.get_running_loop()
        # A timer costs a short function nothing, where a task of its own would double what each message costs.
        self._timer = loop.call_later(self._every, self._start)
        self._renewal: asyncio.Task[None] | None = None

    def _start(self) -> None:
        self._renewal = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        while True:
            try:
                self._pop_receipt = await self._queue.renew(self._message_id, self._pop_receipt, INVISIBILITY)
            except HttpResponseError as error:
                if error.status_code in (400, 404):
                    # Another receiver has the message, or it is gone: there is nothing left to renew.
                    return
                logger.warning("Message %s could not be renewed: %s", self._message_id, error)
            except AzureError as error:
                logger.warning("Message %s could not be renewed: %s", self._message_id, error)
            await asyncio.sleep(self._every)

    def end(self) -> str:
        """Stop renewing and return the pop receipt that settles the message."""
        self._timer.cancel()
        if self._renewal is not None:
            self._renewal.cancel()
        return self._pop_receipt
