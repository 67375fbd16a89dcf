"""The steps of a plan: each is one transaction of the cursor and what goes with it."""

from collections.abc import Sequence

from shared.domain.cursors import Cursor
from shared.domain.plans import NewBatches
from shared.errors import RowConflict
from shared.storage.broadcasts import Broadcasts, Held
from shared.storage.rows import Operation


class PlanSteps:
    """Steps cursors forward."""

    def __init__(self, store: Broadcasts) -> None:
        self._store = store

    async def step(
        self,
        broadcast_id: str,
        held: Held,
        cursor: Cursor,
        rows: Sequence[NewBatches] = (),
        also: Sequence[Operation] = (),
    ) -> Held:
        """Write the cursor, with new batch rows and other rows. Raises RowConflict where another planner went on."""
        try:
            etag = await self._store.step(broadcast_id, cursor, etag=held.etag, rows=rows, also=also)
        except RowConflict:
            # The client below tries again when an answer is lost, and then meets its own success.
            stands = await self._store.cursor(broadcast_id)
            if stands.cursor != cursor:
                raise
            return stands
        return Held(cursor=cursor, etag=etag)
