"""Does to a running stack what a plan says, and notes when and how often."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable

from localhost.chaos.causes import Cause
from localhost.chaos.kinds import GRAPH, INSTALL_NUDGES, NUDGES, STORAGE, TEAMS, Kind
from localhost.chaos.plan import Injection
from localhost.chaos.queue_faults import INSTALL_NUDGES as INSTALL_QUEUE
from localhost.chaos.queue_faults import NUDGES as NUDGE_QUEUE
from localhost.chaos.queue_faults import QUEUES, QueueFaults
from localhost.stack import Stack

# Azurite writes its tables to its disk each five seconds. A kill between would lose writes that it has answered, which
# storage in Azure never does; so whoever writes holds still for longer than that before.
FLUSHED_AFTER = 6.5
CONNECTOR_CALLS = ("create", "send")
USUAL = {"listing_lag_s": 0.0, "notify": True}
"""How Graph's lists and the word to the bot are when nothing is wrong."""
TOLD = ("code", "status", "retry_after", "probability", "count", "delay_s", *USUAL)


class Injector:
    """Carries out injections at their moments. `causes` and `struck` are whole when `run` has ended.

    `struck` counts by kind: processes, outages, calls or messages.
    """

    def __init__(self, stack: Stack, queues: QueueFaults, *, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._queues = queues
        self._say = say
        self._hosts = asyncio.Lock()
        self._storage = asyncio.Lock()
        self._until = 0.0
        self.causes: list[Cause] = []
        self.struck: Counter[Kind] = Counter()

    async def run(self, injections: Iterable[Injection], *, started: float, until: float) -> None:
        """Inject, counting from `started`; nothing new from `until` on. Both are of the monotonic clock.

        Whatever was killed or stopped runs again at the end.
        """
        self._until = until
        async with asyncio.TaskGroup() as tasks:
            for injection in injections:
                tasks.create_task(self._inject(injection, at=started + injection.at))

    async def _inject(self, injection: Injection, *, at: float) -> None:
        await _sleep_until(at)
        kind = injection.kind
        if kind is Kind.HOST_KILLED:
            await self._kill_host(injection)
        elif kind in STORAGE:
            await self._interrupt_storage(injection)
        elif kind in (*TEAMS, *GRAPH):
            await self._misbehave(injection)
        elif kind is Kind.LISTS_LAG:
            await self._let_lists_lag(injection)
        elif kind in (*NUDGES, *INSTALL_NUDGES):
            queue = INSTALL_QUEUE if kind in INSTALL_NUDGES else NUDGE_QUEUE
            struck = await self._queues.strike(queue, kind, for_s=injection.for_s)
            self.struck[kind] += struck
            self._say(kind if struck else f"{kind}: none came by")
        else:
            for text in injection.rubbish:
                for queue in QUEUES:
                    self.struck[kind] += await self._queues.put(queue, text)
            self._say(kind)

    async def _misbehave(self, injection: Injection) -> None:
        """Have a burst of a fault; one that met no call, for nothing was sent just then, comes again."""
        details, hits = _details(injection), 0
        options = {"kinds": CONNECTOR_CALLS, **injection.options}
        while not hits and time.monotonic() < self._until:
            since = time.time()
            number = await self._stack.control.misbehave(**options, for_s=injection.for_s)
            await asyncio.sleep(injection.for_s)
            hits = (await self._stack.control.call("fault_hits"))[str(number)]
            await self._stack.control.behave(number)
            self.struck[injection.kind] += hits
            self.causes.append(Cause.of_burst(injection, since=since, hits=hits))
            self._say(f"{injection.kind} for {injection.for_s:.1f} s met {hits} calls ({details})")

    async def _let_lists_lag(self, injection: Injection) -> None:
        """Have Graph's lists lag behind what is installed meanwhile; where nothing is, they lag again."""
        details, late = _details(injection), 0
        while not late and time.monotonic() < self._until:
            before = await self._given()
            await self._stack.control.call("set_graph", **injection.options)
            await asyncio.sleep(injection.for_s)
            await self._stack.control.call("set_graph", **USUAL)
            late = await self._given() - before
            self.struck[injection.kind] += late
            self._say(f"{injection.kind} for {injection.for_s:.1f} s met {late} installs ({details})")

    async def _given(self) -> int:
        return sum(holding.installs for holding in (await self._stack.control.installations()).values())

    async def _kill_host(self, injection: Injection) -> None:
        async with self._hosts:
            since = time.time()
            self._stack.kill_host(injection.host)
            self.struck[Kind.HOST_KILLED] += 1
            await asyncio.sleep(injection.for_s)
            await self._stack.restart_host(injection.host)
            self._note(injection.kind, since=since, processes=1, text=f"of host {injection.host}")

    async def _interrupt_storage(self, injection: Injection) -> None:
        async with self._storage:
            if injection.kind is not Kind.STORAGE_KILLED:
                await self._cut_storage_off(injection, since=time.time())
                return
            async with self._hosts:
                since = time.time()
                hosts = [host.child.pid for host in self._stack.hosts]
                try:
                    _signal(hosts, signal.SIGSTOP)
                    await asyncio.sleep(FLUSHED_AFTER)
                    self._stack.azurite.kill()
                finally:
                    _signal(hosts, signal.SIGCONT)
                await self._cut_storage_off(injection, since=since)

    async def _cut_storage_off(self, injection: Injection, *, since: float) -> None:
        azurite = self._stack.azurite
        self.struck[injection.kind] += 1
        if injection.kind is Kind.STORAGE_FROZEN:
            try:
                _signal([azurite.pid], signal.SIGSTOP)
                await asyncio.sleep(injection.for_s)
            finally:
                _signal([azurite.pid], signal.SIGCONT)
        else:
            await asyncio.to_thread(azurite.stop)
            await asyncio.sleep(injection.for_s)
            await asyncio.to_thread(azurite.start)
        self._note(injection.kind, since=since, processes=len(self._stack.hosts), text="")

    def _note(self, kind: Kind, *, since: float, processes: int, text: str) -> None:
        until = time.time()
        self.causes.append(Cause.of_interruption(kind, since=since, until=until, processes=processes))
        self._say(f"{kind} {text}".strip() + f" for {until - since:.1f} s")


def _details(injection: Injection) -> str:
    return ", ".join(f"{name} {value}" for name, value in injection.options.items() if name in TOLD)


def _signal(groups: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to processes with their groups, by their ids."""
    for group in groups:
        os.killpg(group, number)


async def _sleep_until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
