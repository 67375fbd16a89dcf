"""People of groups and of the tenant: the requests, and what recorded answers say."""

import json
from typing import Any

import pytest

from shared.domain.pages import Skip, Trouble
from shared.graph.directory import People, everybody, members_of, page_at, people_in
from shared.graph.kinds import Kind
from shared.graph.protocol import Response

ANN, BOB, CEM = (f"{digit * 8}-0000-0000-0000-00000000000{digit}" for digit in "abc")
GROUP = "02bd9fd6-8f93-4758-87c3-1fb73740a315"
# As Graph answers for a group with people, a group, a device and an app in it.
MEMBERS = json.loads(f"""{{
  "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#directoryObjects(id,userType,accountEnabled)",
  "value": [
    {{"@odata.type": "#microsoft.graph.user", "id": "{ANN.upper()}", "userType": "Member", "accountEnabled": true}},
    {{"@odata.type": "#microsoft.graph.group", "id": "{GROUP}"}},
    {{"@odata.type": "#microsoft.graph.device", "id": "{GROUP}", "accountEnabled": true}},
    {{"@odata.type": "#microsoft.graph.servicePrincipal", "id": "{GROUP}", "accountEnabled": true}},
    {{"@odata.type": "#microsoft.graph.user", "id": "{BOB}", "userType": "Guest", "accountEnabled": false}},
    {{"@odata.type": "#microsoft.graph.user", "id": "{CEM}", "userType": null, "accountEnabled": false}}
  ]
}}""")


def error(status: int, code: str) -> Response:
    return Response(status=status, body={"error": {"code": code, "message": "..."}})


def page(*values: Any) -> Response:
    return Response(status=200, body={"value": list(values)})


def test_a_group_is_asked_for_all_members_in_the_largest_pages() -> None:
    request = members_of(GROUP)

    assert request.path == f"/groups/{GROUP}/transitiveMembers?$select=id,userType,accountEnabled&$top=999"
    assert (request.method, request.kind, dict(request.headers)) == ("GET", Kind.DIRECTORY, {})


def test_the_tenant_is_asked_for_all_users() -> None:
    assert everybody().path == "/users?$select=id,userType,accountEnabled&$top=999"


def test_a_page_is_asked_for_by_the_link_to_the_letter() -> None:
    path = "/users?$select=id&$skiptoken=RFNwdAIAAQAAABc6%2b%3d'x'"

    assert page_at(path).path == path


def test_guests_and_disabled_accounts_are_told_apart_from_members_and_things_passed_over() -> None:
    people = people_in(Response(status=200, body=MEMBERS), by_link=False)

    assert people == People(members=(ANN,), skipped={BOB: Skip.GUESTS, CEM: Skip.DISABLED})


def test_users_of_the_tenant_come_without_a_type() -> None:
    found = people_in(page({"id": ANN, "userType": "Member", "accountEnabled": True}), by_link=False)

    assert found == People(members=(ANN,))


@pytest.mark.parametrize(
    ("response", "by_link", "trouble"),
    [
        # Nothing came.
        (Response(status=0), False, Trouble.WAITING),
        # Throttled, also by Herald's own pace.
        (error(429, "TooManyRequests"), False, Trouble.WAITING),
        # An outage.
        (error(503, "serviceNotAvailable"), True, Trouble.WAITING),
        # An answer without the list is none.
        (Response(status=200, body={}), False, Trouble.WAITING),
        # A member without an id: nobody may be passed over in silence.
        (page({"userType": "Member", "accountEnabled": True}), False, Trouble.WAITING),
        # No admin has consented.
        (error(403, "Authorization_RequestDenied"), False, Trouble.REFUSED),
        # The credentials are refused, also with a new token.
        (error(401, "InvalidAuthenticationToken"), True, Trouble.REFUSED),
        # The app may see who is there, and nothing of them.
        (page({"@odata.type": "#microsoft.graph.user", "id": ANN, "userType": None}), False, Trouble.REFUSED),
        # A request that is wrong, by no link.
        (error(400, "Request_UnsupportedQuery"), False, Trouble.REFUSED),
        # No such group.
        (error(404, "Request_ResourceNotFound"), False, Trouble.NOT_FOUND),
        # It was deleted while it was read.
        (error(404, "Request_ResourceNotFound"), True, Trouble.NOT_FOUND),
        # A link that is too old.
        (error(400, "Directory_ExpiredPageToken"), True, Trouble.LINK_EXPIRED),
        # In other words.
        (error(410, "Gone"), True, Trouble.LINK_EXPIRED),
    ],
)
def test_each_failure_says_what_to_do(response: Response, by_link: bool, trouble: Trouble) -> None:
    assert people_in(response, by_link=by_link) is trouble
