"""Who is in a group or in the tenant, all of it pure: the requests for pages of people, and what their answers bring.

Sources: https://learn.microsoft.com/graph/api/group-list-transitivemembers and .../user-list, and
https://learn.microsoft.com/graph/paging.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.domain.pages import Skip, Trouble
from shared.domain.recipients import OBJECT_ID
from shared.graph.kinds import Kind
from shared.graph.protocol import Request, Response, path_segment

LARGEST_PAGE = 999
"""People on a page: Graph refuses 1,000."""
USER_TYPE = "#microsoft.graph.user"
GUEST = "guest"
_QUERY = f"$select=id,userType,accountEnabled&$top={LARGEST_PAGE}"


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Object ids of people on one page, in lower case: those who are meant, and those who are left out."""

    members: tuple[str, ...] = ()
    skipped: Mapping[str, Skip] = field(default_factory=dict)


def members_of(group_id: str) -> Request:
    """Ask for everybody in a group, also by way of groups inside it.

    Without a cast to users, which would be an advanced query: its index lags behind, and it is refused for some kinds
    of group. So groups, devices and apps are on the pages, too, and are passed over.
    """
    return page_at(f"/groups/{path_segment(group_id)}/transitiveMembers?{_QUERY}")


def everybody() -> Request:
    """Ask for all users of the tenant."""
    return page_at(f"/users?{_QUERY}")


def page_at(path: str) -> Request:
    """Ask for a page by the path of an earlier request, or of a link that was kept."""
    return Request(method="GET", path=path, kind=Kind.DIRECTORY)


def people_in(response: Response, *, by_link: bool) -> People | Trouble:
    """The people on a page; else why it cannot be read. `by_link` tells that the page was asked for by a link.

    An app that may not read users is given their ids and nothing else (see "Limited information returned for
    inaccessible member objects" on https://learn.microsoft.com/graph/permissions-overview). Then nobody could tell
    guests and disabled accounts, so that counts as REFUSED, too.
    """
    if not response.is_success:
        return trouble_of(response, by_link=by_link)
    values = response.body.get("value")
    if not isinstance(values, list):
        return Trouble.WAITING
    return _sorted_out(values)


def trouble_of(response: Response, *, by_link: bool = False) -> Trouble:
    """What an answer that is no success means."""
    if response.is_transient:
        return Trouble.WAITING
    if response.status == 404:
        return Trouble.NOT_FOUND
    # The code is `Directory_ExpiredPageToken` (https://github.com/microsoftgraph/msgraph-sdk-dotnet/issues/2254) and
    # has had others. Whatever Graph finds wrong with a link of its own, only a new list helps.
    if by_link and response.status in (400, 410):
        return Trouble.LINK_EXPIRED
    return Trouble.REFUSED


def _sorted_out(values: Iterable[Any]) -> People | Trouble:
    members: list[str] = []
    skipped: dict[str, Skip] = {}
    for found in values:
        if not isinstance(found, Mapping) or found.get("@odata.type", USER_TYPE) != USER_TYPE:
            continue
        object_id = str(found.get("id", "")).lower()
        if not OBJECT_ID.fullmatch(object_id):
            return Trouble.WAITING
        # Each account is enabled or not: where Graph does not say so, the app may not read it.
        if not isinstance(found.get("accountEnabled"), bool):
            return Trouble.REFUSED
        # Accounts that are older than guests have no type, and are members.
        if str(found.get("userType") or "").lower() == GUEST:
            skipped[object_id] = Skip.GUESTS
        elif not found["accountEnabled"]:
            skipped[object_id] = Skip.DISABLED
        else:
            members.append(object_id)
    return People(members=tuple(members), skipped=skipped)
