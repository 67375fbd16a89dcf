"""Rosters and channels of teams: the requests, and what answers of the Connector say."""

from typing import Any

import orjson
import pytest

from shared.domain.pages import Skip, Trouble
from shared.teams.answers import Answer, Verdict, decipher_read
from shared.teams.protocol import is_trusted
from shared.teams.rosters import Roster, channels_in, channels_of, members_of, people_in

SERVICE_URL = "https://smba.trafficmanager.net/teams/"
TEAM = "19:b3f1f1c0d2e44f6c8a0d9a7f5e6c1b2a@thread.tacv2"
TENANT, OTHER = "72f988bf-86f1-41af-91ab-2d7cd011db47", "3e8f2a64-8a0a-4a39-9b8f-6a1f1c0b5d77"
ANN, BOB, CEM = (f"{digit * 8}-0000-0000-0000-00000000000{digit}" for digit in "abc")
# As https://learn.microsoft.com/microsoftteams/platform/bots/how-to/get-teams-context shows one.
MEMBER = {
    "id": "29:1GcS4EyB",
    "objectId": ANN.upper(),
    "name": "Anon1 (Guest)",
    "givenName": "Anon1",
    "surname": "Guest",
    "email": "ann@contoso.com",
    "userPrincipalName": "ann@contoso.com",
    "tenantId": TENANT,
    "userRole": "user",
}


def read(body: object, status: int = 200, **headers: str) -> Answer:
    return decipher_read(status, headers, orjson.dumps(body))


def refused(status: int, code: str) -> Answer:
    return read({"error": {"code": code, "message": "told"}}, status)


def test_a_page_of_members_is_asked_for_at_the_service_url() -> None:
    first = members_of(SERVICE_URL, TEAM)
    further = members_of(SERVICE_URL, TEAM, continuation="a+b/c= &d")

    assert (
        first.url == f"{SERVICE_URL}v3/conversations/19%3Ab3f1f1c0d2e44f6c8a0d9a7f5e6c1b2a%40thread.tacv2/pagedmembers"
    )
    assert (first.method, first.body, first.query) == ("GET", b"", "pageSize=500")
    assert further.query == "pageSize=500&continuationToken=a%2Bb%2Fc%3D%20%26d"
    assert is_trusted(further.url, ["smba.trafficmanager.net"])


def test_the_channels_of_a_team_are_asked_for_at_the_service_url() -> None:
    request = channels_of("https://smba.trafficmanager.net/teams", TEAM)

    assert request.url == f"{SERVICE_URL}v3/teams/19%3Ab3f1f1c0d2e44f6c8a0d9a7f5e6c1b2a%40thread.tacv2/conversations"
    assert (request.method, request.query) == ("GET", "")


@pytest.mark.parametrize(
    ("changes", "skipped"),
    [
        ({}, False),  # A member as the page shows one.
        ({"userRole": "owner"}, False),  # An owner.
        ({"userRole": None, "tenantId": None, "userPrincipalName": None}, False),  # Nothing is told.
        ({"tenantId": TENANT.upper()}, False),  # Ids come in any letter case.
        ({"userRole": "guest"}, True),  # A guest by role.
        ({"userRole": "anonymous"}, True),  # Somebody without an account.
        # A guest whose role is told as that of a member.
        ({"userPrincipalName": "ann_partner.example#EXT#@contoso.com"}, True),
        ({"tenantId": OTHER}, True),  # Somebody of another organisation.
    ],
)
def test_guests_are_left_out_as_far_as_a_roster_tells(changes: dict[str, Any], skipped: bool) -> None:
    roster = people_in(read({"members": [MEMBER | changes]}), tenant=TENANT, by_token=False)

    assert roster == (Roster(skipped={ANN: Skip.GUESTS}) if skipped else Roster(members=(ANN,)))


def test_members_without_an_object_id_are_passed_over() -> None:
    members = [
        {"id": "28:bot", "name": "Another bot"},
        MEMBER | {"objectId": "29:1xyz"},
        "nonsense",
        {"id": "29:1", "aadObjectId": BOB},
        MEMBER | {"objectId": CEM},
    ]

    assert people_in(read({"members": members}), tenant=TENANT, by_token=False) == Roster(members=(BOB, CEM))


@pytest.mark.parametrize(
    ("told", "continuation"), [({"continuationToken": "x"}, "x"), ({"continuationToken": None}, "")]
)
def test_a_page_tells_where_the_roster_goes_on(told: dict[str, Any], continuation: str) -> None:
    roster = people_in(read({"members": [MEMBER], **told}), tenant=TENANT, by_token=True)

    assert roster == Roster(members=(ANN,), continuation=continuation)


TROUBLES = [
    # Too many requests.
    (refused(429, "Throttled"), Trouble.WAITING, Trouble.WAITING),
    # Two operations met in the conversation.
    (refused(412, "PreconditionFailed"), Trouble.WAITING, Trouble.WAITING),
    # Any failure of the service, since a read may be repeated.
    (refused(500, "ServiceError"), Trouble.WAITING, Trouble.WAITING),
    (refused(502, "ServiceError"), Trouble.WAITING, Trouble.WAITING),
    (read(None, 503), Trouble.WAITING, Trouble.WAITING),
    (read(None, 504), Trouble.WAITING, Trouble.WAITING),
    # A request that did not come through in time.
    (read(None, 408), Trouble.WAITING, Trouble.WAITING),
    # No connection, and no answer.
    (Answer(kind=Verdict.UNREACHABLE), Trouble.WAITING, Trouble.WAITING),
    (Answer(kind=Verdict.ANSWER_LOST), Trouble.WAITING, Trouble.WAITING),
    # A success that cannot be read is no empty page.
    (decipher_read(200, {}, b"<html>"), Trouble.WAITING, Trouble.WAITING),
    (read({"something": "else"}), Trouble.WAITING, Trouble.WAITING),
    # The credentials.
    (refused(401, "BotNotRegistered"), Trouble.REFUSED, Trouble.REFUSED),
    # The wrong cloud, also after it was addressed anew.
    (refused(403, "InvalidBotApiHost"), Trouble.REFUSED, Trouble.REFUSED),
    # The bot is not there, or not any more.
    (refused(403, "BotNotInConversationRoster"), Trouble.NOT_FOUND, Trouble.NOT_FOUND),
    (refused(404, "ConversationNotFound"), Trouble.NOT_FOUND, Trouble.NOT_FOUND),
    # An admin forbids it there.
    (refused(403, "BotDisabledByAdmin"), Trouble.NOT_FOUND, Trouble.NOT_FOUND),
    (refused(403, "NotEnoughPermissions"), Trouble.NOT_FOUND, Trouble.NOT_FOUND),
    # No id of Teams; behind a continuation it is that which is wrong.
    (refused(400, "Bad Argument"), Trouble.NOT_FOUND, Trouble.LINK_EXPIRED),
]


@pytest.mark.parametrize(("answer", "at_first", "by_token"), TROUBLES)
def test_an_answer_of_no_use_tells_what_follows(answer: Answer, at_first: Trouble, by_token: Trouble) -> None:
    assert people_in(answer, tenant=TENANT, by_token=False) is at_first
    assert people_in(answer, tenant=TENANT, by_token=True) is by_token
    assert channels_in(answer) is at_first


def test_channels_are_told_by_their_folded_names() -> None:
    channels = [
        {"id": TEAM, "name": None},
        {"id": "19:sales@thread.tacv2", "name": " Sales ", "type": "standard"},
        {"id": "19:news@thread.tacv2", "name": "NEWS"},
    ]

    assert channels_in(read({"conversations": channels})) == {
        "sales": "19:sales@thread.tacv2",
        "news": "19:news@thread.tacv2",
    }
