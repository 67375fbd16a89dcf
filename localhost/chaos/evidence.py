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
) -> tuple[Traced, ...]:
    """Read everything about the broadcasts that were accepted."""
    arrivals: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    async for entry in teams.ledger_entries(event="sent"):
        arrivals[entry.text][entry.person or ""].append(entry.at)
    return tuple(
        [
            Traced(
                key=ask.key,
                delivery=ask.delivery,
                expected=_expected(ask, people),
                report=reports.get(accepted[ask.key], {}),
                deliveries=await _deliveries(api, accepted[ask.key]),
                arrivals={person: tuple(sorted(moments)) for person, moments in arrivals[ask.text].items()},
            )
            for ask in plan.asks
            if ask.key in accepted
        ]
    )


def _expected(ask: Ask, people: Sequence[str]) -> frozenset[str]:
    return frozenset(people[number] for number in ask.people) if ask.people else frozenset(people)


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
