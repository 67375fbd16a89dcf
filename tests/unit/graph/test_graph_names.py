"""People by sign-in name and by mail: the requests, and whom the answers bring."""

from typing import Any

import pytest

from shared.domain.pages import Trouble
from shared.graph.names import NameKind, find_people, ids_in
from shared.graph.protocol import Response

ANN, BOB = "aaaaaaaa-0000-0000-0000-00000000000a", "bbbbbbbb-0000-0000-0000-00000000000b"


def found(*people: dict[str, Any]) -> Response:
    return Response(status=200, body={"value": list(people)})


def test_names_are_asked_for_in_one_filter_with_their_quotes_doubled() -> None:
    request = find_people(["ann@contoso.com", "o'neil#EXT#@contoso.com"], by=NameKind.UPN)

    assert request.path == (
        "/users?$select=id,userPrincipalName&$filter=userPrincipalName%20in%20%28"
        "%27ann%40contoso.com%27%2C%27o%27%27neil%23EXT%23%40contoso.com%27%29"
    )


def test_more_names_than_graph_takes_are_refused() -> None:
    with pytest.raises(ValueError, match="15"):
        find_people(["a@b.c"] * 16, by=NameKind.MAIL)


def test_people_are_told_by_name_in_lower_case() -> None:
    response = found({"id": ANN.upper(), "mail": "Ann@Contoso.com"}, {"id": BOB, "mail": None})

    assert ids_in(response, by=NameKind.MAIL) == {"ann@contoso.com": ANN}


def test_a_mail_of_several_people_is_nobodys() -> None:
    response = found({"id": ANN, "mail": "desk@contoso.com"}, {"id": BOB, "mail": "DESK@contoso.com"})

    assert ids_in(response, by=NameKind.MAIL) == {}


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (0, Trouble.WAITING),  # Nothing came.
        (503, Trouble.WAITING),  # An outage.
        (403, Trouble.REFUSED),  # No consent.
        (400, Trouble.REFUSED),  # Wrong in a way that nobody foresaw.
        (404, Trouble.REFUSED),  # A list of all users is always there.
    ],
)
def test_failures_say_what_to_do(status: int, trouble: Trouble) -> None:
    assert ids_in(Response(status=status), by=NameKind.UPN) is trouble


def test_an_answer_without_its_list_is_none() -> None:
    assert ids_in(Response(status=200, body={}), by=NameKind.UPN) is Trouble.WAITING
