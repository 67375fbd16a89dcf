"""Teams by the ids of their groups: the request, and which team an answer tells."""

import pytest

from shared.domain.pages import Trouble
from shared.graph.kinds import Kind
from shared.graph.protocol import Response
from shared.graph.teams import find_team, team_in
from tests.twins.graph import refusal

GROUP = "02bd9fd6-8f93-4758-87c3-1fb73740a315"
TEAM = "19:b3f1f1c0d2e44f6c8a0d9a7f5e6c1b2a@thread.tacv2"


def test_a_team_is_asked_for_by_its_group() -> None:
    request = find_team(GROUP)

    assert (request.method, request.path) == ("GET", f"/teams/{GROUP}?$select=internalId")
    assert request.kind is Kind.OTHER_READ


@pytest.mark.parametrize(
    ("response", "told"),
    [
        # A team.
        (Response(status=200, body={"internalId": TEAM}), TEAM),
        # A group that has no team, or none at all.
        (refusal(404, "NotFound", "No team found with Group Id"), Trouble.NOT_FOUND),
        # The permission is missing.
        (refusal(403, "Forbidden"), Trouble.REFUSED),
        # The credentials.
        (refusal(401, "InvalidAuthenticationToken"), Trouble.REFUSED),
        # Too many requests.
        (refusal(429, "TooManyRequests"), Trouble.WAITING),
        # A failure.
        (refusal(503, "ServiceUnavailable"), Trouble.WAITING),
        # No answer.
        (Response(status=0), Trouble.WAITING),
        # A success that tells no id, or none that the Connector would know.
        (Response(status=200, body={}), Trouble.WAITING),
        (Response(status=200, body={"internalId": GROUP}), Trouble.WAITING),
    ],
)
def test_an_answer_tells_the_team_or_why_not(response: Response, told: str | Trouble) -> None:
    assert team_in(response) == told
