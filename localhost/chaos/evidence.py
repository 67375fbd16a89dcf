"""What a run left behind: each broadcast's deliveries as the app tells them, and what the stand-in's ledger holds."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from localhost.chaos.api import Api
from localhost.chaos.asks import Ask
from localhost.chaos.facts import Traced
from localhost.chaos.plan import Plan
from simulator.control import Control

TRIES = 5
TRY_AGAIN_AFTER = 2.0


async def trace(
    plan: Plan,
    *,
    api: Api,
    teams: Control,
    accepted: Mapping[str, str],
    reports: Mapping[str, Any],
    people: Sequence[str],
    strangers: Sequence[str],
) -> tuple[Traced, ...]:
    """Read everything about the broadcasts that were accepted."""
    given = frozenset(one for one, reason in zip(strangers, plan.strangers, strict=True) if not reason)
    arrivals: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    async for entry in teams.ledger_entries(event="sent"):
        arrivals[entry.text][entry.person or ""].append(entry.at)
    traced = []
    for ask in plan.asks:
        if ask.key not in accepted:
            continue
        deliveries = await _deliveries(api, accepted[ask.key])
        told = frozenset(person for person, _, _ in deliveries)
        traced.append(
            Traced(
                key=ask.key,
                delivery=ask.delivery,
                # Who was given the app while everybody who has it was collected may be in or out.
                expected=_named(ask, people, strangers) | (frozenset() if ask.people else given & told),
                report=reports.get(accepted[ask.key], {}),
                deliveries=deliveries,
                arrivals={person: tuple(sorted(moments)) for person, moments in arrivals[ask.text].items()},
            )
        )
    return tuple(traced)


def _named(ask: Ask, people: Sequence[str], strangers: Sequence[str]) -> frozenset[str]:
    chosen = [people[number] for number in ask.people] if ask.people else people
    return frozenset(chosen) | {strangers[number] for number in ask.strangers}


async def _deliveries(api: Api, broadcast: str) -> tuple[tuple[str, str, str | None], ...]:
    """All deliveries, page by page; those up to a page that the app does not answer."""
    found: list[tuple[str, str, str | None]] = []
    path = f"/api/broadcasts/{broadcast}/deliveries"
    while path and (page := await _get(api, path)):
        found += [(one["recipient"]["id"], one["state"], one["reason"]) for one in page["deliveries"]]
        # The next page's address is that of the host which answered; any other serves it as well.
        path = f"/api/{page['next'].partition('/api/')[2]}" if page["next"] else ""
    return tuple(found)


async def _get(api: Api, path: str) -> dict[str, Any]:
    for _ in range(TRIES):
        answer = await api.call("GET", path)
        if answer.body:
            return dict(answer.body)
        await asyncio.sleep(TRY_AGAIN_AFTER)
    return {}
