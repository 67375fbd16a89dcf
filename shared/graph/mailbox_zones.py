"""People's time zones by their mailboxes: who is asked, and what becomes of those of whom nothing is learned."""

import asyncio
import logging
from collections.abc import Sequence

from shared.domain.pages import Trouble
from shared.errors import DirectoryRefused
from shared.graph.directory_calls import DirectoryCalls, Graph
from shared.graph.kinds import Kind, most_at_once
from shared.graph.mailbox import ask_zone, is_refused, zone_in
from shared.graph.protocol import Response
from shared.telemetry import log_event

BATCH = most_at_once(Kind.MAILBOX)
BATCHES_AT_ONCE = 4
"""Graph works on four parts of a batch at a time, so one batch after the other would not keep up with the pace:
https://learn.microsoft.com/graph/throttling-limits#outlook-service-limits."""
Answers = dict[str, Response]

logger = logging.getLogger(__name__)


class MailboxZones:
    """Asks for the zones of mailboxes. Whose zone cannot be told is left out, and nobody else is kept waiting."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._calls = DirectoryCalls(graph)
        self._told: set[str] = set()
        """The tenants of whose refusal the log tells already."""

    async def zones(self, tenant: str, object_ids: Sequence[str]) -> dict[str, str]:
        """The IANA zones, by object id, of those whose mailbox tells one. A thousand people take some 12 seconds.

        Where the app may not read mailboxes, nobody's zone is told, and no error is raised. Raises
        DirectoryUnavailable where Graph throttles, fails or is away, and StorageError of the pace.
        """
        try:
            answers = await self._ask(tenant, object_ids)
            answers |= await self._ask(tenant, [one for one, answer in answers.items() if answer.is_transient])
        except DirectoryRefused as error:
            self._tell(tenant, str(error))
            return {}
        self._fail_if_away(tenant, answers)
        self._look_for_refusals(tenant, answers)
        zones = {one: zone_in(answer) for one, answer in answers.items()}
        return {one: zone for one, zone in zones.items() if zone is not None}

    async def _ask(self, tenant: str, object_ids: Sequence[str]) -> Answers:
        """The answers for these people; for the first of them alone where all of those are refused."""
        answers: Answers = {}
        step = BATCH * BATCHES_AT_ONCE
        for start in range(0, len(object_ids), step):
            some = object_ids[start : start + step]
            batches = [some[place : place + BATCH] for place in range(0, len(some), BATCH)]
            for told in await asyncio.gather(*(self._ask_batch(tenant, batch) for batch in batches)):
                answers |= told
            if all(map(is_refused, answers.values())):
                break
        return answers

    async def _ask_batch(self, tenant: str, object_ids: Sequence[str]) -> Answers:
        answers = await self._calls.send(tenant, [ask_zone(one) for one in object_ids])
        return dict(zip(object_ids, answers, strict=True))

    def _fail_if_away(self, tenant: str, answers: Answers) -> None:
        """Raise DirectoryUnavailable unless it is their mailboxes that keep a few from being told.

        One that is being moved fails for hours, which must not hold up everybody else. But a 429 is never a mailbox's
        own: Herald asks each of them once in a while.
        """
        unanswered = [answer for answer in answers.values() if answer.is_transient]
        if any(answer.status == 429 for answer in unanswered) or 2 * len(unanswered) > len(answers):
            longest = max(unanswered, key=lambda answer: answer.retry_after or 0.0)
            self._calls.fail(tenant, Trouble.WAITING, longest)

    def _look_for_refusals(self, tenant: str, answers: Answers) -> None:
        """Log that mailboxes are refused. Where all are, the next request has a new token, which may bring consent."""
        refused = [answer for answer in answers.values() if is_refused(answer)]
        if not refused:
            return
        if len(refused) == len(answers):
            self._graph.forget_token(tenant)
        self._tell(tenant, f"{refused[0].status} {refused[0].code}".strip())

    def _tell(self, tenant: str, cause: str) -> None:
        """Log a refusal once in the life of the process: each page of an audience would bring it again."""
        if tenant not in self._told:
            self._told.add(tenant)
            log_event(logger, "mailbox_zones_refused", level=logging.WARNING, tenant=tenant, cause=cause)
