"""Settling a batch that was tried: what is written along with its results and its lease, in the same transaction."""

from secrets import token_hex

from shared.domain.batches import Batch
from shared.storage.broadcast_keys import due_key, lane_key
from shared.storage.rows import Operation, delete, insert, merge
from shared.work.claim import Claim


async def settle_batch(claim: Claim, *, is_over: bool, following: Batch | None, now: float) -> Claim | None:
    """Give a batch back together with its due marker, its lane's step and the claim of the batch that follows it.

    Answers that claim; None where nothing follows, or where somebody else has taken it. `is_over` says that nothing
    will be sent any more.
    """
    marker, also = due_marker(claim, sending=not is_over, now=now)
    if claim.has_place:
        also.append(lane_step(claim))
    if following is None:
        return await claim.settle(due_marker=marker, also=also)
    return await claim.settle(
        due_marker=marker, also=also, following=following, following_lease=token_hex(8), following_stopped=is_over
    )


def due_marker(claim: Claim, *, sending: bool, now: float) -> tuple[str, list[Operation]]:
    """The marker that a batch's leftovers need from now on, and the operations that bring it about."""
    due_at = claim.deliveries.left_until(sending=sending)
    # What is due at once lines up behind what has been due for longer.
    marker = "" if due_at is None else due_key(due_at or now, claim.number)
    if marker == claim.due_marker:
        return marker, []
    operations = [delete(claim.due_marker)] if claim.due_marker else []
    return marker, [*operations, insert(marker, {})] if marker else operations


def lane_step(claim: Claim) -> Operation:
    """The operation by which a lane goes on from this batch to the next."""
    # It needs no ETag: only the one transaction that takes a batch's place can step its lane from there.
    lanes, number = claim.broadcast.lanes, claim.number
    return merge(lane_key(lanes.lane_of(number), claim.broadcast.revision), {"batch": lanes.after(number)})
