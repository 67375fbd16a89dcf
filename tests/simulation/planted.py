"""Bugs planted into the product, to show that the simulation finds them. Each is one small change of one rule."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from send_worker import decisions
from send_worker.planner import Planner
from send_worker.sweep import Sweep
from shared.domain.batches import Batch
from shared.domain.broadcasts import Broadcast, DeliveryMode
from shared.domain.cursors import Phase
from shared.domain.outcomes import Outcome
from shared.pacer import Pacer
from shared.stop_switch import StopSwitch
from shared.storage.broadcasts import Broadcasts, Held
from shared.storage.rows import Operation
from shared.teams.answers import Verdict
from shared.work import settling
from shared.work.claim import Claim
from shared.work.deliveries import Deliveries
from shared.work.heads import Heads
from shared.work.stake import Stake
from tests.simulation.draws import draw_storm
from tests.simulation.planted_digests import BUGS_OF_DIGESTS
from tests.simulation.planted_graph import BUGS_AROUND_GRAPH
from tests.simulation.planted_time import BUGS_AROUND_TIME
from tests.simulation.world import run_storm

MOST_SEEDS = 600
"""Seeds within which each planted bug must be found."""

Plant = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A planted bug that a seed has found: after how many seeds, and by which promise."""

    seeds: int
    seed: int
    promise: str


def journal_without_etag() -> AbstractContextManager[object]:
    """A holder writes its batch whatever became of it since."""
    write = Broadcasts.write_batch

    def blind(store: Broadcasts, broadcast_id: str, batch: Batch, *rest: Any, **named: Any) -> Awaitable[list[str]]:
        return write(store, broadcast_id, replace(batch, etag=None), *rest, **named)  # type: ignore[arg-type]

    return patch.object(Broadcasts, "write_batch", blind)


def throttled_is_final() -> AbstractContextManager[object]:
    """A 429 ends a delivery."""
    return patch.dict(decisions.FINAL, {Verdict.THROTTLED: Outcome.SERVICE_ERROR})


def sweep_off() -> AbstractContextManager[object]:
    """Nobody nudges what stands still."""

    async def nothing(_sweep: Sweep) -> None:
        return

    return patch.object(Sweep, "run", nothing)


def lease_never_expires() -> AbstractContextManager[object]:
    """A dead holder keeps its batch."""
    return patch.object(Batch, "is_held", lambda batch, _seconds: bool(batch.lease))


def lease_expires_at_once() -> AbstractContextManager[object]:
    """Any nudge takes a batch from its holder."""
    return patch.object(Batch, "is_held", lambda _batch, _seconds: False)


def _begin_as(change: Callable[[Batch, DeliveryMode], tuple[Batch, DeliveryMode]]) -> AbstractContextManager[object]:
    begin = Deliveries.__init__

    def changed(deliveries: Deliveries, batch: Batch, mode: DeliveryMode, *rest: Any, **named: Any) -> None:
        begin(deliveries, *change(batch, mode), *rest, **named)

    return patch.object(Deliveries, "__init__", changed)


def sending_taken_as_sent() -> AbstractContextManager[object]:
    """What a dead holder left in `sending` counts as sent."""

    def sent(batch: Batch, mode: DeliveryMode) -> tuple[Batch, DeliveryMode]:
        outcomes = batch.progress.outcomes.replace(Outcome.SENDING.value, Outcome.SENT.value)
        return replace(batch, progress=replace(batch.progress, outcomes=outcomes)), mode

    return _begin_as(sent)


def at_most_once_resends() -> AbstractContextManager[object]:
    """What a dead holder left in `sending` is sent again, whatever the broadcast asked for."""
    return _begin_as(lambda batch, _mode: (batch, DeliveryMode.AT_LEAST_ONCE))


def no_due_markers() -> AbstractContextManager[object]:
    """Leftovers are forgotten when their batch leaves its lane."""
    return patch.object(settling, "due_marker", lambda *_rest, **_named: ("", []))


def lanes_step_by_two() -> AbstractContextManager[object]:
    """Every other batch of a lane is left out."""
    step = settling.lane_step

    def two(claim: Claim) -> Operation:
        operation = step(claim)
        return replace(operation, values={"batch": int(operation.values["batch"]) + claim.broadcast.lanes.sends})

    return patch.object(settling, "lane_step", two)


@contextmanager
def cursor_without_etag() -> Iterator[None]:
    """A second planner steps the cursor, too, and one that was slow sets it back."""
    step = Broadcasts.step

    def blind(store: Broadcasts, *rest: Any, etag: str, **named: Any) -> Awaitable[str]:  # noqa: ARG001
        return step(store, *rest, etag=None, **named)  # type: ignore[arg-type]

    with patch.object(Broadcasts, "step", blind):
        yield


def cancel_not_read() -> AbstractContextManager[object]:
    """Senders go on after a cancel."""

    async def never(_heads: Heads, _broadcast_id: str) -> bool:
        return False

    return patch.object(Heads, "is_over", never)


def late_slots_used() -> AbstractContextManager[object]:
    """Slots are used however late they come, and after the rate was cut."""
    return patch.object(Pacer, "is_void", lambda _pacer, _slots: False)


def stake_ignored() -> AbstractContextManager[object]:
    """A process stakes as much as it likes."""
    return patch.object(Stake, "has_room", lambda _stake, _number: True)


def lost_answer_is_retried() -> AbstractContextManager[object]:
    """With `at_most_once` a lost answer is taken for a refusal."""
    return patch.object(decisions, "DELIVERED_PERHAPS", frozenset[Verdict]())


def one_slot_for_two_calls() -> AbstractContextManager[object]:
    """A chat that must be created first takes the slot of one call."""

    def one(_deliveries: Deliveries, _position: int) -> int:
        return 1

    return patch.object(Deliveries, "requests_for", one)


def switch_not_read() -> AbstractContextManager[object]:
    """Senders go on while their tenant is stopped."""

    async def never(_switch: StopSwitch) -> bool:
        return False

    return patch.object(StopSwitch, "is_stopped", never)


def slow_start_does_not_wait() -> AbstractContextManager[object]:
    """The planner goes on as soon as the first people are planned."""

    async def at_once(planner: Planner, broadcast: Broadcast, held: Held) -> Held:
        over = replace(held.cursor, phase=Phase.EMIT, goes_on_at=1.0)
        return await planner._steps.step(broadcast.id, held, over)

    return patch.object(Planner, "_ramp", at_once)


PLANTED: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        journal_without_etag,
        throttled_is_final,
        sweep_off,
        lease_never_expires,
        lease_expires_at_once,
        sending_taken_as_sent,
        at_most_once_resends,
        no_due_markers,
        lanes_step_by_two,
        cursor_without_etag,
        cancel_not_read,
        lost_answer_is_retried,
        one_slot_for_two_calls,
        switch_not_read,
        slow_start_does_not_wait,
        *BUGS_AROUND_GRAPH,
        *BUGS_AROUND_TIME,
        *BUGS_OF_DIGESTS,
    )
}


def find(name: str, *, seeds: Sequence[int]) -> Found | None:
    """Run seeds with a bug planted until one finds it that passes without."""
    for number, seed in enumerate(seeds, start=1):
        storm = draw_storm(seed)
        with PLANTED[name]():
            broken = run_storm(storm).broken
        if broken and not run_storm(storm).broken:
            return Found(seeds=number, seed=seed, promise=broken[0])
    return None
