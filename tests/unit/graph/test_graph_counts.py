"""How many people: the requests, and what answers say."""

import pytest

from shared.domain.pages import Trouble
from shared.graph.counts import count_everybody, count_in, count_members_of, count_people_in, is_cast_refused
from shared.graph.kinds import Kind
from shared.graph.protocol import Request, Response

GROUP = "02bd9fd6-8f93-4758-87c3-1fb73740a315"


def error(status: int, code: str) -> Response:
    return Response(status=status, body={"error": {"code": code, "message": "..."}})


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (count_people_in(GROUP), f"/groups/{GROUP}/transitiveMembers/microsoft.graph.user/$count"),
        (count_members_of(GROUP), f"/groups/{GROUP}/transitiveMembers/$count"),
        (count_everybody(), "/users/$count"),
    ],
)
def test_counts_are_asked_for_as_advanced_queries(request_: Request, path: str) -> None:
    assert (request_.method, request_.path, request_.kind) == ("GET", path, Kind.DIRECTORY)
    assert dict(request_.headers) == {"ConsistencyLevel": "eventual"}


@pytest.mark.parametrize(
    ("response", "number"),
    [
        # So many.
        (Response(status=200, number=1_234), 1_234),
        # Nobody.
        (Response(status=200, number=0), 0),
        # An answer without the number is none.
        (Response(status=200, body={"value": []}), Trouble.WAITING),
        # Throttled.
        (error(429, "TooManyRequests"), Trouble.WAITING),
        # No such group.
        (error(404, "Request_ResourceNotFound"), Trouble.NOT_FOUND),
        # No admin has consented.
        (error(403, "Authorization_RequestDenied"), Trouble.REFUSED),
    ],
)
def test_an_answer_has_the_number_or_why_not(response: Response, number: int | Trouble) -> None:
    assert count_in(response) == number


@pytest.mark.parametrize(
    ("response", "refused"),
    [
        (error(400, "Request_UnsupportedQuery"), True),
        # Another fault of the request is not mended by another count.
        (error(400, "Request_BadRequest"), False),
        (error(403, "Authorization_RequestDenied"), False),
        (Response(status=200, number=3), False),
    ],
)
def test_a_cast_that_graph_does_not_have_is_known(response: Response, refused: bool) -> None:
    assert is_cast_refused(response) is refused
