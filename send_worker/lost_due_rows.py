"""Due rows that were lost: by a hand in the table, or because the table is a copy of an earlier one.

The tick looks at due rows alone. The definitions are the truth, so now and then all of them are looked at as well.
"""

import logging
from collections.abc import Collection
from contextlib import suppress

from send_worker.due_schedules import STRAY_SECONDS
from shared.errors import RowConflict, ScheduleNotFound, StorageError
from shared.ports import Clock
from shared.storage.schedules import Schedule, Schedules
from shared.telemetry import log_event

logger = logging.getLogger(__name__)


class LostDueRows:
    """Writes them anew."""

    def __init__(self, schedules: Schedules, *, clock: Clock, tenants: Collection[str]) -> None:
        self._schedules = schedules
        self._clock = clock
        self._tenants = tenants

    async def run(self) -> None:
        """Look at every schedule whose next occurrence was due so long ago that no tick can be at it."""
        before = self._clock.now() - STRAY_SECONDS
        try:
            for tenant in self._tenants:
                async for schedule_id in self._schedules.overdue(tenant, before=before):
                    with suppress(RowConflict, ScheduleNotFound):
                        await self._write_anew(await self._schedules.get(tenant, schedule_id))
        except StorageError as error:
            log_event(logger, "schedules_failed", level=logging.WARNING, cause=type(error).__name__)

    async def _write_anew(self, schedule: Schedule) -> None:
        if schedule.next is None or await self._schedules.is_due(schedule, schedule.next):
            return
        await self._schedules.change(schedule)
        log_event(logger, "due_row_written_anew", level=logging.WARNING, schedule=schedule.id, at=schedule.next)
