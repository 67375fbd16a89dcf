"""The HTTP API of digests' items: to drop one, to see what waits, and to take one away."""

import re
from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import Any

from messages.answers import Answer, Links, instant, json_answer
from messages.bodies import key_in, read_document
from messages.item_intake import ItemIntake
from messages.problems import Problem, bad_query
from messages.queries import person_key, read_paging, read_tenant
from shared.digest_items import DIGEST_NAME, DIGEST_NAME_RULE
from shared.domain.recipients import identifier_of
from shared.errors import Fault
from shared.field_rules import LONGEST_KEY
from shared.ports import Clock
from shared.storage.digest_items import DigestItems, StoredItem

_ID = re.compile(r"[0-9a-z]{20}")


class DigestApi:
    """Answers requests about items. `new_key` makes a key where none is given."""

    def __init__(
        self,
        items: DigestItems,
        intake: ItemIntake,
        *,
        clock: Clock,
        tenants: Collection[str],
        new_key: Callable[[], str],
    ) -> None:
        self._items = items
        self._intake = intake
        self._clock = clock
        self._tenants = tenants
        self._new_key = new_key

    async def create(self, name: str, body: bytes, *, key_header: str | None) -> Answer:
        """Keep an item for a digest: 202 with its id, also where it was kept already under the same key."""
        document, digest = read_document(body), _known_name(name)
        key = self._new_key() if key_header is None else key_in(key_header)
        faults = []
        if not 1 <= len(key) <= LONGEST_KEY:
            detail = f"the header Idempotency-Key must have 1 to {LONGEST_KEY} characters"
            faults.append(Fault(pointer="", detail=detail))
        if document.get("digest") not in (None, digest):
            detail = f"the address names the digest {digest}: leave this out, or give the same"
            faults.append(Fault(pointer="/digest", detail=detail))
        new = await self._intake.take_up({**document, "digest": digest}, receipt=f"request!{key}", found=faults)
        return json_answer(HTTPStatus.ACCEPTED, {"id": new.id, "digest": new.digest, "tenant": new.tenant})

    async def list(self, name: str, query: Mapping[str, str], *, url: str) -> Answer:
        """What waits for a digest, all of it or for one person. What has expired is passed over."""
        paging = read_paging(query, most=1_000, usual=100, tenants=self._tenants, needs_tenant=True)
        digest, tenant, named = _known_name(name), paging.tenants[0], query.get("person", "")
        person = person_key(named) if named else ""
        found, after = await self._items.page(tenant, digest, person=person, after=paging.after, limit=paging.limit)
        now = self._clock.now()
        waiting = [_described(one) for one in found if (one.item.expires_at or now + 1) > now]
        following = Links(url).digest_items(digest, **paging.given, person=named, after=after) if after else None
        return json_answer(HTTPStatus.OK, {"items": waiting, "next": following})

    async def remove(self, name: str, item_id: str, query: Mapping[str, str]) -> Answer:
        """Take an item away: that of a person, where one is named, else one for an audience. 204, or a Problem."""
        tenant, digest, named = read_tenant(query, self._tenants), _known_name(name), query.get("person", "")
        person = person_key(named) if named else ""
        if not _ID.fullmatch(item_id) or not await self._items.remove(tenant, digest, item_id, person=person):
            whom = "for this person" if person else "for an audience (one for a person needs ?person=)"
            detail = f"no item {whom} with this id waits for the digest {digest}: it may have been taken already"
            raise Problem(HTTPStatus.NOT_FOUND, "not-found", "No such item", detail)
        return Answer(status=HTTPStatus.NO_CONTENT, body=b"")


def _known_name(name: str) -> str:
    if not DIGEST_NAME.fullmatch(name):
        raise bad_query({"name": DIGEST_NAME_RULE})
    return name


def _described(one: StoredItem) -> dict[str, Any]:
    return {
        "id": one.id,
        "person": identifier_of(one.person) if one.person else None,
        "audience": one.audience,
        "title": one.item.title,
        "text": one.item.text or None,
        "link": one.item.link or None,
        "severity": one.item.severity,
        "at": instant(one.item.at),
        "expires_at": instant(one.item.expires_at),
    }
