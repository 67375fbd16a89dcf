"""Counting: the sums of a large broadcast while it runs, stored once a minute, so that no look at it reads its rows."""

from shared.domain.broadcasts import LEASE_SECONDS, Broadcast
from shared.domain.cursors import Cursor
from shared.domain.reports import LIVE_BATCHES, Tally
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts

COUNT_SECONDS = 50.0
"""Sums that are younger are left as they are: the tick asks for new ones each minute, and may ask twice."""


class Counting:
    """Sums up broadcasts. Two at a time do the same work and no harm: what is written last stands."""

    def __init__(self, store: Broadcasts, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def count_if_due(self, broadcast: Broadcast, cursor: Cursor) -> None:
        """Store the sums of a broadcast with more rows than a look at it reads, unless they were stored just now."""
        if cursor.rows <= LIVE_BATCHES:
            return
        stored = await self._store.counts.read(broadcast.id)
        now = self._clock.now()
        if stored is not None and stored.is_of(broadcast) and now - stored.counted_at < COUNT_SECONDS:
            return
        tally = Tally(broadcast, now=now)
        async for row in self._store.summaries(broadcast.id, lease_seconds=LEASE_SECONDS):
            tally.add(row)
        await self._store.counts.save(broadcast.id, tally.report())
