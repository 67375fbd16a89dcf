"""Working on one claimed batch of places whose app is to be seen to: turns with Graph, with a journal between them.

A turn is for those who are due: who is known to have the app by now needs none, and whom another batch is at waits.
"""

import asyncio
import logging
import random
from collections.abc import Collection, Mapping, Sequence

from install_worker.decisions import (
    BLOCKING,
    decide_blocked,
    decide_busy,
    decide_failed,
    decide_installed,
    decide_out_of_reach,
    decide_removed,
)
from install_worker.graph_turn import Ended, GraphTurn, Why
from install_worker.places import place_of
from shared.domain.activities import timestamp
from shared.domain.decisions import Decision
from shared.domain.modes import Mode
from shared.domain.outcomes import Outcome
from shared.domain.recipients import identifier_of
from shared.domain.references import ReferenceState
from shared.domain.scopes import Scope, scope_of
from shared.errors import TokenRefused, TokenUnavailable
from shared.graph.catalog import Catalog
from shared.graph.client import GraphClient
from shared.graph.installs import InstallState, Place
from shared.ports import Clock
from shared.storage.conversations import Conversations
from shared.storage.installations import Installations
from shared.teams.answers import Verdict
from shared.telemetry import log_event
from shared.work.brakes import Brakes
from shared.work.claim import HOLDER_SECONDS, Claim
from shared.work.heads import Heads
from shared.work.walk import End

STAY = 6.0
"""Retries that are due within so many seconds are waited for: a list of Graph lags behind an install by seconds."""
MOST_ROUNDS = 3
LATE_ATTEMPTS, LAG_WAIT = 4, 20.0
"""After so many tries the usual wait would be longer than any list lags: it is so many seconds then."""
ALWAYS_LOOKED_AT = frozenset({Mode.UPGRADE, Mode.REMOVE})
"""Modes in which it is not enough to know that somebody has the app."""
VERDICTS = {
    InstallState.INSTALLED: Verdict.ACCEPTED,
    InstallState.REMOVED: Verdict.ACCEPTED,
    InstallState.BLOCKED_BY_POLICY: Verdict.BLOCKED_BY_ADMIN,
}
"""What the brakes are told: where most are kept from the app, it is not for reasons of their own."""

logger = logging.getLogger(__name__)


class InstallRun:
    """One claimed batch, until each of its places was seen to, or tried."""

    def __init__(
        self,
        claim: Claim,
        *,
        heads: Heads,
        graph: GraphClient,
        catalog: Catalog,
        brakes: Brakes,
        bind_url: str,
        scopes: Collection[Scope],
        conversations: Conversations,
        installations: Installations,
        clock: Clock,
    ) -> None:
        """`bind_url` is the cloud's own Graph, and `scopes` are those in which the app is installed."""
        self._claim = claim
        self._tenant = claim.broadcast.tenant
        self._mode = claim.broadcast.mode
        self._heads = heads
        self._graph = graph
        self._catalog = catalog
        self._brakes = brakes
        self._bind_url = bind_url
        self._scopes = scopes
        self._conversations = conversations
        self._installations = installations
        self._clock = clock
        # Whoever takes this batch next goes on with its places; others keep away from them meanwhile.
        self._writer = f"{claim.broadcast.id}!{claim.number}"
        self._noted: dict[str, str] = {}
        self._has_new_token = False
        self.wait = 0.0
        self.blocked: InstallState | None = None
        """What holds the batch up, where that came out."""
        self.blocks_all: InstallState | None = None
        """The same, where it keeps everybody of the tenant from being given the app in this scope."""
        self.is_let = False
        """Whether anybody has the app by this run, had it, or lost it: then others may try, whatever held them up."""

    @property
    def scope(self) -> Scope:
        """The scope of the batch, whose places are all of one kind."""
        return scope_of(self._key(0)) or Scope.PERSONAL

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
            places = self._in_reach(positions)
            looked_at = list(places) if self._mode in ALWAYS_LOOKED_AT else await self._unheard(list(places))
            await self._turn({position: places[position] for position in await self._mine(looked_at)})
        except TokenRefused as error:
            log_event(logger, "graph_token_refused", level=logging.ERROR, tenant=self._tenant, cause=str(error))
            self.blocked = self.blocks_all = InstallState.CONSENT_MISSING
            self._has_new_token = True
        except TokenUnavailable:
            self._claim.deliveries.settle_answers()
            self._fail(self._due(), Ended(state=InstallState.WAITING))
        finally:
            await self._installations.note(self._tenant, self._noted)
            self._noted = {}

    def _renew_token(self) -> None:
        """Try again with a new token: one has the permissions of the moment it was made, which may be long ago."""
        self._graph.forget_token(self._tenant)
        self._has_new_token, self.blocked, self.blocks_all = True, None, None

    async def _turn(self, places: Mapping[int, Place]) -> None:
        """See to places by Graph, and take in what comes of it, also of a turn that breaks off."""
        if not places:
            return
        turn = GraphTurn(
            self._graph,
            self._catalog,
            tenant=self._tenant,
            bind_url=self._bind_url,
            may_go_on=self._may_go_on,
            unheard=self._unheard,
        )
        try:
            await turn.take(places, mode=self._mode)
        finally:
            for position, ended in turn.ends.items():
                await self._take_in(position, ended)

    async def _take_in(self, position: int, ended: Ended) -> None:
        recipient, at = self._claim.deliveries.recipients[position], timestamp(self._clock.now())
        if ended.state in VERDICTS:
            await self._brakes.watch(self._claim.broadcast.id, VERDICTS[ended.state])
        if ended.state is InstallState.INSTALLED:
            # Teams and chats are their own conversation.
            conversation = ended.chat or identifier_of(recipient.key)
            await self._conversations.keep_created(
                self._tenant, recipient.key, conversation=conversation, service_url=recipient.service_url, at=at
            )
            self.is_let = True
            self._decide(position, decide_installed(conversation, mode=self._mode), ended.state)
        elif ended.state is InstallState.REMOVED:
            await self._conversations.mark(self._tenant, recipient.key, ReferenceState.UNINSTALLED, at=at)
            self.is_let = True
            self._decide(position, decide_removed(), ended.state)
        else:
            # Graph has installed the app, though its list does not show that yet.
            self.is_let |= ended.why is Why.LISTS_LAG
            self._fail([position], ended)

    def _in_reach(self, positions: Sequence[int]) -> dict[int, Place]:
        """Where Graph knows the places; the others can never be seen to."""
        found = dict[int, Place]()
        for position in positions:
            recipient = self._claim.deliveries.recipients[position]
            place = place_of(recipient) if scope_of(recipient.key) in self._scopes else None
            if place is None:
                self._decide(position, decide_out_of_reach())
            else:
                found[position] = place
        return found

    async def _unheard(self, positions: Sequence[int]) -> list[int]:
        """Those of whom no conversation is known by now; the others need no app."""
        references = await asyncio.gather(*(self._conversations.get(self._tenant, self._key(one)) for one in positions))
        unheard = list[int]()
        for position, reference in zip(positions, references, strict=True):
            if reference is not None and reference.conversation and reference.state is ReferenceState.ACTIVE:
                decision = decide_installed(reference.conversation, mode=self._mode)
                self._decide(position, decision, InstallState.INSTALLED)
                self.is_let = True
            else:
                unheard.append(position)
        return unheard

    async def _mine(self, positions: Sequence[int]) -> list[int]:
        """Those whom no other batch is at in this moment; the others come again in some seconds."""
        keys = [self._key(position) for position in positions]
        taken = await self._installations.begin(self._tenant, keys, writer=self._writer) if keys else set()
        now = self._clock.now()
        for position in positions:
            if self._key(position) not in taken:
                self._decide(position, decide_busy(self._claim.deliveries.note(position), now=now))
        return [position for position in positions if self._key(position) in taken]

    def _fail(self, positions: Sequence[int], ended: Ended) -> None:
        if ended.state in BLOCKING and positions:
            self.blocked = ended.state
            if ended.why is not Why.VERSIONS_REFUSED:
                self.blocks_all = ended.state
            if ended.state is InstallState.APP_NOT_IN_CATALOG:
                self._catalog.forget(self._tenant)
        for position in positions:
            note = self._claim.deliveries.note(position)
            # Graph's lists are looked at again soon, also of those who had to wait long before they had the app.
            lags_late = ended.why is Why.LISTS_LAG and note.attempts >= LATE_ATTEMPTS
            decision = decide_failed(
                ended.state,
                scope=self.scope,
                broadcast=self._claim.broadcast,
                note=note,
                now=self._clock.now(),
                jitter=random.random(),  # noqa: S311 - jitter is no secret
                retry_after=LAG_WAIT if lags_late else ended.retry_after,
            )
            self._decide(position, decision, ended.state)

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
        broadcast = self._claim.broadcast.id
        return await self._heads.is_paused(broadcast) or await self._heads.is_over(broadcast)

    async def _may_go_on(self) -> bool:
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
