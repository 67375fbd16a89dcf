"""The Functions host of a storm: takes messages from queues to processes; loses, doubles, delays and spoils them.

A message whose handler fails comes again after 30 s, and after five tries goes to the poison queue; one whose process
dies comes again when the host's ten minutes are over.
"""

import asyncio
import random
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from math import inf

from shared.errors import StorageUnavailable
from shared.storage import names
from tests.simulation.processes import POISON, Process
from tests.simulation.storm import Storm
from tests.simulation.trace import Trace
from tests.twins.storage import MemoryAccount

NUDGES = frozenset({names.PLAN_QUEUE, names.SEND_QUEUE, names.INSTALL_QUEUE})
RETRY_SECONDS = 30.0
HIDDEN_SECONDS = 600.0
MOST_TRIES = 5
POLL_SECONDS = 0.3
MOST_DOUBLED = 40
"""Doubled nudges in one storm: those that go round while a process is full would double without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message on its way to a handler."""

    number: int
    queue: str
    body: bytes
    tries: int = 1

    @property
    def is_nudge(self) -> bool:
        """Whether losing it does no harm."""
        return self.queue in NUDGES


class Host:
    """Dispatches the messages of all queues."""

    def __init__(
        self,
        storm: Storm,
        *,
        account: MemoryAccount,
        dice: random.Random,
        trace: Trace,
        pick: Callable[[], Process | None],
        fail: Callable[[str], None],
    ) -> None:
        self._storm = storm
        self._account = account
        self._dice = dice
        self._trace = trace
        self._pick = pick
        self._fail = fail
        self._loop = asyncio.get_running_loop()
        self.world = copy_context()
        """Timers of the host belong to no process, whoever's step sets them."""
        self._number = 0
        self._looks_at: dict[str, float] = {}
        self.poisoned: set[str] = set()
        """Queues that something was ever taken from as poison: an operator looks there each minute, and replays."""
        self.waiting = 0
        """Messages that are late, or that wait for a process."""

    def has_message(self, queue: str) -> None:
        """Somebody put a message: look when it becomes visible."""
        next_at = self._account.queue(queue).next_visible_at
        if next_at is None:
            return
        at = self._loop.time() + max(0.0, next_at - self._account.now()) + self._dice.random() * POLL_SECONDS
        if at < self._looks_at.get(queue, inf):
            self._looks_at[queue] = at
            self._loop.call_at(at, self._fetch, queue, at, context=self.world)

    def died(self, process: Process) -> None:
        """What a process was working on comes again when nobody renews its hiding."""
        for delivery in process.in_flight.values():
            assert isinstance(delivery, Delivery)
            self._later(HIDDEN_SECONDS, delivery.queue, delivery.body, delivery.tries + 1)
        process.in_flight.clear()

    def _fetch(self, queue: str, at: float) -> None:
        if self._looks_at.get(queue) != at:
            return  # An earlier look took its place.
        del self._looks_at[queue]
        bodies = self._account.queue(queue).take()
        if len(bodies) > 1 and self._is_stormy and self._storm.nudge_reordered:
            self._trace.fault(self._loop.time(), "host", "nudge_reordered", queue)
            self._dice.shuffle(bodies)
        for body in bodies:
            self._fate(queue, body)
        self.has_message(queue)

    @property
    def _is_stormy(self) -> bool:
        return self._loop.time() < self._storm.until

    def _fate(self, queue: str, body: bytes) -> None:
        storm, draw = self._storm, self._dice.random
        is_nudge = queue in NUDGES
        if not self._is_stormy:
            self._deliver(queue, body)
            return
        if is_nudge and storm.nudge_lost and draw() < storm.nudge_lost:
            self._fault("nudge_lost", queue)
            return
        if is_nudge and storm.nudge_poisoned and draw() < storm.nudge_poisoned:
            self._poison(queue, body)
            return
        if is_nudge and storm.nudge_garbled and draw() < storm.nudge_garbled:
            self._fault("nudge_garbled", queue)
            body = self._dice.choice(
                [b"", b"{", b"[1]", b'{"broadcast":7}', b'{"broadcast":"nobody","batch":-1}', b"\xff"]
            )
        if storm.nudge_late and draw() < storm.nudge_late:
            self._fault("nudge_late", queue)
            self._later(self._dice.uniform(1.0, 120.0), queue, body, 1)
            return
        if storm.nudge_doubled and draw() < storm.nudge_doubled and self._trace.fired["nudge_doubled"] < MOST_DOUBLED:
            self._fault("nudge_doubled", queue)
            self._later(self._dice.choice([0.0, 0.5, 40.0]), queue, body, 1)
        self._deliver(queue, body)

    def _fault(self, what: str, queue: str) -> None:
        self._trace.fault(self._loop.time(), "host", what, queue)

    def _later(self, seconds: float, queue: str, body: bytes, tries: int) -> None:
        self.waiting += 1
        self._loop.call_later(seconds, self._deliver_late, queue, body, tries, context=self.world)

    def _deliver_late(self, queue: str, body: bytes, tries: int) -> None:
        self.waiting -= 1
        self._deliver(queue, body, tries)

    def _deliver(self, queue: str, body: bytes, tries: int = 1) -> None:
        if tries > MOST_TRIES:
            self._poison(queue, body)
            return
        process = self._pick()
        if process is None:
            self._later(1.0, queue, body, tries)
            return
        self._number += 1
        delivery = Delivery(number=self._number, queue=queue, body=body, tries=tries)
        self._trace.note(self._loop.time(), process.life.name, "invoke", (queue, body))
        process.in_flight[delivery.number] = delivery
        process.spawn(self._invoke(process, delivery))

    async def _invoke(self, process: Process, delivery: Delivery) -> None:
        try:
            await process.handle(delivery.queue, delivery.body, f"message-{delivery.body[-12:].hex()}")
        except StorageUnavailable:
            self._trace.note(self._loop.time(), process.life.name, "invocation_failed", delivery.queue)
            if process.in_flight.pop(delivery.number, None):
                self._later(RETRY_SECONDS, delivery.queue, delivery.body, delivery.tries + 1)
        except Exception as error:  # Whatever escapes from a handler is what this looks for.
            self._fail(f"the handler of {delivery.queue} raised {error!r} in {_where(error)}")
        finally:
            process.in_flight.pop(delivery.number, None)

    def _poison(self, queue: str, body: bytes) -> None:
        if queue.endswith(POISON):
            # It lies in a poison queue of its own now, from where an operator would move it back.
            self._fault("poison_poisoned", queue)
            self._later(HIDDEN_SECONDS, queue, body, 1)
            return
        if queue in (names.BROADCAST_QUEUE, names.DIGEST_ITEM_QUEUE):
            self._fault("request_poisoned", queue)
        else:
            self._fault("nudge_poisoned", queue)
        self._deliver(queue + POISON, body)
        self.poisoned.add(queue)


def _where(error: BaseException) -> str:
    """The innermost place of the product that raised it."""
    place, frame = "", error.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        if "/tests/" not in code.co_filename:
            place = f"{'/'.join(code.co_filename.split('/')[-2:])}:{frame.tb_lineno}"
        frame = frame.tb_next
    return place
