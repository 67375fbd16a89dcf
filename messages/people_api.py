"""The HTTP API of people: what they got, and whether they can be reached at all. Ids only, never names."""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from messages.answers import Answer, Links, following_page, instant, json_answer
from messages.person_reports import PersonReports
from messages.problems import bad_query
from messages.queries import person_key, read_paging
from messages.spreadsheet import CSV, wants_csv, write_rows
from shared.domain.reachability import Reach, reach_of
from shared.domain.recipients import RecipientKind, identifier_of, recipient_key
from shared.domain.references import Reference
from shared.ports import Clock
from shared.storage.conversations import Conversations

MOST_COUNTED = 50_000
"""People that one request for the summary counts; its next link goes on with the sums so far."""
MOST_LOOKED_AT = 10_000
"""People among whom one request for a list looks for those in a state."""
COLUMNS = ("id", "state", "changed_at", "seen_at")
_PERSON = re.compile(r"[0-9a-f]{32}")
_SUMS = re.compile(r"([0-9a-f]{32})((?:![0-9]{1,9}){4})")
_FOREIGN = {"after": "this must come from the next link of an earlier answer"}


class PeopleApi:
    """Answers requests about people."""

    def __init__(
        self, reports: PersonReports, conversations: Conversations, *, clock: Clock, tenants: Collection[str]
    ) -> None:
        self._reports = reports
        self._conversations = conversations
        self._clock = clock
        self._tenants = tenants

    async def deliveries(self, object_id: str, query: Mapping[str, str], *, url: str) -> Answer:
        """What a person got by the tenant's newest broadcasts."""
        key = person_key(object_id)
        paging = read_paging(query, most=50, usual=20, tenants=self._tenants, needs_tenant=True)
        lately = await self._reports.lately(paging.tenants[0], key, after=paging.after, limit=paging.limit)
        links = Links(url)
        deliveries = [{**one, "links": {"broadcast": links.broadcast(one["broadcast"])}} for one in lately.deliveries]
        person = identifier_of(key)
        following = links.deliveries_to(person, **paging.given, after=lately.next) if lately.next else None
        return json_answer(HTTPStatus.OK, {"person": person, "deliveries": deliveries, "next": following})

    async def reachability(self, query: Mapping[str, str], *, url: str) -> Answer:
        """How many people of a tenant can be reached. While there is a next link the sums are those so far."""
        paging = read_paging(query, most=MOST_COUNTED, usual=MOST_COUNTED, tenants=self._tenants, needs_tenant=True)
        start, counts = _read_sums(paging.after)
        tenant, number, more = paging.tenants[0], 0, ""
        async for key, reference in self._conversations.people(tenant, after=start, limit=paging.limit):
            number += 1
            counts[reach_of(reference)] += 1
            if number == paging.limit:
                more = _pack_sums(key, counts)
        document = {
            "tenant": tenant,
            "counted_at": instant(self._clock.now()),
            "total": counts.total(),
            "counts": {reach.value: counts[reach] for reach in Reach},
            "next": Links(url).reachability(**paging.given, after=more) if more else None,
        }
        return json_answer(HTTPStatus.OK, document)

    async def people(self, query: Mapping[str, str], *, accept: str, url: str) -> Answer:
        """Who can be reached and who cannot, in the order of ids; with `state` only those."""
        paging = read_paging(query, most=1_000, usual=1_000, tenants=self._tenants, needs_tenant=True)
        wanted, start = _read_state(query.get("state", "")), _read_person(paging.after)
        found, looked_at, more = list[dict[str, Any]](), 0, ""
        async for key, reference in self._conversations.people(paging.tenants[0], after=start, limit=MOST_LOOKED_AT):
            looked_at += 1
            if wanted is None or reach_of(reference) is wanted:
                found.append(_person(key, reference))
            if len(found) == paging.limit or looked_at == MOST_LOOKED_AT:
                more = _pack_person(key)
                break
        state = {"state": wanted.value} if wanted else {}
        following = Links(url).reachable_people(**state, **paging.given, after=more) if more else None
        if not wants_csv(accept):
            return json_answer(HTTPStatus.OK, {"people": found, "next": following})
        body = write_rows(COLUMNS, ([one[name] for name in COLUMNS] for one in found))
        return Answer(status=HTTPStatus.OK, headers={"Content-Type": CSV, **following_page(following)}, body=body)


def _person(key: str, reference: Reference) -> dict[str, Any]:
    return {
        "id": identifier_of(key),
        "state": reach_of(reference).value,
        "changed_at": _moment(reference.changed_at),
        "seen_at": _moment(reference.seen_at),
    }


def _moment(text: str) -> str | None:
    return instant(datetime.fromisoformat(text).timestamp()) if text else None


def _read_state(text: str) -> Reach | None:
    if not text:
        return None
    try:
        return Reach(text)
    except ValueError as error:
        raise bad_query({"state": f"this must be one of {', '.join(Reach)}"}) from error


def _read_person(after: str) -> str:
    """The key behind which a page starts; its token is the object id without hyphens."""
    if not after:
        return ""
    if not _PERSON.fullmatch(after):
        raise bad_query(_FOREIGN)
    object_id = f"{after[:8]}-{after[8:12]}-{after[12:16]}-{after[16:20]}-{after[20:]}"
    return recipient_key(RecipientKind.USER, object_id)


def _pack_person(key: str) -> str:
    return identifier_of(key).replace("-", "")


def _read_sums(after: str) -> tuple[str, Counter[Reach]]:
    """Where a count goes on, and what it came to so far."""
    if not after:
        return "", Counter()
    found = _SUMS.fullmatch(after)
    if found is None:
        raise bad_query(_FOREIGN)
    numbers = map(int, found[2].removeprefix("!").split("!"))
    return _read_person(found[1]), Counter(dict(zip(Reach, numbers, strict=True)))


def _pack_sums(key: str, counts: Counter[Reach]) -> str:
    return "!".join([_pack_person(key), *(str(counts[reach]) for reach in Reach)])
