"""Reads an item for a digest: a JSON object becomes a `NewItem`, or every fault in it is named at once.

The contract is told for callers in docs/digests.md.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Annotated, Any
from urllib.parse import urlsplit

import orjson
from pydantic import AfterValidator, Field

from shared.audience_contract import AudienceBody, Part, UserId
from shared.audience_requests import audience_faults, name_faults, too_many_ids
from shared.contract import TenantId, Version
from shared.domain.digests import Item, Severity
from shared.domain.ids import item_id
from shared.domain.recipients import RecipientKind, recipient_key
from shared.errors import Fault, InvalidRequest
from shared.faults import limit, read_as
from shared.field_rules import LONGEST_KEY, life_span, optional, read_duration, read_moment, wrong
from shared.requests import tenant_faults
from shared.storage.digest_items import NewItem
from shared.timetable_contract import Instant

LONGEST_TITLE = 200
LONGEST_TEXT = 1_000
LONGEST_LINK = 2_000
LONGEST_WAIT = timedelta(days=30)
"""No item waits for longer, whatever becomes of its digest."""
DIGEST_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
DIGEST_NAME_RULE = (
    "this must be the name of a digest: 1 to 64 small letters, digits and hyphens, of which the first is no hyphen"
)
_LINK = re.compile(r"https://[^\s\x00-\x1f\x7f/?#@\\]+([/?#][^\s\x00-\x1f\x7f]*)?", re.IGNORECASE)
_TO_PEOPLE = "a digest goes to people: name users, groups or rosters, or everyone"
_NOT_TO_PEOPLE = {
    "channels": _TO_PEOPLE,
    "chats": f"{_TO_PEOPLE}. A group chat's members are its roster",
    "teams": f"{_TO_PEOPLE}. A team's members are its roster",
    "from": f"the recipients of another broadcast cannot be meant here: {_TO_PEOPLE}",
    "states": "this chooses among the recipients of another broadcast, which cannot be meant here",
    "reasons": "this chooses among the recipients of another broadcast, which cannot be meant here",
}


def _digest_name(value: str) -> str:
    if not DIGEST_NAME.fullmatch(value):
        raise wrong(DIGEST_NAME_RULE)
    return value


def _title(value: str) -> str:
    if not value.strip():
        raise wrong("the title is empty")
    return value


def _link(value: str) -> str:
    try:
        is_right = bool(_LINK.fullmatch(value)) and urlsplit(value).port != 0
    except ValueError:
        is_right = False
    if not is_right:
        raise wrong("this must be an https address without a user's name, such as https://example.com/tickets/7")
    return value


def _waiting_time(value: str) -> str:
    return life_span(value, longest=LONGEST_WAIT)


DigestName = Annotated[str, AfterValidator(_digest_name)]


class ItemBody(Part):
    """Something that a digest is to tell."""

    version: Version
    digest: DigestName
    tenant: TenantId = None
    person: UserId | None = None
    audience: AudienceBody | None = None
    title: Annotated[str, Field(max_length=LONGEST_TITLE), AfterValidator(_title)]
    text: Annotated[str | None, Field(max_length=LONGEST_TEXT)] = None
    link: Annotated[str | None, Field(max_length=LONGEST_LINK), AfterValidator(optional(_link))] = None
    severity: Annotated[Severity | None, Field(strict=False)] = None
    key: Annotated[str | None, Field(min_length=1, max_length=LONGEST_KEY)] = None
    expires_after: Annotated[str | None, AfterValidator(optional(_waiting_time))] = None
    expires_at: Instant = None


def read_item(
    document: Mapping[str, Any],
    *,
    tenants: Collection[str],
    now: float,
    receipt: str,
    found: Sequence[Fault] = (),
    takes_names: bool = False,
) -> NewItem:
    """Read an item that comes `now`; `found` was found wrong beside it. With `takes_names` as `read_request`.

    `receipt` is what the request is known by when it comes again. Raises InvalidRequest with all of its faults.
    """
    audience = document.get("audience")
    if too_many := too_many_ids(audience):
        raise InvalidRequest([*found, too_many])
    body, wrong_fields = read_as(ItemBody, document)
    faults = [*found, *wrong_fields, *tenant_faults(document.get("tenant"), tenants), *_whom_faults(document)]
    # Who names channels alone is told that, and not to name channels.
    faults += list(_conversation_faults(audience)) or audience_faults(audience)
    if not takes_names:
        faults += name_faults(audience)
    faults += _expiry_faults(document, now)
    if faults or body is None:
        raise InvalidRequest(limit(faults))
    given = body.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"tenant"})
    return NewItem(
        tenant=body.tenant or next(iter(tenants)),
        digest=body.digest,
        id=item_id(f"key!{body.key}" if body.key else receipt),
        item=_item(body, now),
        person=recipient_key(RecipientKind.USER, body.person) if body.person else "",
        audience=given.get("audience"),
        receipt=receipt,
        version=sha256(orjson.dumps(given, option=orjson.OPT_SORT_KEYS)).hexdigest(),
    )


def _item(body: ItemBody, now: float) -> Item:
    life, end = read_duration(body.expires_after or ""), read_moment(body.expires_at or "")
    return Item(
        title=body.title,
        text=body.text or "",
        link=body.link or "",
        severity=body.severity or Severity.INFO,
        at=now,
        expires_at=end.timestamp() if end else now + (life or LONGEST_WAIT).total_seconds(),
    )


def _whom_faults(document: Mapping[str, Any]) -> list[Fault]:
    given = [name for name in ("person", "audience") if document.get(name) is not None]
    if len(given) == 1:
        return []
    if given:
        detail = "person and audience exclude each other: keep one of the two, or put the person under audience/users"
        return [Fault(pointer="/person", detail=detail)]
    return [Fault(pointer="", detail="whom is this for? give a person's Entra object id under person, or an audience")]


def _conversation_faults(audience: object) -> Iterator[Fault]:
    for name, detail in _NOT_TO_PEOPLE.items():
        if isinstance(audience, Mapping) and audience.get(name) not in (None, []):
            yield Fault(pointer=f"/audience/{name}", detail=detail)


def _expiry_faults(document: Mapping[str, Any], now: float) -> list[Fault]:
    given = document.get("expires_at")
    if given is None:
        return []
    if document.get("expires_after") is not None:
        detail = "expires_after and expires_at exclude each other: keep one of the two"
        return [Fault(pointer="/expires_at", detail=detail)]
    end = read_moment(given) if isinstance(given, str) else None
    if end is None or end.tzinfo is None:
        return []
    if end.timestamp() <= now:
        return [Fault(pointer="/expires_at", detail="this is over: nobody would be told of it")]
    if end.timestamp() > now + LONGEST_WAIT.total_seconds():
        return [Fault(pointer="/expires_at", detail=f"this must be at most {LONGEST_WAIT.days} days from now")]
    return []
