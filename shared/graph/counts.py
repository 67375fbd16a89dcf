"""How many people are in a group or in the tenant, all of it pure: the requests, and what their answers say.

Sources: https://learn.microsoft.com/graph/api/group-list-transitivemembers and .../user-list. Counts are advanced
queries, whose index may lag behind (https://learn.microsoft.com/graph/aad-advanced-queries).
"""

from shared.domain.pages import Trouble
from shared.graph.directory import trouble_of
from shared.graph.kinds import Kind
from shared.graph.protocol import Request, Response, path_segment

_ADVANCED = {"ConsistencyLevel": "eventual"}


def count_people_in(group_id: str) -> Request:
    """Ask how many people are in a group, also by way of groups inside it."""
    return _count(f"/groups/{path_segment(group_id)}/transitiveMembers/microsoft.graph.user")


def count_members_of(group_id: str) -> Request:
    """The same with groups, devices and apps among them, for a group of which people cannot be counted."""
    return _count(f"/groups/{path_segment(group_id)}/transitiveMembers")


def count_everybody() -> Request:
    """Ask how many users the tenant has."""
    return _count("/users")


def is_cast_refused(response: Response) -> bool:
    """Whether people of this group cannot be counted, since Graph has no such query for groups of its kind."""
    return response.status == 400 and response.code == "Request_UnsupportedQuery"


def count_in(response: Response) -> int | Trouble:
    """The number that was asked for; else why it cannot be told."""
    if not response.is_success:
        return trouble_of(response)
    return Trouble.WAITING if response.number is None else response.number


def _count(path: str) -> Request:
    return Request(method="GET", path=f"{path}/$count", kind=Kind.DIRECTORY, headers=_ADVANCED)
