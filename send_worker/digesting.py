"""Digesting: how a digest's plan takes up what gathered, and lets go of exactly that.

1. FREEZE: the digest waits for its turn, then takes up the items for audiences: their words become its sheet.
2. COLLECT: each audience of these items is collected into runs of its own.
3. EMIT: the walk along all of them writes letters into batch rows. Each step names the items that its letters tell,
   and these are removed behind it, in exactly the versions that were read: an item is of the digest that named it.
4. Behind the last step the items for audiences are removed, and the plan is finished.

What came meanwhile, or was replaced, is not named, and waits for the next digest.
"""

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from secrets import token_hex

from send_worker.digest_walk import DigestWalk, PeopleWalk
from send_worker.gathering import Gathering, own_items
from send_worker.plan_steps import PlanSteps
from send_worker.walks import Lookup, Walk
from shared.audience_contract import AudienceBody
from shared.audience_requests import read_audience, read_saved
from shared.domain.audience import Audience, Shared
from shared.domain.broadcasts import Broadcast
from shared.domain.cursors import Cursor, PartRuns, Phase, Wait
from shared.domain.ids import CHANCE
from shared.domain.letters import fill_sheet, pack_sheet, unpack_sheet
from shared.domain.merging import places_by_key, union, without
from shared.domain.recipients import RecipientKind, kind_of
from shared.errors import BroadcastNotFound, InvalidRequest
from shared.faults import read_as
from shared.ports import Clock
from shared.snapshots import Snapshots
from shared.storage.broadcasts import Broadcasts, Held
from shared.storage.digest_items import DigestItems, StoredItem
from shared.storage.digest_plans import Frozen, freeze
from shared.storage.digest_turns import DigestTurns
from shared.telemetry import log_event

MOST_SHARED = 200
"""Items for audiences that one digest takes up; further ones wait for the next."""
PATIENCE_SECONDS = 3_600.0
"""So long after its plan was due a digest waits for an audience that cannot be read; all later ones wait with it."""
TURN_SECONDS = 10.0
"""So long a digest's plan rests while another one's takes items."""

logger = logging.getLogger(__name__)


class Digesting:
    """Plans digests."""

    def __init__(
        self,
        store: Broadcasts,
        *,
        items: DigestItems,
        turns: DigestTurns,
        snapshots: Snapshots,
        steps: PlanSteps,
        lookup: Lookup,
        clock: Clock,
    ) -> None:
        self._store = store
        self._items = items
        self._turns = turns
        self._snapshots = snapshots
        self._steps = steps
        self._lookup = lookup
        self._clock = clock

    async def freeze(self, broadcast: Broadcast, held: Held) -> Held:
        """Take up the items for audiences, once it is this digest's turn. Raises RowConflict."""
        if not await self._take_turn(broadcast):
            rests_until = self._clock.now() + TURN_SECONDS
            return await self._steps.step(
                broadcast.id, held, replace(held.cursor, waits_for=Wait.DIGEST, rests_until=rests_until)
            )
        if broadcast.parent:
            step = replace(held.cursor, phase=Phase.EMIT, waits_for="", rests_until=0.0)
            return await self._steps.step(broadcast.id, held, step)
        heading = unpack_sheet(await self._store.content(broadcast.id)).heading
        found = await self._readable(broadcast)
        sheet = fill_sheet(heading, [one.item for one, _ in found])
        frozen = await self._save_parts(broadcast, found[: len(sheet.items)])
        step = replace(held.cursor, phase=Phase.COLLECT, waits_for="", rests_until=0.0)
        return await self._steps.step(broadcast.id, held, step, also=freeze(frozen, pack_sheet(sheet)))

    async def _readable(self, broadcast: Broadcast) -> list[tuple[StoredItem, Audience]]:
        """The items for audiences that are to be told, with these as they stand now.

        One whose audience cannot be read (a saved one was removed, say) waits for a later digest, or for its end. It
        takes no place from others, nor does one that has expired. Each digest begins with another one, so that those
        which are set aside later, time and again, keep nobody waiting for good.
        """
        readable, now = list[tuple[StoredItem, Audience]](), self._clock.now()
        first = broadcast.id[-CHANCE:]
        async for one in self._items.audience_items(broadcast.tenant, broadcast.digest, first=first):
            if len(readable) == MOST_SHARED:
                break
            if one.item.is_over(now):
                continue
            try:
                readable.append((one, await self._audience_now(broadcast.tenant, one)))
            except InvalidRequest as error:
                self._tell_aside(broadcast, item=one.id, reason=str(error))
        return readable

    async def _audience_now(self, tenant: str, one: StoredItem) -> Audience:
        body, faults = read_as(AudienceBody, one.audience or {})
        if body is None:
            raise InvalidRequest(faults)
        return await self._snapshots.whole(tenant, read_audience(body), read_saved(body))

    async def _save_parts(self, broadcast: Broadcast, found: Sequence[tuple[StoredItem, Audience]]) -> Frozen:
        """Store each of the items' audiences once.

        A parent has one more, for no item: until its children are planned anybody who has the app may get some.
        """
        name, parts = token_hex(4), dict[Audience, int]()
        everyone = [Audience(everyone_installed=True)] if broadcast.own_clock is not None else []
        for audience in [*(audience for _, audience in found), *everyone]:
            if audience not in parts:
                await self._store.digests.save_part(broadcast.id, name, len(parts), audience)
                parts[audience] = len(parts)
        return Frozen(
            name=name,
            parts=len(parts),
            places=tuple(parts[audience] for _, audience in found),
            named=tuple(one.named for one, _ in found),
        )

    async def audience(self, broadcast: Broadcast, cursor: Cursor) -> Audience:
        """The audience that is collected now; nobody behind the last one."""
        frozen = await self._store.digests.frozen(broadcast.id)
        return await self._store.digests.part(broadcast.id, frozen, len(cursor.part_runs))

    async def collected(self, broadcast: Broadcast, cursor: Cursor) -> Cursor:
        """The cursor that follows one of collecting: letters are written when all audiences are collected.

        An audience that waits for somebody to mend something is set aside with its items, which are not taken: it must
        not hold up what gathered for everybody else. So is one that still cannot be read after an hour.

        Of what is unknown no places are kept: they are places in this audience alone, and reports do not know of it.
        """
        cursor = replace(cursor, unknown_groups="", unknown_rosters="", unknown_exceptions="")
        if cursor.phase is Phase.EMIT:
            return replace(cursor, phase=Phase.COLLECT)
        is_late = self._clock.now() > max(broadcast.accepted_at, broadcast.plan_at) + PATIENCE_SECONDS
        is_set_aside = cursor.waits_for in (Wait.EXCEPTION, Wait.CONSENT) or (bool(cursor.waits_for) and is_late)
        if cursor.phase is not Phase.FINISHED and not is_set_aside:
            return cursor
        frozen, part = await self._store.digests.frozen(broadcast.id), len(cursor.part_runs)
        if part < frozen.parts:
            reason = cursor.waits_for or "too_many_runs"
            cursor = cursor.behind_part(is_set_aside=is_set_aside)
            for one in frozen.named_for(part) if cursor.part_runs[part] is None else ():
                self._tell_aside(broadcast, item=one.id, reason=reason)
        return replace(cursor, phase=Phase.EMIT if len(cursor.part_runs) == frozen.parts else Phase.COLLECT)

    async def walk(self, broadcast: Broadcast, cursor: Cursor) -> Walk:
        """The walk from where the cursor stands, once everything is removed that was named before.

        That of a parent finds all whom its children may have to tell. A child tells what gathered by its own time to
        those of its share, and of what its parent took up for audiences.
        """
        await self.remove_taken(broadcast)
        if broadcast.own_clock is not None:
            gathering = await self._gathering(broadcast, broadcast.id, cursor)
            return PeopleWalk(broadcast.tenant, gathering, lookup=self._lookup)
        among = None
        if broadcast.parent:
            shared = Shared(parent=broadcast.parent, at=int(broadcast.starts_at))
            among = self._store.shares.people(shared)
            cursor = replace((await self._store.cursor(broadcast.parent)).cursor, after=cursor.after)
        return DigestWalk(
            broadcast.tenant,
            unpack_sheet(await self._store.content(broadcast.id)),
            await self._gathering(broadcast, broadcast.parent or broadcast.id, cursor, among=among),
            lookup=self._lookup,
            now=max(self._clock.now(), broadcast.starts_at),
        )

    async def _gathering(
        self, broadcast: Broadcast, frozen_by: str, cursor: Cursor, *, among: AsyncIterator[str] | None = None
    ) -> Gathering:
        """What gathered behind the cursor's key, with the audiences that a broadcast took up and collected."""
        frozen = await self._store.digests.frozen(frozen_by)
        parts = [await self._members(frozen_by, runs, after=cursor.after) for runs in cursor.part_runs]
        members = ((key, frozen.items_for(found)) for key, found in places_by_key(parts))
        now = max(self._clock.now(), broadcast.starts_at)
        own = own_items(self._items, broadcast.tenant, broadcast.digest, after=cursor.after, now=now)
        return Gathering(own, members, among=among)

    async def _members(self, broadcast_id: str, part: PartRuns | None, *, after: str) -> Iterator[str]:
        """The people of one audience behind a key, in order; nobody of one that was set aside.

        Somebody by a name that leads nowhere has a letter, too: so the report tells of them.
        """
        if part is None:
            return iter(())
        runs = self._store.runs
        members = union([await runs.walk(broadcast_id, name, after=after) for name in part.runs])
        left_out = union([await runs.walk(broadcast_id, name, after=after) for name in part.except_runs])
        return without(filter(_is_person, members), left_out)

    async def settle_ended(self, broadcast: Broadcast) -> None:
        """Remove what a plan that has ended has taken: nothing where it was stopped before it wrote a letter."""
        cursor = (await self._store.cursor(broadcast.id)).cursor
        if cursor.recipients:
            await self.settle(broadcast, cursor)

    async def settle(self, broadcast: Broadcast, cursor: Cursor) -> None:
        """Remove everything that a plan has taken which writes nothing more. Doing it again changes nothing."""
        await self.remove_taken(broadcast)
        frozen = await self._store.digests.frozen(broadcast.id)
        told = [part for part, runs in enumerate(cursor.part_runs) if runs is not None]
        taken = [one for part in told for one in frozen.named_for(part)]
        await self._items.take(broadcast.tenant, broadcast.digest, taken)

    async def remove_taken(self, broadcast: Broadcast) -> None:
        """Remove what the plan's last step named, as it stands: another planner may have written that step."""
        await self._items.take(broadcast.tenant, broadcast.digest, await self._store.digests.taken(broadcast.id))

    async def _take_turn(self, broadcast: Broadcast) -> bool:
        """Whether it is this digest's turn. After another one's, what that one named is removed first."""
        turn = await self._turns.current(broadcast.tenant, broadcast.digest)
        if turn is not None and turn.broadcast == broadcast.id:
            return True
        if turn is not None and not await self._is_settled(turn.broadcast):
            return False
        await self._turns.pass_to(broadcast.tenant, broadcast.digest, broadcast.id, after=turn)
        return True

    async def _is_settled(self, broadcast_id: str) -> bool:
        """Whether another digest's plan takes nothing more; then what it took is removed."""
        try:
            other = await self._store.head(broadcast_id)
            cursor = (await self._store.cursor(broadcast_id)).cursor
        except BroadcastNotFound:
            # Its rows are removed after its end, and what it took before that.
            return True
        if cursor.is_finished:
            await self.settle_ended(other)
        elif other.own_clock is not None and cursor.phase is Phase.EMIT:
            # A parent takes items for audiences alone, and names all of them before it is split, which may take hours.
            await self.settle(other, cursor)
            return True
        return cursor.is_finished

    def _tell_aside(self, broadcast: Broadcast, *, item: str, reason: str) -> None:
        log_event(
            logger, "digest_item_set_aside", level=logging.ERROR, broadcast=broadcast.id, item=item, reason=reason
        )


def _is_person(key: str) -> bool:
    return kind_of(key) in (RecipientKind.USER, RecipientKind.NAME)
