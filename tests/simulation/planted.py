"""Bugs planted into the product, to show that the simulation finds them. Each is one small change of one rule."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, NoReturn
from unittest.mock import patch

from install_worker import decisions as install_decisions
from send_worker import collecting, decisions, directory_pages
from send_worker.directory_calls import DirectoryCalls
from send_worker.named_people import NamedPeople
from send_worker.planner import Planner
from send_worker.sweep import Sweep
from shared.domain.audience import Audience, Source
from shared.domain.batches import Batch
from shared.domain.broadcasts import Broadcast, DeliveryMode
from shared.domain.outcomes import Outcome
from shared.domain.pages import Page
from shared.domain.plans import Phase
from shared.domain.recipients import is_name
from shared.errors import DirectoryRefused, DirectoryUnavailable
from shared.graph.directory import People, Trouble, people_in
from shared.graph.install_states import InstallState
from shared.graph.protocol import Response
from shared.pacer import Pacer
from shared.stop_switch import StopSwitch
from shared.storage import installations
from shared.storage.broadcasts import Broadcasts, Held
from shared.storage.conversations import Conversations
from shared.storage.installations import Block, Installations
from shared.storage.rows import Operation
from shared.teams.answers import Verdict
from shared.work import settling
from shared.work.claim import Claim
from shared.work.deliveries import Deliveries
from shared.work.heads import Heads
from shared.work.stake import Stake
from tests.simulation.draws import draw_storm
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
        return await planner._step(broadcast, held, over)

    return patch.object(Planner, "_ramp", at_once)


def expired_link_ends_the_list() -> AbstractContextManager[object]:
    """A link of Graph's that leads nowhere any more is taken for the end of its list."""

    def sorted_out(response: Response, *, by_link: bool) -> People | Trouble:
        found = people_in(response, by_link=by_link)
        return People() if found is Trouble.LINK_EXPIRED else found

    return patch.object(directory_pages, "people_in", sorted_out)


def later_pages_dropped() -> AbstractContextManager[object]:
    """A step that reads several pages keeps only whom the first one brought."""
    add = collecting._Found.add

    def blind(found: collecting._Found, page: Page) -> None:
        add(found, replace(page, keys=()) if found.pages else page)

    return patch.object(collecting._Found, "add", blind)


def skipped_counted_per_page() -> AbstractContextManager[object]:
    """Who is left out is counted on each page and in each group anew."""

    def all_of_them(keys: Sequence[str], _earlier: object) -> list[str]:
        return list(keys)

    return patch.object(collecting, "leave_out", all_of_them)


def exceptions_read_last() -> AbstractContextManager[object]:
    """Who is to be left out is read after the others were planned."""
    sources: property = vars(Audience)["sources"]

    def late(audience: Audience) -> tuple[Source, ...]:
        return tuple(sorted(sources.__get__(audience), key=lambda source: source.is_exception))

    return patch.object(Audience, "sources", property(late))


def unknown_exception_ignored() -> AbstractContextManager[object]:
    """A group that is to be left out, and that nobody knows, is taken for an empty one."""
    begin = collecting._Found.add

    def blind(found: collecting._Found, page: Page) -> None:
        begin(found, replace(page, unknown_group="") if found.source.is_exception else page)

    return patch.object(collecting._Found, "add", blind)


def unknown_names_dropped() -> AbstractContextManager[object]:
    """A name that nobody has is left out in silence."""
    resolve = NamedPeople.resolve

    async def known(people: NamedPeople, tenant: str, keys: Sequence[str]) -> list[str]:
        return [key for key in await resolve(people, tenant, keys) if not is_name(key)]

    return patch.object(NamedPeople, "resolve", known)


def token_kept_after_a_refusal() -> AbstractContextManager[object]:
    """Who may not read the directory goes on asking with the token that has no permission."""

    def nothing(_calls: DirectoryCalls, tenant: str, trouble: Trouble, response: Response) -> NoReturn:  # noqa: ARG001
        told = f"{response.status} {response.code}"
        raise DirectoryUnavailable(told) if trouble is Trouble.WAITING else DirectoryRefused(told)

    return patch.object(DirectoryCalls, "fail", nothing)


def mark_not_looked_at() -> AbstractContextManager[object]:
    """Two broadcasts give the same people the app, each as if it were alone."""
    return patch.object(installations, "_is_busy", lambda _row, _writer: False)


def missing_consent_is_final() -> AbstractContextManager[object]:
    """People are given up because an admin has not consented yet."""
    stack = ExitStack()
    stack.enter_context(patch.object(install_decisions, "BLOCKING", frozenset[InstallState]()))
    final = {InstallState.CONSENT_MISSING: Outcome.BLOCKED_BY_ADMIN}
    stack.enter_context(patch.dict(install_decisions.FINAL, final))
    return stack


def block_never_probed() -> AbstractContextManager[object]:
    """Nobody finds out that people can be given the app again."""

    async def never(_installations: Installations, _tenant: str, _block: Block) -> bool:
        return False

    return patch.object(Installations, "probe", never)


def deleted_chat_not_forgotten() -> AbstractContextManager[object]:
    """A chat that turned out to be deleted is kept for the next broadcast."""

    async def nothing(_conversations: Conversations, _tenant: str, _key: str, _conversation: str) -> None:
        return

    return patch.object(Conversations, "forget_conversation", nothing)


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
        expired_link_ends_the_list,
        later_pages_dropped,
        skipped_counted_per_page,
        exceptions_read_last,
        unknown_exception_ignored,
        unknown_names_dropped,
        token_kept_after_a_refusal,
        mark_not_looked_at,
        missing_consent_is_final,
        block_never_probed,
        deleted_chat_not_forgotten,
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
