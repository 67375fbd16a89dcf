"""The pace towards Graph: one pace row for each tenant and kind of request, `graph!<kind>`, shared by all instances.

The rules are those of the Connector's pace (`shared/domain/pacing.py`, `shared/pacer.py`); the rates are in `kinds.py`.
"""

import asyncio
import logging
from collections.abc import Sequence

from shared.domain.pacing import FarAway, Slots
from shared.errors import StorageError
from shared.graph.kinds import Kind, sustained_rate
from shared.graph.protocol import Response
from shared.graph.throttling import Answers
from shared.pacer import PATIENCE, Pacers
from shared.ports import Clock, Table
from shared.storage.pace import PaceRows
from shared.telemetry import log_event

AGAIN = 1.0
"""Seconds after which to come again where slots were void twice: others are changing the pace just now."""
logger = logging.getLogger(__name__)


class GraphPace:
    """Slots for requests to Graph. With `is_limited` false every slot is free at once."""

    def __init__(self, table: Table, *, clock: Clock, is_limited: bool) -> None:
        self._clock = clock
        self._answers: dict[tuple[str, Kind], Answers] = {}
        self._pacers = {
            kind: Pacers(
                PaceRows(table, row=f"graph!{kind}"), ceiling=sustained_rate(kind) if is_limited else None, clock=clock
            )
            for kind in Kind
        }

    async def take(self, tenant: str, kind: Kind, *, slots: int) -> Slots | FarAway:
        """Take slots and wait for the first of them, at most as long as the pacer's patience; else how far it is.

        Raises StorageError.
        """
        pacer = self._pacers[kind].of(tenant)
        for _ in range(2):
            taken = await pacer.reserve(slots)
            if isinstance(taken, FarAway):
                return taken
            await asyncio.sleep(min(PATIENCE, max(0.0, taken.first_at - self._clock.now())))
            # The rate may have been cut while we slept; then these slots are not ours any more.
            if not pacer.is_void(taken):
                return taken
        return FarAway(wait=AGAIN)

    async def learn(self, tenant: str, kind: Kind, slots: Slots, responses: Sequence[Response]) -> None:
        """Lower the rate, once for each epoch, where these answers show that Graph throttles the app."""
        answers = self._answers.setdefault((tenant, kind), Answers())
        if (found := answers.note(responses, now=self._clock.now())) is None:
            return
        log_event(
            logger,
            "graph_throttled",
            level=logging.WARNING,
            tenant=tenant,
            kind=kind.value,
            share=round(found.share, 2),
            retry_after=found.retry_after,
        )
        pacer = self._pacers[kind].of(tenant)
        try:
            await pacer.report_throttling(epoch=slots.epoch, share=found.share, retry_after=found.retry_after)
        except StorageError:
            # The answers are worth more than the pace: those that are throttled next tell again.
            log_event(logger, "throttling_not_told", level=logging.WARNING, tenant=tenant, kind=kind.value)
