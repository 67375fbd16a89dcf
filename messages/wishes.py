"""An author's wishes for a broadcast that exists: hold it, let it go on, try some again, edit it, take it back."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from messages.answers import Answer, Links, json_answer
from messages.bodies import read_document, with_key
from messages.broadcast_api import known_id
from messages.problems import already_ended, already_recalled, edited_meanwhile, is_child, is_digest, says_nothing
from messages.reports import Reports
from shared.acceptance import Acceptance, encode
from shared.audience_contract import FinalState
from shared.audience_requests import derived
from shared.contract import Key
from shared.domain.audience import Audience
from shared.domain.broadcasts import Broadcast, BroadcastState, PauseReason
from shared.domain.modes import SILENT
from shared.domain.outcomes import Reason
from shared.domain.requests import BroadcastRequest, Content
from shared.errors import Fault, InvalidRequest
from shared.faults import read_as
from shared.nudging import Nudging
from shared.passing_on import PassingOn
from shared.ports import Clock
from shared.requests import read_content
from shared.storage.broadcasts import Broadcasts
from shared.storage.directory import Directory

ENDS = frozenset({BroadcastState.FINISHED, BroadcastState.CANCELLED, BroadcastState.EXPIRED})
TRIES = 5


class RetryBody(BaseModel):
    """Whom to try again: those whose deliveries ended in these states, or for these reasons."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    key: Key = None
    states: list[FinalState] | None = None
    reasons: list[Annotated[Reason, Field(strict=False)]] | None = None


class Wishes:
    """Answers an author. `new_key` makes a key for a retry that brings none."""

    def __init__(
        self,
        *,
        broadcasts: Broadcasts,
        directory: Directory,
        acceptance: Acceptance,
        reports: Reports,
        nudging: Nudging,
        passing_on: PassingOn,
        clock: Clock,
        new_key: Callable[[], str],
    ) -> None:
        self._broadcasts = broadcasts
        self._directory = directory
        self._acceptance = acceptance
        self._reports = reports
        self._nudging = nudging
        self._passing_on = passing_on
        self._clock = clock
        self._new_key = new_key

    async def pause(self, broadcast_id: str, *, url: str) -> Answer:
        """Hold: 202, or 200 where it stands still already. Senders learn of it within three seconds."""
        broadcast = await self._running(broadcast_id)
        status = HTTPStatus.OK
        if broadcast.paused is not PauseReason.BY_REQUEST:
            await self._broadcasts.changes.pause(broadcast_id, PauseReason.BY_REQUEST, at=self._clock.now())
            status = HTTPStatus.ACCEPTED
        await self._pass_on(broadcast)
        return await self._answer(status, broadcast_id, url)

    async def resume(self, broadcast_id: str, *, url: str) -> Answer:
        """Let go on, whatever it was held for: 202, or 200 where it is not held."""
        broadcast = await self._with_a_will(broadcast_id)
        if broadcast.finished_at is not None:
            raise already_ended(broadcast_id, await self._reports.state(broadcast))
        status = HTTPStatus.OK
        if broadcast.paused is not None and await self._broadcasts.changes.resume(broadcast_id):
            await self._nudging.wake(broadcast, (await self._broadcasts.cursor(broadcast_id)).cursor)
            status = HTTPStatus.ACCEPTED
        if broadcast.own_clock is not None and await self._passing_on.resume(broadcast_id):
            status = HTTPStatus.ACCEPTED
        # A pause that came meanwhile may have been undone here.
        await self._pass_on(broadcast)
        return await self._answer(status, broadcast_id, url)

    async def retry(self, broadcast_id: str, body: bytes, *, key_header: str | None, url: str) -> Answer:
        """Send the same message again to chosen recipients, as a broadcast of its own: 202 with that one."""
        source = await self._broadcasts.head(known_id(broadcast_id))
        if source.digest:
            raise is_digest(broadcast_id, source.digest)
        # A child may have passed over the parent's latest words, where these were recalled.
        words = await self._broadcasts.head(source.parent) if source.parent else source
        chosen = _read(body, key_header)
        request = BroadcastRequest(
            tenant=source.tenant,
            key=chosen.key or self._new_key(),
            audience=Audience(derived=derived(broadcast_id, states=chosen.states or (), reasons=chosen.reasons or ())),
            content=Content(encoded=await self._broadcasts.content(words.id, words.content_revision)),
            delivery=source.delivery,
            priority=source.priority,
            mode=source.mode,
        )
        accepted = await self._acceptance.accept(request)
        return await self._answer(HTTPStatus.ACCEPTED, accepted.broadcast_id, url)

    async def edit(self, broadcast_id: str, body: bytes, *, url: str) -> Answer:
        """Put new words in the place of what was sent, and send them to whom nothing was sent yet: 202."""
        return await self._revise(broadcast_id, encode(read_content(read_document(body))), url)

    async def recall(self, broadcast_id: str, *, url: str) -> Answer:
        """Take back what was sent, and send nothing more: 202."""
        return await self._revise(broadcast_id, None, url)

    async def _revise(self, broadcast_id: str, content: bytes | None, url: str) -> Answer:
        for _ in range(TRIES):
            broadcast = await self._with_a_will(broadcast_id)
            if broadcast.mode in SILENT:
                raise says_nothing(broadcast_id)
            if broadcast.digest and content is not None:
                raise is_digest(broadcast_id, broadcast.digest)
            if broadcast.recalled:
                raise already_recalled(broadcast_id)
            now = self._clock.now()
            # First, so that the sweep looks after a finished broadcast that is open again.
            revision = broadcast.revision + 1
            await self._directory.open(broadcast_id, tenant=broadcast.tenant, opened_at=now, revision=revision)
            if await self._broadcasts.changes.revise(broadcast, content=content, at=now):
                revised = await self._broadcasts.head(broadcast_id)
                await self._pass_on(revised)
                await self._nudging.wake(revised, (await self._broadcasts.cursor(broadcast_id)).cursor)
                return await self._answer(HTTPStatus.ACCEPTED, broadcast_id, url)
        # Others were faster each time: the newest words are theirs.
        raise edited_meanwhile(broadcast_id)

    async def _running(self, broadcast_id: str) -> Broadcast:
        broadcast = await self._with_a_will(broadcast_id)
        state = await self._reports.state(broadcast)
        if state in ENDS:
            raise already_ended(broadcast_id, state)
        return broadcast

    async def _with_a_will(self, broadcast_id: str) -> Broadcast:
        """A broadcast that follows no other one. Raises Problem and BroadcastNotFound."""
        broadcast = await self._broadcasts.head(known_id(broadcast_id))
        if broadcast.parent:
            raise is_child(broadcast_id, broadcast.parent)
        return broadcast

    async def _pass_on(self, broadcast: Broadcast) -> None:
        if broadcast.own_clock is not None:
            await self._passing_on.pass_on(broadcast.id)

    async def _answer(self, status: HTTPStatus, broadcast_id: str, url: str) -> Answer:
        links = Links(url)
        headers: Mapping[str, str] = {"Location": links.broadcast(broadcast_id)}
        return json_answer(status, await self._reports.broadcast(broadcast_id, links), headers=headers)


def _read(body: bytes, key_header: str | None) -> RetryBody:
    document, faults = with_key(read_document(body), key_header)
    if faults:
        raise InvalidRequest(faults)
    chosen, faults = read_as(RetryBody, document)
    if chosen is None:
        raise InvalidRequest(faults)
    if not chosen.states and not chosen.reasons:
        raise InvalidRequest([Fault(pointer="", detail="whom to try again? name states or reasons")])
    return chosen
