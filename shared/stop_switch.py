"""The stop switch: one mark in a tenant's pace row that holds all of the tenant's broadcasts, on every instance."""

import math

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

    async def is_stopped(self) -> bool:
        """Whether the tenant's sending is stopped, as it was at most three seconds ago.

        Storage that fails leaves what was known. Raises StorageUnavailable where nothing is known yet.
        """
        if self._clock.now() - self._seen_at > FRESH_SECONDS:
            try:
                await self.look()
            except StorageUnavailable:
                if self._seen_at == -math.inf:
                    raise
        return self._stopped_at > 0

    async def look(self) -> float | None:
        """Since when the tenant's sending is stopped by now (seconds since the epoch); None while it goes on.

        Raises StorageUnavailable.
        """
        asked_at = self._clock.now()
        self.see(await self._rows.read(self._tenant))
        self._seen_at = asked_at
        return self._stopped_at or None

    async def stop(self) -> bool:
        """Stop all of the tenant's sending; false where it was stopped already. Raises StorageUnavailable."""
        if await self.look() is not None:
            return False
        await self._rows.switch(self._tenant, stopped_at=self._clock.now())
        await self.look()
        return True

    async def go_on(self) -> None:
        """Let the tenant's sending go on. Raises StorageUnavailable."""
        await self._rows.switch(self._tenant, stopped_at=0.0)
        await self.look()

    def see(self, row: tuple[Pace, str] | None) -> None:
        """Take in a pace row that was just read or written."""
        self._stopped_at = 0.0 if row is None else row[0].stopped_at
        self._seen_at = self._clock.now()
