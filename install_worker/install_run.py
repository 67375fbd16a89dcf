"""Working on one claimed batch of people without the app: look, install, learn the chat, journal.

Every step can be done twice without harm: who has the app is not given it again, and a chat that is known is not asked
for. So a crash costs a look.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence

from install_worker.decisions import BLOCKING, decide_blocked, decide_busy, decide_failed, decide_installed
from shared.domain.activities import timestamp
from shared.domain.decisions import Decision
from shared.domain.outcomes import Outcome
from shared.domain.recipients import identifier_of
from shared.domain.references import ReferenceState
from shared.errors import TokenRefused, TokenUnavailable
from shared.graph.catalog import Catalog
from shared.graph.client import GraphClient
from shared.graph.installs import (
    Installation,
    InstallState,
    Place,
    chat_id_in,
    chat_of,
    failure_of,
    find_installation,
    install,
    installation_in,
)
from shared.graph.protocol import Request, Response
from shared.ports import Clock
from shared.storage.conversations import Conversations
from shared.storage.installations import Installations
from shared.telemetry import log_event
from shared.work.claim import HOLDER_SECONDS, Claim
from shared.work.heads import Heads
from shared.work.walk import End

STAY = 6.0
"""Retries that are due within so many seconds are waited for: a list of Graph lags behind an install by seconds."""
MOST_ROUNDS = 3
LATE_ATTEMPTS, LAG_WAIT = 4, 20.0
"""After so many tries the usual wait would be longer than any list lags: it is so many seconds then."""
Read = Callable[[Response], "Installation | InstallState | None"]

logger = logging.getLogger(__name__)


class InstallRun:
    """One claimed batch, until each of its people has the app, or has been tried."""

    def __init__(
        self,
        claim: Claim,
        *,
        heads: Heads,
        graph: GraphClient,
        catalog: Catalog,
        bind_url: str,
        conversations: Conversations,
        installations: Installations,
        clock: Clock,
    ) -> None:
        """`bind_url` is the cloud's own Graph, by which an install names the app."""
        self._claim = claim
        self._tenant = claim.broadcast.tenant
        self._heads = heads
        self._graph = graph
        self._catalog = catalog
        self._bind_url = bind_url
        self._conversations = conversations
        self._installations = installations
        self._clock = clock
        # Whoever takes this batch next goes on with its people; others keep away from them meanwhile.
        self._writer = f"{claim.broadcast.id}!{claim.number}"
        self._noted: dict[str, str] = {}
        self._has_new_token = False
        self.wait = 0.0
        self.blocked: InstallState | None = None
        """What keeps everybody of the tenant from being given the app, where that came out."""
        self.has_installed = False
        """Whether anybody has the app by this run, or had it."""

    async def work(self) -> End:
        """Do what the batch needs now."""
        deliveries = self._claim.deliveries
        for _ in range(MOST_ROUNDS):
            await self._round(self._due())
            deliveries.settle_answers()
            if self._claim.is_lost:
                return End.LOST
            if self.blocked is InstallState.CONSENT_MISSING and not self._has_new_token:
                self._renew_token()
                continue
            if self.blocked is not None:
                self._leave_to_the_sender()
                return End.STOPPED
            if await self._is_over():
                return End.STOPPED
            next_at = min((deliveries.note(position).due_at for position in self._waiting()), default=None)
            if next_at is None or next_at - self._clock.now() > STAY:
                return End.TRIED
            await self._sleep_until(next_at)
            if self._claim.is_lost:
                return End.LOST
        return End.TRIED

    def _leave_to_the_sender(self) -> None:
        """Those who have the app by now get the message while the others wait.

        Without any the batch stays as it is, so that an operator's retry finds it at once.
        """
        deliveries, now = self._claim.deliveries, self._clock.now()
        if not deliveries.due(now):
            return
        for position in self._due():
            deliveries.answer(position, decide_blocked(deliveries.note(position), now=now))
        deliveries.settle_answers()

    async def _round(self, positions: Sequence[int]) -> None:
        try:
            await self._install(await self._unknown(positions))
        except TokenRefused as error:
            log_event(logger, "graph_token_refused", level=logging.ERROR, tenant=self._tenant, cause=str(error))
            self.blocked = InstallState.CONSENT_MISSING
            self._has_new_token = True
        except TokenUnavailable:
            self._claim.deliveries.settle_answers()
            self._fail(self._due())
        finally:
            await self._installations.note(self._tenant, self._noted)
            self._noted = {}

    def _renew_token(self) -> None:
        """Try again with a new token: one has the permissions of the moment it was made, which may be long ago."""
        self._graph.forget_token(self._tenant)
        self._has_new_token, self.blocked = True, None

    async def _install(self, positions: Sequence[int]) -> None:
        """Give people the app who do not have it, and learn the chats of all."""
        mine = await self._mine(positions)
        app = await self._catalog.app_in(self._tenant) if mine else InstallState.WAITING
        if isinstance(app, InstallState):
            self._fail(mine, app)
            return
        places = {position: Place.user(identifier_of(self._key(position))) for position in mine}

        async def look(whom: Sequence[int]) -> dict[int, Installation | None]:
            asked = {position: find_installation(places[position], app) for position in whom}
            return self._sorted_out(await self._ask(asked), installation_in)

        found = await look(mine)
        missing = [position for position, installation in found.items() if installation is None]
        if missing and await self._keep():
            added = {one: install(places[one], app.catalog_id, graph_url=self._bind_url) for one in missing}
            done = self._sorted_out(await self._ask(added), _installed)
            # The bot is told of an install as well, and mostly sooner than Graph's lists.
            unheard = await self._unknown(list(done))
            found = {**found, **await look(unheard)} if unheard and await self._keep() else found
            # Graph's lists lag behind an install: the next look finds it.
            self._fail_lagging([position for position in unheard if position in found and found[position] is None])
        there = {position: installation for position, installation in found.items() if installation is not None}
        if there and await self._keep():
            chats = {position: chat_of(places[position], one.id) for position, one in there.items()}
            await self._learn_chats(await self._ask(chats))

    async def _learn_chats(self, answers: Mapping[int, Response]) -> None:
        for position, response in answers.items():
            chat = chat_id_in(response)
            if isinstance(chat, InstallState):
                self._fail([position], chat, retry_after=response.retry_after)
                continue
            recipient = self._claim.deliveries.recipients[position]
            await self._conversations.keep_created(
                self._tenant,
                recipient.key,
                conversation=chat,
                service_url=recipient.service_url,
                at=timestamp(self._clock.now()),
            )
            self.has_installed = True
            self._decide(position, decide_installed(chat), InstallState.INSTALLED)

    async def _unknown(self, positions: Sequence[int]) -> list[int]:
        """Those of whom no chat is known by now; the others need no app."""
        references = await asyncio.gather(*(self._conversations.get(self._tenant, self._key(one)) for one in positions))
        unknown = list[int]()
        for position, reference in zip(positions, references, strict=True):
            if reference is not None and reference.conversation and reference.state is ReferenceState.ACTIVE:
                self._decide(position, decide_installed(reference.conversation))
            else:
                unknown.append(position)
        return unknown

    async def _mine(self, positions: Sequence[int]) -> list[int]:
        """Those whom nobody else is giving the app at this moment; the others come again in some seconds."""
        keys = [self._key(position) for position in positions]
        taken = await self._installations.begin(self._tenant, keys, writer=self._writer) if keys else set()
        now = self._clock.now()
        for position in positions:
            if self._key(position) not in taken:
                self._decide(position, decide_busy(self._claim.deliveries.note(position), now=now))
        return [position for position in positions if self._key(position) in taken]

    async def _ask(self, requests: Mapping[int, Request]) -> dict[int, Response]:
        answers = await self._graph.send_all(self._tenant, list(requests.values()))
        return dict(zip(requests, answers, strict=True))

    def _sorted_out(self, answers: Mapping[int, Response], read: Read) -> dict[int, Installation | None]:
        """The installations that were told of, or None for none; those who failed are decided on here."""
        found = dict[int, Installation | None]()
        for position, response in answers.items():
            told = read(response)
            if isinstance(told, InstallState):
                self._fail([position], told, retry_after=response.retry_after)
            else:
                found[position] = told
        return found

    def _fail_lagging(self, positions: Sequence[int]) -> None:
        """Look again soon, also for those who had to wait long before they could be given the app."""
        for position in positions:
            is_late = self._claim.deliveries.note(position).attempts >= LATE_ATTEMPTS
            self._fail([position], retry_after=LAG_WAIT if is_late else None)

    def _fail(
        self,
        positions: Sequence[int],
        state: InstallState = InstallState.WAITING,
        *,
        retry_after: float | None = None,
    ) -> None:
        if state in BLOCKING and positions:
            self.blocked = state
            if state is InstallState.APP_NOT_IN_CATALOG:
                self._catalog.forget(self._tenant)
        for position in positions:
            decision = decide_failed(
                state,
                broadcast=self._claim.broadcast,
                note=self._claim.deliveries.note(position),
                now=self._clock.now(),
                jitter=random.random(),  # noqa: S311 - jitter is no secret
                retry_after=retry_after,
            )
            self._decide(position, decision, state)

    def _decide(self, position: int, decision: Decision, state: InstallState | None = None) -> None:
        self._claim.deliveries.answer(position, decision)
        if state is not None:
            gave_up = decision.outcome is Outcome.ATTEMPTS_EXHAUSTED
            self._noted[self._key(position)] = InstallState.GAVE_UP if gave_up else state

    def _due(self) -> list[int]:
        now = self._clock.now()
        return [p for p in self._waiting() if self._claim.deliveries.note(p).due_at <= now]

    def _waiting(self) -> list[int]:
        outcomes = self._claim.deliveries.outcomes
        return [position for position, outcome in enumerate(outcomes) if outcome is Outcome.AWAITING_INSTALL]

    async def _is_over(self) -> bool:
        """Whether nothing may be done any more: nobody is given an app for a message that will not come."""
        return await self._heads.is_stopped(self._claim.broadcast.id)

    async def _keep(self) -> bool:
        """Renew the lease where it grows old; false when it is lost, or nothing may be done any more."""
        if self._claim.seconds_since_write > HOLDER_SECONDS / 3:
            await self._claim.journal()
        return not self._claim.is_lost and not await self._is_over()

    async def _sleep_until(self, instant: float) -> None:
        while (wait := instant - self._clock.now()) > 0:
            await asyncio.sleep(min(wait, HOLDER_SECONDS / 3))
            if self._claim.seconds_since_write > HOLDER_SECONDS / 3 or self._claim.is_behind:
                await self._claim.journal()

    def _key(self, position: int) -> str:
        return self._claim.deliveries.recipients[position].key


def _installed(response: Response) -> "Installation | InstallState | None":
    """None where the app was installed by this call, or was there already."""
    state = failure_of(response)
    return None if state is InstallState.INSTALLED else state
