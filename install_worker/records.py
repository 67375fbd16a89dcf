"""What the places of a batch have come to: told to its deliveries, to the references and to the states of installs."""

import asyncio
import random
from collections.abc import Sequence

from install_worker.decisions import (
    BLOCKING,
    decide_busy,
    decide_failed,
    decide_installed,
    decide_out_of_reach,
    decide_removed,
)
from install_worker.graph_turn import Ended, Why
from shared.domain.activities import timestamp
from shared.domain.decisions import Decision
from shared.domain.outcomes import Outcome
from shared.domain.recipients import identifier_of
from shared.domain.references import ReferenceState
from shared.domain.scopes import Scope, scope_of
from shared.graph.catalog import Catalog
from shared.graph.installs import InstallState
from shared.ports import Clock
from shared.storage.conversations import Conversations
from shared.storage.installations import Installations
from shared.teams.answers import Verdict
from shared.work.brakes import Brakes
from shared.work.claim import Claim

LATE_ATTEMPTS, LAG_WAIT = 4, 20.0
"""After so many tries the usual wait would be longer than any list lags: it is so many seconds then."""
VERDICTS = {
    InstallState.INSTALLED: Verdict.ACCEPTED,
    InstallState.REMOVED: Verdict.ACCEPTED,
    InstallState.BLOCKED_BY_POLICY: Verdict.BLOCKED_BY_ADMIN,
}
"""What the brakes are told: where most are kept from the app, it is not for reasons of their own."""


class Records:
    """The records of one claimed batch. Of its deliveries they are the working copy, which the claim journals."""

    def __init__(
        self,
        claim: Claim,
        *,
        catalog: Catalog,
        brakes: Brakes,
        conversations: Conversations,
        installations: Installations,
        clock: Clock,
    ) -> None:
        self._claim = claim
        self._tenant = claim.broadcast.tenant
        self._mode = claim.broadcast.mode
        self._catalog = catalog
        self._brakes = brakes
        self._conversations = conversations
        self._installations = installations
        self._clock = clock
        # Whoever takes this batch next goes on with its places; others keep away from them meanwhile.
        self._writer = f"{claim.broadcast.id}!{claim.number}"
        self._noted: dict[str, str] = {}
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

    async def take_in(self, position: int, ended: Ended) -> None:
        """Take in what a place has come to in a turn with Graph."""
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
            self.fail([position], ended)

    async def unheard(self, positions: Sequence[int]) -> list[int]:
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

    async def mine(self, positions: Sequence[int]) -> list[int]:
        """Those whom no other batch is at in this moment; the others come again in some seconds."""
        keys = [self._key(position) for position in positions]
        taken = await self._installations.begin(self._tenant, keys, writer=self._writer) if keys else set()
        now = self._clock.now()
        for position in positions:
            if self._key(position) not in taken:
                self._decide(position, decide_busy(self._claim.deliveries.note(position), now=now))
        return [position for position in positions if self._key(position) in taken]

    def put_out_of_reach(self, position: int) -> None:
        """Nobody can see to this place."""
        self._decide(position, decide_out_of_reach())

    def fail(self, positions: Sequence[int], ended: Ended) -> None:
        """Take in that places could not be seen to."""
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

    def hold(self, state: InstallState | None) -> None:
        """Note that this holds up everybody of the tenant, or that nothing does as far as anybody knows."""
        self.blocked = self.blocks_all = state

    async def keep(self) -> None:
        """Write the states of installs that were noted since the last time."""
        await self._installations.note(self._tenant, self._noted)
        self._noted = {}

    def _key(self, position: int) -> str:
        return self._claim.deliveries.recipients[position].key
