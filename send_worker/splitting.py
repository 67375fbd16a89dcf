"""Splitting: the recipients of a parent are sorted by the instants at which their clocks show its local time.

Each portion is one transaction of its shares and the cursor's step, so everybody is in exactly one share.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from send_worker.collecting import resting
from send_worker.plan_steps import PlanSteps
from send_worker.walking import Walking
from shared.domain.batches import Recipient
from shared.domain.broadcasts import Broadcast
from shared.domain.cursors import Cursor
from shared.domain.own_clocks import OwnClock, add_moments, sort_out
from shared.domain.recipients import RecipientKind, identifier_of, kind_of
from shared.domain.windows_zones import iana_zone
from shared.errors import DirectoryUnavailable
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts, Held
from shared.storage.shares import share_rows
from shared.work.elapsed import monotonic

MOST_AHEAD = 1_000
"""Recipients of one step: asking for their mailboxes' zones takes some twelve seconds."""
PATIENCE_SECONDS = 600.0
"""How long a split waits for mailboxes that cannot be read, from the parent's first moment on. Then it guesses."""


class Zones(Protocol):
    """Tells people's time zones."""

    async def zones(self, tenant: str, object_ids: Sequence[str]) -> dict[str, str]:
        """IANA zones by object id, of those of whom one is told. Raises DirectoryUnavailable."""


class Splitting:
    """Splits parents. `zones` tells the zones of people of whom Teams told none; None where nobody is asked."""

    def __init__(
        self,
        store: Broadcasts,
        *,
        steps: PlanSteps,
        walking: Walking,
        zones: Zones | None,
        clock: Clock,
    ) -> None:
        self._store = store
        self._steps = steps
        self._walking = walking
        self._zones = zones
        self._clock = clock

    async def emit(self, parent: Broadcast, held: Held, until: float) -> Held:
        """Write the shares of all of the plan's last run, or of as much as there is time for. Raises RowConflict.

        Where zones cannot be asked for the plan rests. `until` is by the process's monotonic clock.
        """
        walk = await self._walking.begin(parent, held.cursor)
        is_late = False
        while not walk.is_through:
            parent = await self._store.head(parent.id)
            if parent.own_clock is None or is_late or parent.stopped_at(self._clock.now()) is not None:
                return held
            recipients = await walk.ahead(MOST_AHEAD)
            if not recipients:
                break
            try:
                zones = await self._zones_of(parent, recipients)
            except DirectoryUnavailable as error:
                return await self._steps.step(
                    parent.id, held, resting(parent, held.cursor, error, now=self._clock.now())
                )
            held = await self._write(parent.id, parent.own_clock, held, recipients, zones)
            is_late = monotonic() > until
        return await self._walking.end(parent, held)

    async def _zones_of(self, parent: Broadcast, recipients: Sequence[Recipient]) -> dict[str, str]:
        """The zones of those people of whom one is known, by key: as Teams told it, else as their mailboxes do."""
        told = {one.key: iana_zone(one.time_zone) for one in recipients if one.time_zone}
        known = {key: zone for key, zone in told.items() if zone is not None}
        people = [one.key for one in recipients if one.key not in known and kind_of(one.key) is RecipientKind.USER]
        if self._zones is None or not people:
            return known
        key_by_id = {identifier_of(key): key for key in people}
        try:
            asked = await self._zones.zones(parent.tenant, list(key_by_id))
        except DirectoryUnavailable:
            if self._clock.now() < parent.began_at + PATIENCE_SECONDS:
                raise
            return known
        return known | {key_by_id[one]: zone for one, zone in asked.items()}

    async def _write(
        self, parent_id: str, clock: OwnClock, held: Held, recipients: Sequence[Recipient], zones: dict[str, str]
    ) -> Held:
        """Write the shares of some recipients with the cursor's step."""
        keys = [one.key for one in recipients]
        instants = {zone: clock.instant(zone) for zone in {*zones.values(), clock.default_zone}}
        shares = sort_out(keys, {key: instants[zones.get(key, clock.default_zone)] for key in keys})
        rows = share_rows(shares, first=held.cursor.shares)
        guessed = [key for key in keys if key not in zones and kind_of(key) is RecipientKind.USER]
        step = _behind(held.cursor, keys, people=Counter({at: len(some) for at, some in shares.items()}))
        step = replace(step, shares=step.shares + len(rows), guessed=step.guessed + len(guessed))
        return await self._steps.step(parent_id, held, step, also=rows)


def _behind(cursor: Cursor, keys: Sequence[str], *, people: Counter[int]) -> Cursor:
    return replace(
        cursor,
        recipients=cursor.recipients + len(keys),
        after=max(keys),
        moments=add_moments(cursor.moments, people),
        waits_for="",
        rests_until=0.0,
    )
