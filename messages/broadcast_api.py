"""The HTTP API of broadcasts: what each request does and answers, without the Functions host.

A problem that the caller can make sense of leaves as an error of ours; `problems.answering` turns it into the answer.
"""

import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from messages.answers import Answer, Links, following_page, instant, json_answer
from messages.bodies import read_document, with_key
from messages.person_reports import PersonReports
from messages.problems import already_ended, bad_query, is_child
from messages.queries import read_paging, recipient_keys
from messages.reports import Reports
from messages.spreadsheet import CSV, wants_csv, write_csv
from shared.acceptance import Acceptance
from shared.domain.broadcasts import BroadcastState
from shared.errors import BroadcastNotFound
from shared.families import Families
from shared.passing_on import PassingOn
from shared.ports import Clock
from shared.requests import read_request
from shared.storage.broadcasts import Broadcasts
from shared.storage.directory import Directory
from shared.storage.recipient_search import RecipientSearch
from shared.storage.rejections import UNKNOWN_TENANT, Rejection, Rejections
from shared.telemetry import log_event

logger = logging.getLogger(__name__)

_ID = re.compile(r"[0-9a-z]{20}")


class BroadcastApi:
    """Answers requests. `new_key` makes a key for a request that brings none.

    With `takes_names` people may be named by sign-in name or mail, and teams by their group's id.
    """

    def __init__(
        self,
        *,
        acceptance: Acceptance,
        broadcasts: Broadcasts,
        directory: Directory,
        rejections: Rejections,
        search: RecipientSearch,
        reports: Reports,
        families: Families,
        passing_on: PassingOn,
        clock: Clock,
        tenants: Collection[str],
        new_key: Callable[[], str],
        takes_names: bool = False,
    ) -> None:
        self._acceptance = acceptance
        self._broadcasts = broadcasts
        self._directory = directory
        self._rejections = rejections
        self._clock = clock
        self._tenants = tenants
        self._new_key = new_key
        self._takes_names = takes_names
        self._reports = reports
        self._passing_on = passing_on
        self._person_reports = PersonReports(broadcasts, directory, families=families, search=search, clock=clock)

    async def create(self, body: bytes, *, key_header: str | None, url: str) -> Answer:
        """Accept a request: 202 with the broadcast, also when it stood already under the same key and body."""
        document, found = with_key(read_document(body), key_header)
        request = read_request(
            document, tenants=self._tenants, key=self._new_key(), found=found, takes_names=self._takes_names
        )
        accepted = await self._acceptance.accept(request)
        links = Links(url)
        return json_answer(
            HTTPStatus.ACCEPTED,
            await self._reports.broadcast(accepted.broadcast_id, links),
            headers={"Location": links.broadcast(accepted.broadcast_id)},
        )

    async def list(self, query: Mapping[str, str], *, url: str) -> Answer:
        """A tenant's broadcasts with their states, newest first, without their sums."""
        paging = read_paging(query, most=100, usual=20, tenants=self._tenants, needs_tenant=True)
        tenant, links = paging.tenants[0], Links(url)
        page = await self._directory.page(tenant, after=paging.after, limit=paging.limit)
        states = await self._reports.states([entry.broadcast_id for entry in page.entries])
        entries = [
            {
                "id": entry.broadcast_id,
                "tenant": tenant,
                "key": entry.key,
                "state": state,
                "accepted_at": instant(entry.accepted_at),
                "links": {"self": links.broadcast(entry.broadcast_id)},
            }
            for entry, state in zip(page.entries, states, strict=True)
        ]
        following = links.broadcasts(**paging.given, after=page.next) if page.next else None
        return json_answer(HTTPStatus.OK, {"broadcasts": entries, "next": following})

    async def get(self, broadcast_id: str, *, url: str) -> Answer:
        """One broadcast with its sums."""
        return json_answer(HTTPStatus.OK, await self._reports.broadcast(known_id(broadcast_id), Links(url)))

    async def deliveries(self, broadcast_id: str, query: Mapping[str, str], *, accept: str, url: str) -> Answer:
        """A page of deliveries, as JSON or as CSV; a page holds whole batches. With `recipient` that one's alone."""
        if query.get("recipient"):
            keys = recipient_keys(query["recipient"])
            return _deliveries(await self._person_reports.in_broadcast(known_id(broadcast_id), keys), None, accept)
        paging = read_paging(query, fewest=100, most=1_000, usual=1_000)
        if paging.after and not (paging.after.isdecimal() and len(paging.after) <= 10):
            raise bad_query({"after": "this must come from the next link of an earlier answer"})
        page = await self._reports.deliveries(known_id(broadcast_id), first=int(paging.after or 0), most=paging.limit)
        links = Links(url)
        following = None if page.next is None else links.deliveries(broadcast_id, **paging.given, after=page.next)
        return _deliveries(page.deliveries, following, accept)

    async def cancel(self, broadcast_id: str, *, url: str) -> Answer:
        """Cancel: 202 at first, 200 once it was cancelled, a problem when it has ended."""
        broadcast = await self._broadcasts.head(known_id(broadcast_id))
        if broadcast.parent:
            raise is_child(broadcast_id, broadcast.parent)
        state = await self._reports.state(broadcast)
        if state in (BroadcastState.FINISHED, BroadcastState.EXPIRED):
            raise already_ended(broadcast_id, state)
        status = HTTPStatus.OK
        if broadcast.cancelled_at is None:
            now = self._clock.now()
            await self._broadcasts.changes.cancel(broadcast_id, at=now)
            if broadcast.wait(now):
                # It may sleep until its moment; now the sweep is to close it.
                await self._directory.open_if_closed(broadcast_id, tenant=broadcast.tenant, opened_at=now)
            log_event(logger, "broadcast_cancelled", broadcast=broadcast_id, tenant=broadcast.tenant)
            status = HTTPStatus.ACCEPTED
        if broadcast.own_clock is not None:
            await self._passing_on.pass_on(broadcast_id)
        return json_answer(status, await self._reports.broadcast(broadcast_id, Links(url)))

    async def rejections(self, query: Mapping[str, str], *, url: str) -> Answer:
        """Requests that the queue brought and that could not be accepted, newest first."""
        paging = read_paging(query, most=100, usual=20, tenants=self._tenants, also=[UNKNOWN_TENANT])
        page = await self._rejections.page(paging.tenants, after=paging.after, limit=paging.limit)
        following = Links(url).rejections(**paging.given, after=page.next) if page.next else None
        return json_answer(
            HTTPStatus.OK, {"rejections": [_rejection(one) for one in page.rejections], "next": following}
        )


def known_id(broadcast_id: str) -> str:
    """An id that can be one. Raises BroadcastNotFound, so that tables are never asked for a key that they refuse."""
    if not _ID.fullmatch(broadcast_id):
        raise BroadcastNotFound(broadcast_id)
    return broadcast_id


def _deliveries(deliveries: Sequence[Mapping[str, Any]], following: str | None, accept: str) -> Answer:
    if not wants_csv(accept):
        return json_answer(HTTPStatus.OK, {"deliveries": deliveries, "next": following})
    headers = {"Content-Type": CSV, **following_page(following)}
    return Answer(status=HTTPStatus.OK, headers=headers, body=write_csv(deliveries))


def _rejection(one: Rejection) -> dict[str, Any]:
    return {
        "at": instant(one.at),
        "tenant": one.tenant,
        "source": one.source,
        "key": one.key or None,
        "message_id": one.message_id,
        "errors": [{"pointer": fault.pointer, "detail": fault.detail} for fault in one.faults],
        "body": one.body.decode(errors="replace"),
        "body_bytes": one.body_bytes,
        "body_is_cut": len(one.body) < one.body_bytes,
    }
