"""Reports: where a broadcast stands, and what became of each delivery. Both count open deliveries by the same rule."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from messages.answers import Links, instant
from messages.audience_reports import report_audience
from messages.clock_reports import describe_clock, from_first_moment
from shared.domain.batches import Batch, Note
from shared.domain.broadcasts import LEASE_SECONDS, Broadcast, BroadcastState, Priority, count_as, state_of
from shared.domain.cursors import Cursor
from shared.domain.families import MomentSums, sum_up_family
from shared.domain.modes import Mode
from shared.domain.outcomes import Outcome
from shared.domain.pacing import URGENT_SHARE
from shared.domain.recipients import identifier_of, is_unresolved, kind_of
from shared.domain.rehearsals import Prospect, requests_for, unpack_prospects
from shared.domain.reports import LIVE_BATCHES, TRIED, Report, Tally, final_report
from shared.domain.revisions import Revised, RevisionKind
from shared.errors import BroadcastNotFound
from shared.families import Families, Member, NumberedBatch
from shared.pacer import Pacers
from shared.ports import Clock
from shared.storage.broadcasts import Broadcasts
from shared.storage.installations import Installations

READS_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPage:
    """Deliveries in the order of their batches, and the number of the batch with which the next page starts."""

    deliveries: tuple[dict[str, Any], ...]
    next: int | None


class Reports:
    """Reads broadcasts for people."""

    def __init__(
        self,
        broadcasts: Broadcasts,
        families: Families,
        *,
        installations: Installations,
        pacers: Pacers,
        clock: Clock,
    ) -> None:
        self._broadcasts = broadcasts
        self._families = families
        self._installations = installations
        self._pacers = pacers
        self._clock = clock

    async def state(self, broadcast: Broadcast) -> BroadcastState:
        """The one word for where a broadcast stands, by two reads."""
        broadcast = await self._as_it_stands(broadcast)
        cursor = (await self._broadcasts.cursor(broadcast.id)).cursor
        return _state(from_first_moment(broadcast, cursor), cursor, now=self._clock.now())

    async def states(self, broadcast_ids: Sequence[str]) -> list[BroadcastState]:
        """The states of several broadcasts, read side by side; one whose acceptance broke off is `accepted`."""
        gate = asyncio.Semaphore(READS_AT_ONCE)

        async def read(broadcast_id: str) -> BroadcastState:
            async with gate:
                try:
                    return await self.state(await self._broadcasts.head(broadcast_id))
                except BroadcastNotFound:
                    return BroadcastState.ACCEPTED

        return await asyncio.gather(*(read(broadcast_id) for broadcast_id in broadcast_ids))

    async def broadcast(self, broadcast_id: str, links: Links) -> dict[str, Any]:
        """A broadcast with its sums: of its rows as they stand, of their last count where they are many, of its end.

        Raises BroadcastNotFound.
        """
        broadcast = await self._as_it_stands(await self._broadcasts.head(broadcast_id))
        cursor = (await self._broadcasts.cursor(broadcast_id)).cursor
        broadcast, now = from_first_moment(broadcast, cursor), self._clock.now()
        family = await self._family(broadcast, cursor, now)
        report = await self._sums(broadcast, cursor, family, now)
        state = _state(broadcast, cursor, now=now)
        # Before its plan is finished nobody knows how much there is to do, nor while moments are still to come.
        running = state is BroadcastState.SENDING and cursor.is_finished and not family
        return {
            "id": broadcast.id,
            "tenant": broadcast.tenant,
            "key": broadcast.key,
            "state": state,
            "accepted_at": instant(broadcast.accepted_at),
            "starts_at": instant(broadcast.starts_at or None),
            "expires_at": instant(broadcast.expires_at),
            "cancelled_at": instant(broadcast.cancelled_at),
            "paused_for": broadcast.paused,
            "install_blocked": await self._install_blocked(broadcast, cursor),
            "finished_at": instant(broadcast.finished_at),
            "delivery": broadcast.delivery,
            "priority": broadcast.priority,
            "mode": broadcast.mode,
            "digest": broadcast.digest or None,
            "ramp": _ramp(broadcast, cursor),
            "clock": describe_clock(broadcast, cursor, family, await self._states_of(family), now=now),
            "parent": broadcast.parent or None,
            "rehearsal": await self._rehearsal(broadcast, cursor),
            "planned": cursor.is_finished,
            **await report_audience(self._broadcasts, broadcast_id, cursor),
            "counted_at": instant(report.counted_at),
            "total": report.total,
            "counts": {state.value: number for state, number in report.states.items()},
            "reasons": {reason.value: number for reason, number in report.reasons.items()},
            "revision": _revision(broadcast, report),
            "rate": round(report.rate, 1),
            "estimated_end_at": instant(report.ends_at(broadcast, now=report.counted_at, pace=self._pacers.ceiling))
            if running
            else None,
            "links": {"self": links.broadcast(broadcast.id), "deliveries": links.deliveries(broadcast.id)},
        }

    async def deliveries(self, broadcast_id: str, *, first: int, most: int) -> DeliveryPage:
        """Whole batches from number `first` on, as many as hold `most` deliveries. Raises BroadcastNotFound."""
        batches = await self._families.batches(broadcast_id, first=first, limit=most // 100 + 1)
        now = self._clock.now()
        page, following = batches[: most // 100], batches[most // 100 :]
        return DeliveryPage(
            deliveries=tuple(delivery for one in page for delivery in _deliveries(one, now)),
            next=following[0].number if following else None,
        )

    async def _family(self, broadcast: Broadcast, cursor: Cursor, now: float) -> list[MomentSums]:
        """The moments of a parent with the sums of their children; nothing for every other broadcast."""
        if broadcast.own_clock is None:
            return []

        async def read(member: Member) -> MomentSums:
            child, report = member.head, None
            if child is not None:
                report = await self._sums(child, (await self._broadcasts.cursor(child.id)).cursor, (), now)
            return MomentSums(moment=member.moment, child=child, report=report)

        return await asyncio.gather(*(read(one) for one in await self._families.members(broadcast, cursor)))

    async def _states_of(self, family: Sequence[MomentSums]) -> dict[str, BroadcastState]:
        """The states of a parent's children by id."""
        children = [one.child for one in family if one.child is not None]
        states = await asyncio.gather(*(self.state(child) for child in children))
        return {child.id: state for child, state in zip(children, states, strict=True)}

    async def _rehearsal(self, broadcast: Broadcast, cursor: Cursor) -> dict[str, Any] | None:
        """What a dry run has counted so far; None for every other broadcast."""
        if broadcast.mode is not Mode.DRY_RUN:
            return None
        counts = unpack_prospects(cursor.prospects)
        content = await self._broadcasts.content(broadcast.id, broadcast.content_revision)
        wait = 0.0 if broadcast.ramp is None or counts.total() <= broadcast.ramp.people else broadcast.ramp.wait
        pace, share = self._pacers.ceiling, URGENT_SHARE if broadcast.priority is Priority.URGENT else 1.0
        seconds = None if pace is None else math.ceil(requests_for(counts) / (pace * share) + wait)
        return {
            "recipients": counts.total(),
            "counts": {prospect.value: counts[prospect] for prospect in Prospect},
            "message_bytes": len(content),
            "estimated_seconds": seconds,
        }

    async def _install_blocked(self, broadcast: Broadcast, cursor: Cursor) -> str | None:
        """What keeps people of this broadcast from being given the app, whoever they are; None where nothing does."""
        if not cursor.installs or broadcast.finished_at is not None:
            return None
        blocks = await self._installations.blocks(broadcast.tenant)
        return next((block.state for block in blocks.values()), None)

    async def _as_it_stands(self, broadcast: Broadcast) -> Broadcast:
        return broadcast.under(tenant_stopped=await self._pacers.of(broadcast.tenant).switch.is_stopped())

    async def _sums(self, broadcast: Broadcast, cursor: Cursor, family: Sequence[MomentSums], now: float) -> Report:
        if broadcast.finished_at is not None:
            return final_report(broadcast)
        if broadcast.own_clock is not None:
            return sum_up_family(broadcast, family, now=now)
        stored = await self._broadcasts.counts.read(broadcast.id) if cursor.rows > LIVE_BATCHES else None
        if stored is not None and stored.is_of(broadcast):
            return stored.stopped(broadcast.ends_open_as(now))
        return await self._sum_up(broadcast, now)

    async def _sum_up(self, broadcast: Broadcast, now: float) -> Report:
        tally = Tally(broadcast, now=now)
        async for row in self._broadcasts.summaries(broadcast.id, lease_seconds=LEASE_SECONDS):
            tally.add(row)
        return tally.report()


def _ramp(broadcast: Broadcast, cursor: Cursor) -> dict[str, Any] | None:
    """The slow start; `goes_on_at` is null until its first people were tried."""
    if broadcast.ramp is None:
        return None
    ramp = broadcast.ramp
    return {"people": ramp.people, "wait_seconds": ramp.wait, "goes_on_at": instant(cursor.goes_on_at or None)}


def _revision(broadcast: Broadcast, report: Report) -> dict[str, Any] | None:
    """What became of what was sent in the latest edit or recall; None before the first."""
    if not broadcast.revision:
        return None
    counts = {revised.name.lower(): report.revised[revised] for revised in Revised if revised is not Revised.NOTHING}
    kind = RevisionKind.RECALL if broadcast.recalled else RevisionKind.EDIT
    return {"number": broadcast.revision, "kind": kind, "total": report.revised.total(), "counts": counts}


def _state(broadcast: Broadcast, cursor: Cursor, *, now: float) -> BroadcastState:
    return state_of(
        broadcast,
        planned=cursor.is_finished,
        has_batches=cursor.rows > 0,
        started=cursor != Cursor(),
        now=now,
    )


def describe_delivery(batch: Batch, position: int, ends_as: Outcome | None) -> dict[str, Any]:
    """One delivery as reports tell it; `ends_as` is what `Broadcast.ends_open_as` says."""
    character = batch.progress.outcomes[position]
    counted = count_as(character, held=batch.is_held(LEASE_SECONDS), ends_as=ends_as)
    return _delivery(batch, position, Outcome(counted))


def _deliveries(one: NumberedBatch, now: float) -> list[dict[str, Any]]:
    return [_delivery(one.batch, position, Outcome(character)) for position, character in enumerate(one.outcomes(now))]


def _delivery(batch: Batch, position: int, outcome: Outcome) -> dict[str, Any]:
    key = batch.recipients[position].key
    note = batch.progress.notes.get(position, Note())
    return {
        "recipient": {"kind": kind_of(key).value, "id": identifier_of(key)},
        "state": outcome.state.value,
        "reason": outcome.reason.value if outcome.reason else None,
        # A note is only kept where one try was not enough.
        "attempts": note.attempts or int(outcome.state in TRIED and not is_unresolved(key)),
        "activity_id": batch.progress.activity_ids.get(position),
        "due_at": instant(note.due_at) if outcome is Outcome.DEFERRED else None,
    }
