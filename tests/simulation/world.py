"""One run: a storm over a few processes, until it has passed and everything must be final."""

import asyncio
import gc
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.domain.activities import timestamp
from shared.domain.modes import Mode
from shared.domain.recipients import RecipientKind, recipient_key
from shared.domain.references import Reference, ReferenceChange, values_of
from shared.domain.rehearsals import unpack_prospects
from shared.storage import names
from shared.storage.rows import upsert
from tests.simulation.asks import Ask
from tests.simulation.audiences import meant_by, told_faults
from tests.simulation.authors import Authors
from tests.simulation.calling import Caller
from tests.simulation.clients import Clients
from tests.simulation.connector import StormConnector
from tests.simulation.dice import seeded
from tests.simulation.digest_promises import planned_people
from tests.simulation.graph import StormGraph
from tests.simulation.host import Host
from tests.simulation.loop import LIFE, SeededLoop
from tests.simulation.processes import Process
from tests.simulation.promises import Promises, SeenBroadcast, end_faults
from tests.simulation.services import Services
from tests.simulation.storage_faults import STEP, StorageFaults
from tests.simulation.storm import Storm
from tests.simulation.tenant import Tenant, user_key
from tests.simulation.ticks import Ticks
from tests.simulation.trace import Trace
from tests.twins.storage import MemoryAccount
from tests.twins.world import EPOCH, SERVICE_URL, TENANT, object_id

LOOK_SECONDS = 5.0
QUIET_SECONDS = 130.0
"""Two ticks at the end, in which nothing may be nudged any more."""
MOST_STEPS, MOST_STEPS_EACH = 150_000, 1_000
"""Steps of the loop in one run, and more for each installed person and broadcast: an ordinary small storm has 5,000."""
MOST_OCCURRENCES = 20
LONGEST_FREEZE = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run came to."""

    seed: int
    broken: tuple[str, ...]
    trace: Trace
    steps: int
    virtual_seconds: float
    deliveries: int
    doubled: int


class World:
    """Everything of one run."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.loop = asyncio.get_running_loop()
        self.trace = Trace()
        self.dice = random.Random(f"run {storm.seed}")
        self.processes: list[Process] = []
        """All that ever ran, the cut ones too."""
        self._by_life: dict[object, Process] = {}
        self.over = asyncio.Event()
        self.account = MemoryAccount(lambda: EPOCH + self.loop.time())
        self.promises = Promises(storm, epoch=EPOCH, now=self.loop.time, on_broken=self._broken)
        self.connector = StormConnector(
            storm,
            dice=self.dice,
            trace=self.trace,
            promises=self.promises,
            running=self._running,
            on_call=self._may_be_hit,
        )
        self.graph = StormGraph(
            storm,
            dice=self.dice,
            trace=self.trace,
            promises=self.promises.installs,
            tell=self._tell,
            running=self._running,
            on_call=self._may_be_hit,
        )
        for number in range(storm.installed):
            self.graph.has_app(object_id(number))
            if number < storm.outdated:
                self.graph.has_old_app(object_id(number))
        self.host = Host(
            storm, account=self.account, dice=self.dice, trace=self.trace, pick=self.pick, fail=self.promises.fail
        )
        self.storage = StorageFaults(
            storm,
            account=self.account,
            dice=self.dice,
            trace=self.trace,
            promises=self.promises,
            running=self._process,
            on_call=self._may_be_hit,
            on_message=self.host.has_message,
        )
        caller = Caller(self.pick)
        self.clients = Clients(
            storm, account=self.account, host=self.host, trace=self.trace, promises=self.promises, caller=caller
        )
        self.authors = Authors(storm, trace=self.trace, promises=self.promises.schedules, caller=caller)
        self.ticks = Ticks(
            storm, account=self.account, dice=self.dice, trace=self.trace, promises=self.promises, pick=self.pick
        )
        tenant = storm.tenant or Tenant()
        self.promises.installs.lag = storm.graph_lag
        self.services = Services(storm, account=self.account, trace=self.trace, promises=self.promises, caller=caller)
        asks = [*storm.asks, *(asked.ask for asked in storm.schedules)]
        asks += [drop.whom for drop in storm.drops if drop.whom is not None]
        self.promises.meant = {ask.key: meant_by(ask, tenant) for ask in asks}
        self._background: list[asyncio.Task[None]] = []
        self._callers: list[asyncio.Task[None]] = []
        self._cuts, self._freezes, self._step_hits = storm.cuts, storm.freezes, storm.step_hits
        assert isinstance(self.loop, SeededLoop)
        broadcasts = len(storm.asks) + MOST_OCCURRENCES * len(storm.schedules)
        self.loop.most_steps = MOST_STEPS + MOST_STEPS_EACH * storm.installed * broadcasts
        self.loop.on_exhausted = lambda: self.promises.fail("work goes round in circles")
        self.account.use_hook(self.storage.hook)

    async def run(self) -> None:
        """The storm, the calm after it, and the verdict."""
        await self._install()
        for _ in range(self.storm.instances):
            self._start()
        background = self._background
        background.append(asyncio.create_task(self.ticks.run()))
        if self.storm.schedules:
            background.append(asyncio.create_task(self.ticks.clean_up()))
            background += [asyncio.create_task(self.ticks.lose_due_row(at)) for at in self.storm.due_rows_lost]
        work = self.clients.work() + self.authors.work() + self.services.work()
        self._callers += [asyncio.create_task(one) for one in work]
        main = asyncio.create_task(self._to_the_end())
        over = asyncio.create_task(self.over.wait())
        await asyncio.wait([main, over], return_when=asyncio.FIRST_COMPLETED)
        if main.done():
            main.result()
        for task in [*background, *self._callers]:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                self.promises.fail(f"a caller was answered with {error!r}")
        await self._clean_up()

    async def _to_the_end(self) -> None:
        storm = self.storm
        await asyncio.sleep(storm.until)
        self.trace.note(self.loop.time(), "world", "CALM")
        self._background.append(asyncio.create_task(self.clients.operate()))
        if storm.schedules:
            self._background.append(asyncio.create_task(self.authors.retire()))
        while self.loop.time() < storm.final_by:
            if self._is_finished():
                break
            await asyncio.sleep(LOOK_SECONDS)
        await self.services.tell_the_rest()
        # What a frozen process was given is put back, or done, once it goes on. Nudges for a moment come with it.
        frozen_until = max(process.life.frozen_until for process in self.processes)
        await asyncio.sleep(QUIET_SECONDS + max(0.0, max(frozen_until, storm.latest_moment) - self.loop.time()))
        self._judge()

    def _is_finished(self) -> bool:
        seen = self.promises.by_key
        still_open = self.account.table(names.DIRECTORY).rows("open")
        return (
            all(task.done() for task in self._callers)
            and all(ask.key in seen for ask in self.storm.asks)
            and self.promises.schedules.is_at_rest()
            and self.promises.digests.is_at_rest()
            and all(one.finished_at is not None and one.id not in still_open for one in seen.values())
        )

    def _judge(self) -> None:
        fail, promises = self.promises.fail, self.promises
        still_open = self.account.table(names.DIRECTORY).rows("open")
        for ask in self.storm.asks:
            if ask.key not in promises.by_key:
                fail(f"{ask.key} was never accepted")
        for sentence in promises.schedules.faults():
            fail(sentence)
        for sentence in promises.digests.faults(self._wanted, self._perhaps):
            fail(sentence)
        for seen in promises.broadcasts.values():
            if seen.ask is None:
                fail(f"{seen.key} is a broadcast that nobody asked for")
                continue
            self._judge_one(seen.ask, seen)
            if seen.revision and not seen.parked and seen.ask.mode is Mode.SEND:
                for sentence in promises.revision_faults(seen, self.account.table(names.BROADCASTS).rows(seen.id)):
                    fail(sentence)
            if seen.id in still_open:
                fail(f"{seen.key} still stands before the sweep")
        left = [queue for queue in names.QUEUES if self.account.queue(queue).messages]
        if left:
            fail(f"messages are still put into {left}")
        for sentence in promises.installs.faults():
            fail(sentence)
        throttled = self.connector.refused_by_bucket
        exact = not self.storm.clock_error and not self.storm.freezes
        if throttled and exact and not self.storm.is_throttling:
            fail(f"the Connector refused {throttled} calls, and no fault explains it")

    def _judge_one(self, ask: Ask, seen: SeenBroadcast) -> None:
        wanted, perhaps = planned_people(seen) if ask.digest else self._wanted(ask), self._perhaps(ask)
        cursor = self.account.table(names.BROADCASTS).rows(seen.id)["cursor"]
        if seen.finished_at is not None and seen.stopped_at is None and not ask.digest:
            for sentence in told_faults(ask, self.promises.meant[ask.key], cursor):
                self.promises.fail(sentence)
        if ask.mode is not Mode.DRY_RUN:
            for sentence in end_faults(seen, wanted, perhaps=perhaps):
                self.promises.fail(sentence)
            return
        counted = unpack_prospects(str(cursor["prospects"])).total()
        if seen.stopped_at is None and not len(wanted - perhaps) <= counted <= len(wanted | perhaps):
            self.promises.fail(f"{ask.key} rehearsed {counted} recipients of {len(wanted)}")

    def _wanted(self, ask: Ask) -> frozenset[str]:
        meant = self.promises.meant[ask.key]
        installed = map(user_key, range(self.storm.installed) if ask.everyone else ())
        return (meant.wanted | frozenset(installed)) - meant.left_out | frozenset(self.clients.conversations(ask))

    def _perhaps(self, ask: Ask) -> frozenset[str]:
        """Those whose installation came or went meanwhile, which concerns who asks for everyone."""
        if not ask.everyone:
            return frozenset()
        meant = self.promises.meant[ask.key]
        created = frozenset(self.account.table(names.CONVERSATIONS).rows(TENANT)) - {
            user_key(number) for number in range(self.storm.installed)
        }
        lost = frozenset(self.connector.lost | self.promises.installs.removed)
        return (created | (lost - meant.wanted)) - meant.left_out

    def pick(self) -> Process | None:
        """A process that takes work now."""
        now = self.loop.time()
        awake = [one for one in self.processes if not one.life.is_cut and one.life.frozen_until <= now]
        return self.dice.choice(awake) if awake else None

    def wall_clock(self) -> float:
        """What `time.time()` says: the wall clock of the process that asks."""
        process = self._process()
        return EPOCH + self.loop.time() + (process.wall_error if process else 0.0)

    def _process(self) -> Process | None:
        life = LIFE.get()
        return None if life is None else self._by_life[id(life)]

    def _running(self) -> Process:
        process = self._process()
        assert process is not None, "only a process calls the Connector"
        return process

    def _start(self) -> None:
        storm, dice = self.storm, self.dice
        process = Process(
            f"app-{len(self.processes)}",
            account=self.account,
            connector=self.connector,
            pace=storm.pace,
            clock_error=dice.uniform(-storm.clock_error, storm.clock_error),
            wall_error=dice.uniform(-30.0, 30.0),
            randomness=dice.randbytes,
            graph=self.graph,
        )
        self.processes.append(process)
        self._by_life[id(process.life)] = process

    def _may_be_hit(self, verb: str) -> None:
        """Between any two steps a process may die or freeze: here, around each of its calls."""
        storm, process = self.storm, self._process()
        if process is None or process.life.is_cut or self.loop.time() >= storm.until:
            return
        weight = 3.0 if verb == "write" else 1.0
        if self.ticks.is_hit(process):
            self._cut(process, verb) if self.dice.random() < 0.6 else self._freeze(process, verb)
        elif verb == STEP and self._step_hits and self.dice.random() < 0.5:
            self._step_hits -= 1
            self._cut(process, verb)
        elif self._cuts and self.dice.random() < storm.cut_chance * weight:
            self._cuts -= 1
            self._cut(process, verb)
        elif self._freezes and self.dice.random() < storm.freeze_chance * weight:
            self._freezes -= 1
            self._freeze(process, verb)

    def _cut(self, process: Process, at: str) -> None:
        self.trace.fault(self.loop.time(), process.life.name, "cut", at)
        pace = self.storm.pace
        self.promises.cut(process, most=1e9 if pace is None else max(100.0 * pace / 49.75, 5.0) + 1)
        self.promises.harm += 1
        process.life.is_cut = True
        self.host.died(process)
        self.loop.call_later(self.dice.uniform(1.0, 30.0), self._start, context=self.host.world)

    def _freeze(self, process: Process, at: str) -> None:
        now = self.loop.time()
        until = now + self.dice.choice([0.6, 3.0, 20.0, 50.0, 90.0, LONGEST_FREEZE])
        self.trace.fault(now, process.life.name, "freeze", f"{until - now:.1f} s at {at}")
        process.life.frozen_until = process.harmed_at = process.thawed_at = until
        self.promises.harm += 1
        loop = self.loop
        assert isinstance(loop, SeededLoop)
        loop.call_at(until, loop.release, process.life, context=self.host.world)

    def _broken(self, sentence: str) -> None:
        self.trace.note(self.loop.time(), "PROMISE", "BROKEN", sentence)
        self.over.set()

    async def _install(self) -> None:
        table = self.account.table(names.CONVERSATIONS)
        for number in range(self.storm.installed):
            reference = Reference(conversation=f"a:{number}", service_url=SERVICE_URL, member=f"29:{number}")
            await table.write(
                TENANT, [upsert(recipient_key(RecipientKind.USER, object_id(number)), values_of(reference))]
            )

    def _tell(self, person: str) -> None:
        """Teams tells the bot of an install, in a moment and once: some process takes the activity."""
        seconds = self.dice.choice([0.1, 1.0, 10.0])
        self.loop.call_later(seconds, self._take_activity, person, context=self.host.world)

    def _take_activity(self, person: str) -> None:
        process = self.pick()
        if process is None:
            return
        self.trace.fault(self.loop.time(), process.life.name, "install_told", person[-4:])
        chat = self.connector.chat_of(int(person.rpartition("-")[2], 16))
        at = timestamp(EPOCH + self.loop.time())
        change = ReferenceChange(
            tenant=TENANT,
            key=recipient_key(RecipientKind.USER, person),
            values=values_of(Reference(conversation=chat, service_url=SERVICE_URL, changed_at=at, seen_at=at)),
            is_state_change=True,
        )
        process.spawn(process.app.conversations.keep(change))

    async def _clean_up(self) -> None:
        """End every task; from here on nothing of it matters, so that even a cut one may run to its end."""

        async def gone(_call: object) -> None:
            raise asyncio.CancelledError

        self.account.use_hook(gone)
        loop = self.loop
        assert isinstance(loop, SeededLoop)
        for process in self.processes:
            process.life.is_cut, process.life.frozen_until = False, 0.0
            loop.release(process.life)
        everything = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for _ in range(20):
            waiting = [task for task in everything if not task.done()]
            if not waiting:
                break
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting, timeout=0.01)
        # A generator that is closed leaves the one that it reads from to be closed in a moment.
        await loop.shutdown_asyncgens()
        await asyncio.sleep(0.01)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No logs, and no collection of what a cut process left, whose `finally` would run then."""
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        logging.disable(logging.NOTSET)


def run_storm(storm: Storm) -> Result:
    """Run a storm to its end. The same storm makes the same trace."""
    loop = SeededLoop(storm.seed)
    worlds = list[World]()

    async def scenario() -> None:
        worlds.append(World(storm))
        await worlds[0].run()

    def wall_clock() -> float:
        return worlds[0].wall_clock() if worlds else EPOCH

    with (
        _undisturbed(),
        seeded(storm.seed, wall_clock=wall_clock, knobs=storm.knobs),
        asyncio.Runner(loop_factory=lambda: loop) as runner,
    ):
        runner.run(scenario())
    world = worlds[0]
    return Result(
        seed=storm.seed,
        broken=tuple(world.promises.broken),
        trace=world.trace,
        steps=loop.steps,
        virtual_seconds=loop.time(),
        deliveries=sum(world.promises.ledger.values()),
        doubled=world.promises.doubled,
    )
