"""The query parameters of the HTTP API: every fault is named by its parameter, in one go."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from messages.problems import bad_query, unknown_tenant
from shared.domain.recipients import (
    OBJECT_ID,
    PERSON_NAME,
    THREAD_ID,
    RecipientKind,
    is_group_id,
    named_channel_key,
    recipient_key,
)

OBJECT_ID_WORDS = "this must be a person's Entra object id: a GUID"
_TOKEN = re.compile(r"[0-9a-z!-]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """Which page was asked for. `tenants` are those to read, `given` the parameters that a next link repeats."""

    limit: int
    after: str
    tenants: tuple[str, ...]
    given: Mapping[str, str]


def read_paging(
    query: Mapping[str, str],
    *,
    most: int,
    usual: int,
    fewest: int = 1,
    tenants: Collection[str] = (),
    also: Collection[str] = (),
    needs_tenant: bool = False,
) -> Paging:
    """Read `limit`, `after` and `tenant` (one of `tenants` or of `also`; all of them where it is left out).

    Raises Problem.
    """
    faults: dict[str, str] = {}
    limit, after, tenant = query.get("limit", ""), query.get("after", ""), query.get("tenant", "").strip().lower()
    if limit and not (limit.isascii() and limit.isdigit() and len(limit) < 9 and fewest <= int(limit) <= most):
        faults["limit"] = f"this must be a number from {fewest:,} to {most:,}"
    if after and not _TOKEN.fullmatch(after):
        faults["after"] = "this must come from the next link of an earlier answer"
    known = (*tenants, *also)
    if tenant and tenant not in known:
        faults["tenant"] = "the app does not serve this tenant"
    if needs_tenant and not tenant and len(tenants) != 1:
        faults["tenant"] = "the app serves several tenants: name one"
    if faults:
        raise bad_query(faults)
    return Paging(
        limit=int(limit) if limit else usual,
        after=after,
        tenants=(tenant,) if tenant else known,
        given={name: value for name, value in (("tenant", tenant), ("limit", limit)) if value},
    )


def read_tenant(query: Mapping[str, str], tenants: Collection[str]) -> str:
    """The tenant that a query names, or the only one. Raises Problem."""
    given = {"tenant": query.get("tenant", "")}
    return read_paging(given, most=1, usual=1, tenants=tenants, needs_tenant=True).tenants[0]


def known_tenant(tenant: str, tenants: Collection[str]) -> str:
    """The tenant of a path, in lower case. Raises Problem for one that the app does not serve."""
    folded = tenant.strip().lower()
    if folded not in tenants:
        raise unknown_tenant(tenant)
    return folded


def recipient_keys(recipient: str) -> tuple[str, ...]:
    """The keys that an id can stand for: what looks alike, and names that lead nowhere, are told in the same words.

    Raises Problem.
    """
    given = recipient.strip()
    folded = given.lower()
    if OBJECT_ID.fullmatch(folded):
        return recipient_key(RecipientKind.USER, folded), recipient_key(RecipientKind.TEAM, folded)
    if THREAD_ID.fullmatch(given):
        return recipient_key(RecipientKind.CHANNEL, given), recipient_key(RecipientKind.CHAT, given)
    if PERSON_NAME.fullmatch(given):
        return (recipient_key(RecipientKind.NAME, given),)
    team, _, name = given.partition("/")
    if name and is_group_id(team.lower()):
        return (named_channel_key(team.lower(), name),)
    if name and THREAD_ID.fullmatch(team):
        return (named_channel_key(team, name),)
    raise bad_query({"recipient": f"{OBJECT_ID_WORDS}, or Teams' id of a channel or chat, beginning with 19:"})


def person_key(object_id: str) -> str:
    """A person's key. Raises Problem."""
    folded = object_id.strip().lower()
    if not OBJECT_ID.fullmatch(folded):
        raise bad_query({"person": OBJECT_ID_WORDS})
    return recipient_key(RecipientKind.USER, folded)
