"""Follows all broadcasts of a run and looks at each report for sums that do not add up."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from localhost.chaos.api import Api
from localhost.chaos.sums import faults_of

POLL = 1.0
TELL_EVERY = 10.0


class Watch:
    """The last reports by broadcast, how many there were, and every sum that was wrong."""

    def __init__(self, api: Api, *, say: Callable[[str], None]) -> None:
        self._api = api
        self._say = say
        self._told_at = 0.0
        self.reports: dict[str, dict[str, Any]] = {}
        self.polls = 0
        self.wrong: list[str] = []

    async def follow(self, accepted: Mapping[str, str], is_over: Callable[[], bool], *, until: float) -> None:
        """Poll what is accepted, also what comes meanwhile, until all is over and has ended, or `until` has come."""
        while time.monotonic() < until:
            await asyncio.gather(*(self._poll(broadcast) for broadcast in accepted.values()))
            self._tell()
            if is_over() and all(self._has_ended(broadcast) for broadcast in accepted.values()):
                return
            await asyncio.sleep(POLL)

    def _has_ended(self, broadcast: str) -> bool:
        return bool(self.reports.get(broadcast, {}).get("finished_at"))

    async def _poll(self, broadcast: str) -> None:
        if self._has_ended(broadcast):
            return
        answer = await self._api.call("GET", f"/api/broadcasts/{broadcast}")
        if not answer.body:
            return
        self.polls += 1
        self.wrong += faults_of(answer.body, before=self.reports.get(broadcast))
        self.reports[broadcast] = answer.body

    def _tell(self) -> None:
        if time.monotonic() - self._told_at < TELL_EVERY:
            return
        self._told_at = time.monotonic()
        sums: dict[str, int] = {}
        for report in self.reports.values():
            for state, number in report["counts"].items():
                sums[state] = sums.get(state, 0) + number
        self._say(", ".join(f"{number:,} {state}" for state, number in sums.items() if number) or "nothing yet")
