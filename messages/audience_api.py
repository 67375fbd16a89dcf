"""The HTTP API of saved audiences: they are listed, read, put and removed, and no editor overwrites another unseen."""

import logging
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any

from messages.answers import Answer, Links, instant, json_answer
from messages.audience_documents import read_saved
from messages.audience_problems import changed_since, unknown_audience
from messages.conditions import names_version, tag_of
from messages.problems import bad_query
from messages.queries import read_paging, read_tenant
from shared.errors import RowConflict
from shared.field_rules import SAVED_NAME, SAVED_NAME_RULE
from shared.ports import Clock
from shared.storage.audiences import AudienceEntry, Audiences, SavedAudience
from shared.telemetry import log_event

logger = logging.getLogger(__name__)


class AudienceApi:
    """Answers requests about saved audiences. With `takes_names` people may be named by sign-in name or mail."""

    def __init__(self, audiences: Audiences, *, clock: Clock, tenants: Collection[str], takes_names: bool) -> None:
        self._audiences = audiences
        self._clock = clock
        self._tenants = tenants
        self._takes_names = takes_names

    async def list(self, query: Mapping[str, str], *, url: str) -> Answer:
        """A tenant's saved audiences by name, without what they hold."""
        paging = read_paging(query, most=100, usual=20, tenants=self._tenants, needs_tenant=True)
        tenant, links = paging.tenants[0], Links(url)
        page = await self._audiences.page(tenant, after=paging.after, limit=paging.limit)
        following = links.audiences(**paging.given, after=page.next) if page.next else None
        entries = [_described(entry, tenant, links) for entry in page.entries]
        return json_answer(HTTPStatus.OK, {"audiences": entries, "next": following})

    async def get(self, name: str, query: Mapping[str, str], *, url: str) -> Answer:
        """One saved audience, with its version as the ETag."""
        tenant = read_tenant(query, self._tenants)
        saved = await self._audiences.get(tenant, _known_name(name))
        if saved is None:
            raise unknown_audience(name)
        return _answer(HTTPStatus.OK, saved, tenant, Links(url))

    async def put(self, name: str, body: bytes, *, if_match: str | None, url: str) -> Answer:
        """Save an audience: 201 where the name is new, else 200. With `if_match` only in the place of that version."""
        given = read_saved(body, tenants=self._tenants, takes_names=self._takes_names)
        saved = SavedAudience(
            name=_known_name(name),
            document=given.audience.model_dump(mode="json", by_alias=True, exclude_none=True),
            description=given.description or "",
            changed_at=self._clock.now(),
        )
        tenant, links = str(given.tenant), Links(url)
        stands = await self._audiences.get(tenant, name)
        # The same words change nothing, so an author whose answer was lost can ask again, with the old version.
        if stands is not None and stands.version == saved.version:
            return _answer(HTTPStatus.OK, stands, tenant, links)
        _check(if_match, stands, name)
        try:
            await self._audiences.put(tenant, saved, over=None if if_match is None else stands)
        except RowConflict as error:
            # Somebody was faster, or this is the echo of this very write.
            now = await self._audiences.get(tenant, name)
            if now is None or now.version != saved.version:
                raise changed_since(name) from error
        log_event(logger, "audience_saved", audience=name, tenant=tenant)
        if stands is not None:
            return _answer(HTTPStatus.OK, saved, tenant, links)
        return _answer(HTTPStatus.CREATED, saved, tenant, links, Location=links.audience(name, tenant=tenant))

    async def remove(self, name: str, query: Mapping[str, str], *, if_match: str | None) -> Answer:
        """Forget a saved audience: 204. With `if_match` only that version of it."""
        tenant = read_tenant(query, self._tenants)
        stands = await self._audiences.get(tenant, _known_name(name))
        if stands is None:
            raise unknown_audience(name)
        _check(if_match, stands, name)
        try:
            await self._audiences.remove(tenant, name, only=None if if_match is None else stands)
        except RowConflict as error:
            # It is gone, by whomever, or it is another one by now.
            if await self._audiences.get(tenant, name) is not None:
                raise changed_since(name) from error
        log_event(logger, "audience_removed", audience=name, tenant=tenant)
        return Answer(status=HTTPStatus.NO_CONTENT, body=b"")


def _known_name(name: str) -> str:
    if not SAVED_NAME.fullmatch(name):
        raise bad_query({"name": SAVED_NAME_RULE})
    return name


def _check(if_match: str | None, stands: SavedAudience | None, name: str) -> None:
    """Raise Problem where the version that stands is none of those that the header `If-Match` names."""
    if not names_version(if_match, None if stands is None else stands.version):
        raise changed_since(name)


def _described(saved: SavedAudience | AudienceEntry, tenant: str, links: Links) -> dict[str, Any]:
    return {
        "name": saved.name,
        "tenant": tenant,
        "description": saved.description or None,
        "changed_at": instant(saved.changed_at),
        "links": {"self": links.audience(saved.name, tenant=tenant)},
    }


def _answer(status: HTTPStatus, saved: SavedAudience, tenant: str, links: Links, **headers: str) -> Answer:
    document = _described(saved, tenant, links) | {"audience": saved.document}
    return json_answer(status, document, headers={"ETag": tag_of(saved.version), **headers})
