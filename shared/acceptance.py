"""A request becomes a broadcast, exactly one for each idempotency key, whatever breaks off in between.

Every step is idempotent and written so that the same request, coming again, finds how far the last try came and does
the rest under the same id: the `open` row, then key and list in one transaction, then the broadcast's own rows, then
the nudge. What only `open` knows is an attempt that died early, which the sweep drops.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from shared.domain.audience import Audience, pack_audience
from shared.domain.batches import Recipient
from shared.domain.broadcasts import Broadcast, PauseReason
from shared.domain.cursors import Cursor, Phase
from shared.domain.ids import broadcast_id
from shared.domain.lanes import BATCH_SIZE, INSTALL_LANES, LanePlan, lanes_for
from shared.domain.modes import IN_EARNEST, SILENT, Mode
from shared.domain.plans import cut
from shared.domain.requests import BroadcastRequest, Child, Content
from shared.domain.scopes import Scope, needs_installer
from shared.envelopes import Nudge, pack_nudge
from shared.errors import BroadcastNotFound, Fault, InvalidRequest, KeyReused, RowConflict
from shared.field_rules import NO_DEFAULT_ZONE
from shared.ports import Clock, Queue
from shared.snapshots import Snapshots
from shared.storage.broadcasts import Broadcasts
from shared.storage.directory import Directory, Entry
from shared.teams.protocol import encode_message
from shared.telemetry import log_event

LATEST = timedelta(hours=1)
"""So long after its moment a request is still accepted, for queues and callers that were held up."""

logger = logging.getLogger(__name__)


class RecipientLookup(Protocol):
    """Finds what is known of recipients."""

    async def recipients(self, tenant: str, keys: Sequence[str]) -> list[Recipient]:
        """The recipients in the order of their keys, with the conversations that are known of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An accepted request. `created` is false where its broadcast stood already."""

    broadcast_id: str
    created: bool


class Acceptance:
    """Accepts requests.

    `pace` is the tenants' limit in requests per second, `randomness` gives so many bytes, `scopes` are those in which
    the app is given to whoever lacks it, and `default_zone` is for whose zone nobody tells.
    """

    def __init__(
        self,
        *,
        broadcasts: Broadcasts,
        directory: Directory,
        snapshots: Snapshots,
        lookup: RecipientLookup,
        sends: Queue,
        plans: Queue,
        clock: Clock,
        randomness: Callable[[int], bytes],
        pace: float | None,
        scopes: Collection[Scope] = (),
        default_zone: str = "",
    ) -> None:
        self._broadcasts = broadcasts
        self._directory = directory
        self._snapshots = snapshots
        self._lookup = lookup
        self._sends = sends
        self._plans = plans
        self._clock = clock
        self._randomness = randomness
        self._pace = pace
        self._scopes = scopes
        self._default_zone = default_zone

    async def accept(self, request: BroadcastRequest) -> Accepted:
        """Make the request's broadcast, or finish making it. Raises InvalidRequest, KeyReused, StorageUnavailable."""
        await self._snapshots.check_source(request.tenant, request.audience)
        entry = await self._directory.find_key(request.tenant, request.key)
        is_new, audience = False, request.audience
        if entry is None:
            # Before the key is taken: a request that names what is not there leaves no trace.
            audience = await self._audience_now(request)
            self._check_moment(request)
            self._zone_for(request)
            entry, is_new = await self._register(request)
        if not _stands_for(entry, request):
            raise KeyReused(entry.broadcast_id)
        created = await (self._write(request, audience, entry) if is_new else self._go_on(request, entry))
        log_event(logger, "request_accepted", broadcast=entry.broadcast_id, tenant=request.tenant, created=created)
        return Accepted(broadcast_id=entry.broadcast_id, created=created)

    async def _audience_now(self, request: BroadcastRequest) -> Audience:
        return await self._snapshots.whole(request.tenant, request.audience, request.saved)

    def _check_moment(self, request: BroadcastRequest) -> None:
        """Refuse a moment that was long ago, which is a mistake; a request that comes a little late is sent at once.

        Occurrences and children are not asked for by hand: whoever made them knows that they are late.
        """
        latest = request.starts_at if request.own_clock is None else request.own_clock.last
        late = self._clock.now() - latest
        if latest and late > LATEST.total_seconds() and request.broadcast_id is None:
            told = datetime.fromtimestamp(latest, UTC).isoformat(timespec="minutes")
            where = "" if request.own_clock is None else " on every clock on Earth"
            over = timedelta(seconds=int(late))
            detail = f"this moment, {told}, is over for {over}{where}: name one that is still to come"
            raise InvalidRequest([Fault(pointer="/send/at", detail=detail)])

    def _zone_for(self, request: BroadcastRequest) -> str:
        """The zone of those of a parent whose zone nobody tells; empty for other broadcasts."""
        if request.own_clock is None:
            return ""
        zone = request.own_clock.default_zone or self._default_zone
        if not zone:
            raise InvalidRequest([Fault(pointer="/send/default_zone", detail=NO_DEFAULT_ZONE)])
        return zone

    async def _register(self, request: BroadcastRequest) -> tuple[Entry, bool]:
        """Take the key for a new id, and tell so; the entry of somebody else where that one was faster."""
        now = self._clock.now()
        entry = Entry(
            broadcast_id=request.broadcast_id or broadcast_id(now=now, randomness=self._randomness(7)),
            key=request.key,
            body_hash=request.body_hash,
            accepted_at=now,
        )
        await self._directory.open(entry.broadcast_id, tenant=request.tenant, opened_at=now)
        try:
            await self._directory.register(request.tenant, entry)
        except RowConflict:
            stands = await self._directory.find_key(request.tenant, request.key)
            if stands is None:
                raise
            # The conflict may be the echo of this very write, whose first answer was lost.
            if stands.broadcast_id != entry.broadcast_id:
                await self._directory.close(entry.broadcast_id)
                return stands, False
            return stands, True
        return entry, True

    async def _go_on(self, request: BroadcastRequest, entry: Entry) -> bool:
        """Finish what an earlier try began: write what it did not, and nudge unless the broadcast has ended."""
        try:
            head = await self._broadcasts.head(entry.broadcast_id)
        except BroadcastNotFound:
            # The sweep drops a row without a head after a day, and that may have been long ago.
            await self._directory.open(entry.broadcast_id, tenant=request.tenant, opened_at=entry.accepted_at)
            return await self._write(request, await self._audience_now(request), entry)
        if head.finished_at is None:
            cursor = (await self._broadcasts.cursor(entry.broadcast_id)).cursor
            await self._nudge(entry.broadcast_id, planned=cursor.is_finished and cursor.batches == 1)
        return False

    async def _write(self, request: BroadcastRequest, audience: Audience, entry: Entry) -> bool:
        """Write the broadcast's own rows and nudge; whether they were written here."""
        batch = await self._only_batch(request, audience)
        clock, child = request.own_clock, request.child
        if clock is not None:
            clock = replace(clock, default_zone=self._zone_for(request))
        life = None if request.expires_after is None else request.expires_after.total_seconds()
        begins_at = max(entry.accepted_at if child is None else child.accepted_at, request.starts_at)
        broadcast = Broadcast(
            id=entry.broadcast_id,
            tenant=request.tenant,
            key=request.key,
            body_hash=entry.body_hash,
            delivery=request.delivery,
            priority=request.priority,
            mode=request.mode,
            digest=request.digest,
            ramp=request.ramp,
            lanes=self._lanes(request, audience, is_planned=bool(batch)),
            accepted_at=entry.accepted_at,
            starts_at=request.starts_at if clock is None else clock.first,
            own_clock=clock,
            expires_after=None if clock is None else life,
            expires_at=None if life is None or clock is not None else begins_at + life,
        )
        if child is not None:
            broadcast = _born(broadcast, child)
        created = True
        try:
            await self._broadcasts.begin(
                broadcast,
                content=encode(request.content),
                audience=pack_audience(audience),
                cursor=_first_cursor(request, batch),
                batch=batch,
            )
        except RowConflict:
            # Somebody else, or this very write before its answer was lost: either way all of it stands.
            created = False
        await self._nudge(entry.broadcast_id, planned=bool(batch))
        return created

    def _lanes(self, request: BroadcastRequest, audience: Audience, *, is_planned: bool) -> LanePlan:
        if request.own_clock is not None:
            # A parent has no batches.
            return LanePlan(sends=0)
        explicit = len(audience.explicit) if audience.is_explicit and not request.digest else None
        return LanePlan(
            sends=1 if request.mode in SILENT else lanes_for(self._pace, recipients=explicit),
            installs=INSTALL_LANES if not is_planned and self._gives_app(request.mode) else 0,
        )

    def _gives_app(self, mode: Mode) -> bool:
        return mode in SILENT or (bool(self._scopes) and mode in IN_EARNEST)

    async def _only_batch(self, request: BroadcastRequest, audience: Audience) -> tuple[Recipient, ...]:
        """The one batch of a small audience; empty where the planner has to work."""
        most = BATCH_SIZE if request.ramp is None else min(request.ramp.people, BATCH_SIZE)
        if not audience.is_explicit or len(audience.explicit) > most or request.mode in SILENT | {Mode.DRY_RUN}:
            return ()
        if request.starts_at > self._clock.now() or request.own_clock is not None:
            return ()
        recipients = await self._lookup.recipients(request.tenant, audience.explicit)
        if any(needs_installer(one, scopes=self._scopes, mode=request.mode) for one in recipients):
            return ()
        batches = list(cut(recipients))
        return batches[0] if len(batches) == 1 else ()

    async def _nudge(self, broadcast: str, *, planned: bool) -> None:
        if planned:
            await self._sends.put(pack_nudge(Nudge(broadcast=broadcast, batch=0)))
            return
        await self._plans.put(pack_nudge(Nudge(broadcast=broadcast)))


def _born(broadcast: Broadcast, child: Child) -> Broadcast:
    """A child as its parent stands by now."""
    held = child.paused_at is not None
    return replace(
        broadcast,
        parent=child.parent,
        revision=child.revision,
        cancelled_at=child.cancelled_at,
        paused=PauseReason.BY_REQUEST if held else None,
        paused_at=child.paused_at,
    )


def _first_cursor(request: BroadcastRequest, batch: Sequence[Recipient]) -> Cursor:
    if request.digest:
        return Cursor(phase=Phase.FREEZE)
    return Cursor(phase=Phase.FINISHED, batches=1, recipients=len(batch)) if batch else Cursor()


def _stands_for(entry: Entry, request: BroadcastRequest) -> bool:
    if request.broadcast_id is not None:
        return entry.broadcast_id == request.broadcast_id
    return entry.body_hash == request.body_hash


def encode(content: Content) -> bytes:
    """The activity of a message, encoded once for all of its recipients."""
    if content.encoded is not None:
        return content.encoded
    return encode_message(text=content.text, card=content.card, summary=content.summary, alert=content.alert)
