"""Teams by the ids of their Microsoft 365 groups, all of it pure: the requests, and which team an answer tells.

Source: https://learn.microsoft.com/graph/api/team-get
"""

from shared.domain.pages import Trouble
from shared.domain.recipients import THREAD_ID
from shared.graph.directory import trouble_of
from shared.graph.kinds import Kind
from shared.graph.protocol import Request, Response, path_segment


def find_team(group_id: str) -> Request:
    """Ask for the id by which the Connector knows the team of a group."""
    return Request(method="GET", path=f"/teams/{path_segment(group_id)}?$select=internalId", kind=Kind.OTHER_READ)


def team_in(response: Response) -> str | Trouble:
    """Teams' id of the team; else why nobody can tell: NOT_FOUND for a group without a team, and for none at all."""
    if not response.is_success:
        return trouble_of(response)
    found = response.body.get("internalId")
    return found if isinstance(found, str) and THREAD_ID.fullmatch(found) else Trouble.WAITING
