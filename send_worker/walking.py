"""Walking: which way a plan walks, and how it goes on behind the end of a walk."""

from dataclasses import replace

from send_worker.digesting import Digesting
from send_worker.plan_steps import PlanSteps
from send_worker.walks import Lookup, Walk, walk_run
from shared.domain.broadcasts import Broadcast
from shared.domain.cursors import Cursor, Phase
from shared.storage.broadcasts import Held
from shared.storage.runs import Runs


class Walking:
    """Begins and ends walks."""

    def __init__(self, runs: Runs, *, digesting: Digesting, lookup: Lookup, steps: PlanSteps) -> None:
        self._runs = runs
        self._digesting = digesting
        self._lookup = lookup
        self._steps = steps

    async def begin(self, broadcast: Broadcast, cursor: Cursor) -> Walk:
        """The walk from where the cursor stands: along what gathered for a digest, or along the plan's last run."""
        if broadcast.digest:
            return await self._digesting.walk(broadcast, cursor)
        return await walk_run(broadcast, cursor, runs=self._runs, lookup=self._lookup)

    async def end(self, broadcast: Broadcast, held: Held) -> Held:
        """Step a plan behind its walk: a digest's is finished, any other collects its next run. Raises RowConflict."""
        if broadcast.digest:
            await self._digesting.settle(broadcast, held.cursor)
            return await self._steps.step(broadcast.id, held, replace(held.cursor, phase=Phase.FINISHED))
        return await self._steps.step(broadcast.id, held, replace(held.cursor, phase=Phase.COLLECT, after=""))
