"""Who is in a team or a group chat, and which channels a team has: the requests, and what their answers bring. Pure.

Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/get-teams-context
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from shared.domain.pages import Skip, Trouble
from shared.domain.recipients import OBJECT_ID, fold_channel_name
from shared.teams.answers import Answer, Verdict, decipher_read
from shared.teams.protocol import Request, quote_conversation_id

LARGEST_PAGE = 500
"""Members on a page: the Connector gives no more. Of a group chat it always gives all of them."""
GUEST_ROLES = frozenset({"guest", "anonymous"})
GUEST_MARK = "#ext#"
"""Stands in the sign-in name of a guest, in any letter case."""
WAITING = frozenset(
    {
        Verdict.THROTTLED,
        Verdict.BUSY,
        Verdict.FAILED_MAYBE,
        Verdict.SERVICE_ERROR,
        Verdict.UNREACHABLE,
        Verdict.ANSWER_LOST,
    }
)
REFUSED = frozenset({Verdict.UNAUTHORIZED, Verdict.WRONG_HOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Object ids of people on one page, in lower case: those who are meant, and those who are left out."""

    members: tuple[str, ...] = ()
    skipped: Mapping[str, Skip] = field(default_factory=dict)
    continuation: str = ""
    """What asks for the next page; empty on the last one."""


def members_of(service_url: str, conversation: str, *, continuation: str = "") -> Request:
    """Ask for a page of the members of a team or a group chat."""
    query = f"pageSize={LARGEST_PAGE}"
    if continuation:
        query += f"&continuationToken={quote(continuation, safe='')}"
    place = f"/v3/conversations/{quote_conversation_id(conversation)}/pagedmembers"
    return _get(service_url, place, query=query)


def channels_of(service_url: str, team: str) -> Request:
    """Ask for all channels of a team."""
    return _get(service_url, f"/v3/teams/{quote_conversation_id(team)}/conversations")


def people_in(answer: Answer, *, tenant: str, by_token: bool) -> Roster | Trouble:
    """The people on a page; else why it cannot be read. `by_token` tells that the page was asked for by a continuation.

    Members without an object id are bots and people without an account, and are passed over.
    """
    trouble = trouble_of(answer, by_token=by_token)
    if trouble is not None:
        return trouble
    found = answer.found.get("members")
    if not isinstance(found, list):
        return Trouble.WAITING
    members: list[str] = []
    skipped: dict[str, Skip] = {}
    for one in found:
        object_id = _object_id(one)
        if not object_id:
            continue
        if _is_guest(one, tenant):
            skipped[object_id] = Skip.GUESTS
        else:
            members.append(object_id)
    return Roster(members=tuple(members), skipped=skipped, continuation=_text(answer.found, "continuationToken"))


def channels_in(answer: Answer) -> Mapping[str, str] | Trouble:
    """The ids of a team's channels by their folded names; else why nobody can tell. General has no name here."""
    trouble = trouble_of(answer)
    if trouble is not None:
        return trouble
    found = answer.found.get("conversations")
    if not isinstance(found, list):
        return Trouble.WAITING
    return {fold_channel_name(_text(one, "name")): _text(one, "id") for one in found if _text(one, "name")}


def trouble_of(answer: Answer, *, by_token: bool = False) -> Trouble | None:
    """Why an answer is of no use; None where it is.

    Whatever the Connector refuses of one conversation, a 403 of any code included, concerns that conversation alone.
    """
    if answer.kind is Verdict.ACCEPTED:
        return None
    if answer.kind in WAITING:
        return Trouble.WAITING
    if answer.kind in REFUSED:
        return Trouble.REFUSED
    # What is found wrong with a request for a further page is its token: only a new list helps.
    return Trouble.LINK_EXPIRED if by_token and answer.kind is Verdict.REJECTED else Trouble.NOT_FOUND


def _get(service_url: str, place: str, *, query: str = "") -> Request:
    url = f"{service_url.rstrip('/')}{place}"
    return Request(method="GET", url=url, query=query, body=b"", decipher=decipher_read)


def _object_id(member: object) -> str:
    """A member's Entra object id: rosters call it `objectId`, activities `aadObjectId`."""
    found = (_text(member, "objectId") or _text(member, "aadObjectId")).lower()
    return found if OBJECT_ID.fullmatch(found) else ""


def _is_guest(member: object, tenant: str) -> bool:
    """Whether a member is no account of the tenant's own.

    `userRole` is to be `guest` for one (https://github.com/microsoft/botbuilder-dotnet/issues/3405), and has been seen
    as `user` (https://github.com/MicrosoftDocs/msteams-docs/issues/6381): so the sign-in name decides as well.
    """
    home = _text(member, "tenantId").lower()
    return (
        _text(member, "userRole").lower() in GUEST_ROLES
        or GUEST_MARK in _text(member, "userPrincipalName").lower()
        or home not in ("", tenant)
    )


def _text(found: object, name: str) -> str:
    value = found.get(name) if isinstance(found, Mapping) else None
    return value if isinstance(value, str) else ""
