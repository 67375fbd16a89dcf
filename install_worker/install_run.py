"""Working on one claimed batch of places whose app is to be seen to: turns with Graph, with a journal between them.

A turn is for those who are due: who is known to have the app by now needs none, and whom another batch is at waits.
"""

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence

from install_worker.decisions import (
    decide_blocked,
)
from install_worker.graph_turn import Ended, GraphTurn
from install_worker.places import place_of
from install_worker.records import Records
from shared.domain.modes import Mode
from shared.domain.outcomes import Outcome
from shared.domain.scopes import Scope, scope_of
from shared.errors import TokenRefused, TokenUnavailable
from shared.graph.catalog import Catalog
from shared.graph.client import GraphClient
from shared.graph.installs import InstallState, Place
from shared.ports import Clock
from shared.telemetry import log_event
from shared.work.claim import HOLDER_SECONDS, Claim
from shared.work.heads import Heads
from shared.work.walk import End

STAY = 6.0
"""Retries that are due within so many seconds are waited for: a list of Graph lags behind an install by seconds."""
MOST_ROUNDS = 3
ALWAYS_LOOKED_AT = frozenset({Mode.UPGRADE, Mode.REMOVE})
"""Modes in which it is not enough to know that somebody has the app."""
logger = logging.getLogger(__name__)


class InstallRun:
    """One claimed batch, until each of its places was seen to, or tried."""

    def __init__(
        self,
        claim: Claim,
        records: Records,
        *,
        heads: Heads,
        graph: GraphClient,
        catalog: Catalog,
        bind_url: str,
        scopes: Collection[Scope],
        clock: Clock,
    ) -> None:
        """`bind_url` is the cloud's own Graph, and `scopes` are those in which the app is installed."""
        self._claim = claim
        self._tenant = claim.broadcast.tenant
        self._mode = claim.broadcast.mode
        self._heads = heads
        self._graph = graph
        self._catalog = catalog
        self._bind_url = bind_url
        self._scopes = scopes
        self._clock = clock
        self._has_new_token = False
        self.records = records
        self.wait = 0.0

    async def work(self) -> End:
        """Do what the batch needs now."""
        deliveries = self._claim.deliveries
        for _ in range(MOST_ROUNDS):
            await self._round(self._due())
            deliveries.settle_answers()
            if self._claim.is_lost:
                return End.LOST
            if self.records.blocked is InstallState.CONSENT_MISSING and not self._has_new_token:
                self._renew_token()
                continue
            if self.records.blocked is not None:
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
            looked_at = list(places) if self._mode in ALWAYS_LOOKED_AT else await self.records.unheard(list(places))
            await self._turn({position: places[position] for position in await self.records.mine(looked_at)})
        except TokenRefused as error:
            log_event(logger, "graph_token_refused", level=logging.ERROR, tenant=self._tenant, cause=str(error))
            self.records.hold(InstallState.CONSENT_MISSING)
            self._has_new_token = True
        except TokenUnavailable:
            self._claim.deliveries.settle_answers()
            self.records.fail(self._due(), Ended(state=InstallState.WAITING))
        finally:
            await self.records.keep()

    def _renew_token(self) -> None:
        """Try again with a new token: one has the permissions of the moment it was made, which may be long ago."""
        self._graph.forget_token(self._tenant)
        self._has_new_token = True
        self.records.hold(None)

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
            unheard=self.records.unheard,
        )
        try:
            await turn.take(places, mode=self._mode)
        finally:
            for position, ended in turn.ends.items():
                await self.records.take_in(position, ended)

    def _in_reach(self, positions: Sequence[int]) -> dict[int, Place]:
        """Where Graph knows the places; the others can never be seen to."""
        found = dict[int, Place]()
        for position in positions:
            recipient = self._claim.deliveries.recipients[position]
            place = place_of(recipient) if scope_of(recipient.key) in self._scopes else None
            if place is None:
                self.records.put_out_of_reach(position)
            else:
                found[position] = place
        return found

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
