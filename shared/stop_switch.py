"""The stop switch: one mark in a tenant's pace row that holds all of the tenant's broadcasts, on every instance."""

import math
from contextlib import suppress

from shared.domain.pacing import Pace
from shared.errors import StorageUnavailable
from shared.ports import Clock
from shared.storage.pace import PaceRows

FRESH_SECONDS = 3.0
"""So late, at most, does a process learn that its tenant's sending was stopped."""


class StopSwitch:
    """What one process knows of a tenant's switch. A pacer tells it what it reads of the row anyway."""

    def __init__(self, rows: PaceRows, *, tenant: str, clock: Clock) -> None:
        self._rows = rows
        self._tenant = tenant
        self._clock = clock
        self._stopped_at = 0.0
        self._seen_at = -math.inf

    async def stopped_at(self) -> float | None:
        """Since when the tenant's sending is stopped (seconds since the epoch); None while it goes on.

        Storage that fails changes nothing: then no intent can be written either.
        """
        if self._clock.now() - self._seen_at > FRESH_SECONDS:
            with suppress(StorageUnavailable):
                self.see(await self._rows.read(self._tenant))
        return self._stopped_at or None

    async def is_stopped(self) -> bool:
        """Whether the tenant's sending is stopped, known at most three seconds ago."""
        return await self.stopped_at() is not None

    async def stop(self) -> None:
        """Stop all of the tenant's sending. Raises StorageUnavailable."""
        await self._set(self._clock.now())

    async def go_on(self) -> None:
        """Let the tenant's sending go on. Raises StorageUnavailable."""
        await self._set(0.0)

    def see(self, row: tuple[Pace, str] | None) -> None:
        """Take in a pace row that was just read or written."""
        self._stopped_at = 0.0 if row is None else row[0].stopped_at
        self._seen_at = self._clock.now()

    async def _set(self, stopped_at: float) -> None:
        await self._rows.switch(self._tenant, stopped_at=stopped_at)
        self.see(await self._rows.read(self._tenant))
