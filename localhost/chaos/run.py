"""One chaos run, from an empty stack to the verdict."""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Iterable

from localhost.chaos.api import Api
from localhost.chaos.evidence import trace
from localhost.chaos.facts import Evidence
from localhost.chaos.injector import Injector
from localhost.chaos.kinds import Kind
from localhost.chaos.load import Load
from localhost.chaos.plan import Plan, draw_plan
from localhost.chaos.promises import REFUSED
from localhost.chaos.queue_faults import QueueFaults
from localhost.chaos.verdict import Verdict, judge
from localhost.chaos.watch import Watch
from localhost.crowd import INSTALL_CONCURRENCY, add_strangers
from localhost.stack import Stack
from simulator.control import Control

SETTLING = 180.0
"""Seconds after the run within which everything must have ended. A lane whose holder died stands still for a lease and
a tick (105 s), and so does what it left to be closed; the rest is for what was not sent yet."""
ALL_STRIKE_FROM = 120.0


class ChaosError(Exception):
    """The run could not begin: the text says why."""


async def run(
    *, seconds: float, seed: int, hosts: int, say: Callable[[str], None], kinds: Collection[Kind] = tuple(Kind)
) -> Verdict:
    """Run the app under faults for so many seconds and judge it.

    It takes the time to install the app besides, and `SETTLING` more at most. Raises ChaosError, ChildDiedError.
    """
    plan = draw_plan(seed=seed, seconds=seconds, hosts=hosts, kinds=kinds)
    async with Stack(hosts=hosts, simulator=("--seed", str(seed)), installs=True) as stack:
        say(f"{plan.people} people install the app, {len(plan.strangers)} do not have it")
        people = await _install(stack, plan)
        dice = random.Random(f"strangers {seed}")  # noqa: S311 - A run must be repeatable by its seed.
        strangers = await add_strangers(stack.control, plan.strangers, dice=dice)
        began = time.monotonic()

        def tell(text: str) -> None:
            say(f"{time.monotonic() - began:6.1f} s  {text}")

        async with Api(stack.hosts, say=tell) as api, QueueFaults(stack.connection_string) as queues:
            injector = Injector(stack, queues, say=tell)
            load = Load(api, queues, tenant=stack.addresses["tenant_id"], people=people, strangers=strangers)
            watch = Watch(api, say=tell)
            faults = asyncio.create_task(injector.run(plan.injections, started=began, until=began + plan.faulty_s))
            asks = [asyncio.create_task(load.ask(ask, started=began)) for ask in plan.asks]
            busy = [faults, *asks]
            try:
                await watch.follow(
                    load.accepted,
                    lambda: _are_over(busy),
                    until=began + seconds + SETTLING,
                )
                await faults
            finally:
                for task in busy:
                    task.cancel()
                await asyncio.gather(*busy, return_exceptions=True)
            tell("reading what arrived")
            summary = await stack.control.ledger_summary()
            struck = injector.struck + load.struck
            reasons = dict(zip(strangers, plan.strangers, strict=True))
            refusing = {people[number]: REFUSED for number in plan.refusing}
            return judge(
                Evidence(
                    asked=frozenset(ask.key for ask in plan.asks),
                    listed=frozenset(await load.listed()),
                    broadcasts=await trace(
                        plan,
                        api=api,
                        teams=stack.control,
                        accepted=load.accepted,
                        reports=watch.reports,
                        people=people,
                        strangers=strangers,
                    ),
                    causes=injector.causes,
                    polls=watch.polls,
                    wrong=watch.wrong,
                    surprises=api.surprises,
                    refused=refusing | {person: reason for person, reason in reasons.items() if reason},
                    strangers=frozenset(person for person, reason in reasons.items() if not reason),
                    holdings=await stack.control.installations(),
                    requests=summary.requests,
                    throttled=summary.throttled,
                    struck={kind: struck[kind] for kind in Kind if kind in kinds},
                    all_must_strike=seconds >= ALL_STRIKE_FROM,
                )
            )


def _are_over(tasks: Iterable["asyncio.Task[None]"]) -> bool:
    """Whether all have ended; raises what one of them failed with."""
    return all([task.result() is None for task in tasks if task.done()] + [task.done() for task in tasks])


async def _install(stack: Stack, plan: Plan) -> list[str]:
    """Let people install the app, some of whom refuse its messages; their object ids."""
    teams: Control = stack.control
    people = await teams.add_people(plan.people)
    tally = await teams.install(concurrency=INSTALL_CONCURRENCY)
    if tally.failed:
        raise ChaosError(f"{tally.failed} of {plan.people} installs were refused\n{stack.hosts[0].child.log_tail()}")
    # The bot greets whom it meets, which is no part of a broadcast.
    await teams.wait_until_quiet(for_s=0.5)
    await teams.clear_ledger()
    await teams.misbehave(
        status=403, code="ConversationBlockedByUser", people=[people[number] for number in plan.refusing]
    )
    return [person.object_id for person in people]
