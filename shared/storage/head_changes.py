"""Changes of a broadcast's head after its acceptance. Each says for itself which heads it may change.

A change with a condition is made under the head's ETag: of two that meet the later one reads what the earlier one made.
"""

from collections.abc import Callable, Sequence

from shared.domain.broadcasts import Broadcast, PauseReason
from shared.errors import RowConflict
from shared.ports import Table
from shared.storage.broadcast_keys import HEAD, content_key, lane_key
from shared.storage.rows import Operation, Value, Values, insert, merge, pack_bytes

TRIES = 5
"""Two changes of one head may meet; five in the same moment do not."""


class HeadChanges:
    """Changes heads, and nudges nobody: that is left to whoever asks for a change."""

    def __init__(self, table: Table) -> None:
        self._table = table

    async def revise(
        self, broadcast: Broadcast, *, content: bytes | None, at: float, number: int | None = None
    ) -> bool:
        """Begin the next revision: an edit with new `content`, or a recall without. False when another one began.

        A child's has the `number` of its parent's, since it may pass over some of those.

        The head, the new revision's lanes and its content are one transaction; a finished broadcast is open again, and
        a recalled one sends nothing more.
        """
        number = number or broadcast.revision + 1
        also = [insert(lane_key(lane, number), {"batch": batch}) for lane, batch in broadcast.lanes.starts.items()]
        if content is not None:
            also.append(insert(content_key(number), pack_bytes("content", content)))

        def change(values: Values) -> Values:
            changed: dict[str, Value] = {"revision": number, "revised_at": at, "finished_at": 0.0}
            changed["recalled"] = content is None
            ended = broadcast.cancelled_at is not None or broadcast.finished_at is not None
            if content is None and not ended:
                changed["cancelled_at"] = at
            stops = content is None or broadcast.stopped_at(at) is not None
            if stops and values.get("paused") != PauseReason.BLOCKED_AUTH.value:
                # Nothing is held back any more, and nobody could let a stopped broadcast go on.
                changed["paused"] = ""
            return changed

        return await self._change(
            broadcast.id, change, also=also, only_if=lambda values: int(values.get("revision", 0)) == broadcast.revision
        )

    async def cancel(self, broadcast_id: str, *, at: float) -> None:
        """Note that the broadcast was cancelled; open deliveries count as such from ten seconds later.

        Nothing is noted where it was cancelled before, or has ended.
        """
        await self._change(
            broadcast_id,
            {"cancelled_at": at},
            only_if=lambda values: not values.get("cancelled_at") and not values.get("finished_at"),
        )

    async def pause(self, broadcast_id: str, reason: PauseReason, *, at: float) -> bool:
        """Note that the broadcast stands still from now on. A person's pause takes the place of any other; no other
        reason takes the place of one that stands. Whether it was noted."""
        by_person = reason is PauseReason.BY_REQUEST

        def may_pause(values: Values) -> bool:
            # What was stopped cannot be let go on; only refused credentials end by themselves.
            stopped = bool(values.get("cancelled_at") or values.get("recalled") or values.get("finished_at"))
            return reason is PauseReason.BLOCKED_AUTH or not stopped

        return await self._change(
            broadcast_id,
            {"paused": reason.value, "paused_at": at},
            only_if=lambda values: may_pause(values) and (by_person or not values.get("paused")),
        )

    async def resume(self, broadcast_id: str, *, reason: PauseReason | None = None) -> bool:
        """Note that the broadcast goes on, or only if it stood still for `reason`. Whoever does this nudges its lanes.

        Who lets it go on after refusals has looked at them: it is not held for them again.
        """

        def change(values: Values) -> Values:
            seen = values.get("paused") == PauseReason.REFUSALS.value
            return {"paused": "", "refusals_seen": True} if seen else {"paused": ""}

        return await self._change(
            broadcast_id,
            change,
            only_if=lambda values: values.get("paused") == reason.value if reason else bool(values.get("paused")),
        )

    async def finish(self, broadcast_id: str, *, at: float, sums: str, revised_sums: str, revision: int) -> bool:
        """Note the end and the sums, those of the latest revision apart; False when another revision has begun."""
        values: dict[str, Value] = {"finished_at": at, "sums": sums, "revised_sums": revised_sums}
        return await self._change(broadcast_id, values, only_if=lambda head: int(head.get("revision", 0)) == revision)

    async def _change(
        self,
        broadcast_id: str,
        change: Values | Callable[[Values], Values],
        *,
        only_if: Callable[[Values], bool],
        also: Sequence[Operation] = (),
    ) -> bool:
        """Change a head that still is as `only_if` wants it, with `also` in one transaction; whether it was changed."""
        for _ in range(TRIES):
            row = await self._table.get(broadcast_id, HEAD)
            if row is None or not only_if(row.values):
                return False
            values = change(row.values) if callable(change) else change
            try:
                await self._table.write(broadcast_id, [merge(HEAD, values, etag=row.etag), *also])
            except RowConflict:
                continue
            return True
        return False
