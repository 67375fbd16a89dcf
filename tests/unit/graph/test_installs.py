"""Installing by Graph: what is asked, and what recorded answers mean, alone and as parts of a batch."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.graph.installs import (
    Installation,
    InstallState,
    Place,
    PlaceKind,
    chat_id_in,
    chat_of,
    failure_of,
    find_installation,
    install,
    installation_in,
    uninstall,
    upgrade,
)
from shared.graph.protocol import Kind, Response, decipher, decipher_batch, held_back, unanswered
from shared.graph.teams_app import TeamsApp, catalog_id_in, find_app, newest_version_in

OID = "5f0c9d1e-7a52-4c3b-9a51-0d6a4f6b8e21"
APP = "e8947c01-51c5-44c6-971c-f410270cae96"
USER, TEAM, CHAT = Place.user(OID), Place.team(OID), Place.chat("19:2da4c29f6d7041eca70b638b43d45437@thread.v2")
CHAT_PATH = "/chats/19%3A2da4c29f6d7041eca70b638b43d45437%40thread.v2"
INSTALLED_ID = "NWYwYzlkMWU=#@b/c"


def an_error(code: str, message: str) -> dict[str, Any]:
    """An error as Graph writes it."""
    inner = {"date": "2026-05-28T20:26:40", "request-id": "94fb3b52", "client-request-id": "94fb3b52"}
    return {"error": {"code": code, "message": message, "innerError": inner}}


POLICY = an_error(
    "Forbidden",
    f"App is blocked by app permission policy. AppId: {APP}, AppType: Private. InnerError: AccessDenied",
)
LICENSE = an_error(
    "Forbidden",
    "Failed to get license information for the user. Ensure user has a valid Office365 license assigned to them.",
)
OTHER_REGISTRATION = an_error("Forbidden", f"AAD App Id '{OID}' is not allowed to manage the Teams App '{APP}'")
NO_ROLES = an_error(
    "Forbidden",
    "Missing role permissions on the request. API requires one of 'TeamsAppInstallation.ReadWriteSelfForUser.All, "
    "TeamsAppInstallation.ReadWriteForUser.All'. Roles on the request ''.",
)
NO_RIGHTS = an_error("Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
STORE_STUMBLES = an_error(
    "BadRequest",
    f"Exception in CreateOrUpdateUserAppEntitlementForTeamsAsync. UserId: {OID}, AppId: '{APP}', ExternalId: '', "
    "Exception(s): 'Microsoft.SkypeSpaces.MiddleTier.Common.ServiceException: Failed to execute settings store "
    "request, StatusCode: 400, ReasonPhrase: Schema validation errors'",
)
NO_USER = an_error("NotFound", f"User Id '{OID}' not found.")
NO_RESOURCE = an_error(
    "Request_ResourceNotFound",
    f"Resource '{OID}' does not exist or one of its queried reference-property objects are not present.",
)
NO_APP = an_error("NotFound", f"App with id '{APP}' was not found in the tenant's app catalog.")
NO_DEFINITION = an_error("NotFound", "User is trying to create a team entitlement for a non existent App definition")
THERE_ALREADY = an_error("Conflict", "App entitlement already exists for the user.")
NO_CONSENT = an_error("PreconditionFailed", "The app requires resource-specific consent that was not granted.")
BAD_TOKEN = an_error("InvalidAuthenticationToken", "Access token has expired or is not yet valid.")

ANSWERS = [
    (201, {}, InstallState.INSTALLED),  # Installed, without a body.
    (204, {}, InstallState.INSTALLED),  # Upgraded.
    (409, THERE_ALREADY, InstallState.INSTALLED),  # Was there.
    (403, POLICY, InstallState.BLOCKED_BY_POLICY),  # An admin's policy.
    (403, LICENSE, InstallState.NO_TEAMS_LICENSE),  # The same status, another thing.
    (403, OTHER_REGISTRATION, InstallState.CONSENT_MISSING),  # The wrong registration asks.
    (403, NO_ROLES, InstallState.CONSENT_MISSING),  # Nobody consented.
    (403, NO_RIGHTS, InstallState.CONSENT_MISSING),  # Nobody consented, says Entra.
    (412, NO_CONSENT, InstallState.CONSENT_MISSING),  # The app wants more than the permission gives.
    (401, BAD_TOKEN, InstallState.CONSENT_MISSING),  # The credentials.
    (404, NO_USER, InstallState.USER_NOT_FOUND),  # Teams does not know the person.
    (404, NO_RESOURCE, InstallState.USER_NOT_FOUND),  # Nor does Entra.
    (404, an_error("NotFound", "Not Found"), InstallState.USER_NOT_FOUND),  # Nobody says what: it is one person's.
    (404, NO_APP, InstallState.APP_NOT_IN_CATALOG),  # The same status, another thing.
    (404, NO_DEFINITION, InstallState.APP_NOT_IN_CATALOG),  # In other words.
    (400, STORE_STUMBLES, InstallState.WAITING),  # Passes by itself.
    (429, an_error("TooManyRequests", "Too many requests."), InstallState.WAITING),  # Later.
    (503, {}, InstallState.WAITING),  # Later.
    (403, an_error("UnknownError", ""), InstallState.WAITING),  # An outage that calls itself forbidden.
    (423, an_error("Locked", "The resource is locked."), InstallState.WAITING),  # Somebody is at it.
    (403, an_error("Forbidden", "Something new."), InstallState.BLOCKED_BY_POLICY),  # Unknown: this person's own.
    (400, an_error("BadRequest", "Something new."), InstallState.GAVE_UP),  # Unknown: wrong for good.
    (405, {}, InstallState.GAVE_UP),  # Unknown: wrong for good.
]


@pytest.mark.parametrize(("status", "body", "state"), ANSWERS)
def test_a_recorded_answer_is_understood(status: int, body: dict[str, Any], state: InstallState) -> None:
    assert failure_of(decipher(status, {}, json.dumps(body).encode())) is state


def test_the_same_answers_are_understood_as_parts_of_a_batch() -> None:
    parts = [{"id": str(number), "status": status, "body": body} for number, (status, body, _) in enumerate(ANSWERS)]

    answers = decipher_batch(Response(status=200, body={"responses": parts[::-1]}), len(parts))

    assert [failure_of(answer) for answer in answers] == [state for _, _, state in ANSWERS]


@pytest.mark.parametrize("response", [unanswered("TimeoutError"), held_back(12.0)])
def test_what_was_not_answered_is_waited_for(response: Response) -> None:
    assert failure_of(response) is InstallState.WAITING


def test_states_are_stored_by_their_names_in_lower_case() -> None:
    assert {state.value for state in InstallState} == {state.name.lower() for state in InstallState}


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (USER, f"/users/{OID}/teamwork/installedApps"),  # A person.
        (TEAM, f"/teams/{OID}/installedApps"),  # A team.
        (CHAT, f"{CHAT_PATH}/installedApps"),  # A group chat.
    ],
)
def test_each_place_has_its_path(place: Place, path: str) -> None:
    request = find_installation(place, TeamsApp(catalog_id=APP))

    assert request.path.partition("?")[0] == path
    assert (request.method, request.kind) == ("GET", Kind.INSTALLS_READ)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (PlaceKind.USER, "someone@contoso.com"),  # Herald's people are object ids.
        (PlaceKind.USER, f"{OID}/../other"),  # Another path.
        (PlaceKind.TEAM, "19:abc@thread.tacv2"),  # A channel is no team.
        (PlaceKind.CHAT, OID),  # A person is no chat.
        (PlaceKind.CHAT, "19:abc/../messages"),  # Another path.
        (PlaceKind.CHAT, "19:"),  # Half an id.
        (PlaceKind.USER, ""),  # Nobody.
    ],
)
def test_an_id_that_is_none_is_refused(kind: PlaceKind, given: str) -> None:
    with pytest.raises(ValueError, match="is not the id of"):
        Place(kind, given)


@pytest.mark.parametrize(
    ("app", "condition"),
    [
        (TeamsApp(catalog_id=APP), f"teamsApp/id%20eq%20%27{APP}%27"),  # By the catalogue.
        (TeamsApp(external_id="a'b"), "teamsApp/externalId%20eq%20%27a%27%27b%27"),  # By the manifest, with care.
        (TeamsApp(catalog_id=APP, external_id="x"), f"teamsApp/id%20eq%20%27{APP}%27"),  # The surer one.
    ],
)
def test_an_installation_is_found_by_the_app(app: TeamsApp, condition: str) -> None:
    query = find_installation(USER, app).path.partition("?")[2]

    assert query == f"$expand=teamsApp,teamsAppDefinition&$filter={condition}"


def test_an_app_without_ids_cannot_be_looked_for() -> None:
    with pytest.raises(ValueError, match="catalogue id"):
        find_installation(USER, TeamsApp())


def test_the_installation_has_an_id_and_a_version() -> None:
    found = {"id": INSTALLED_ID, "teamsApp": {"id": APP}, "teamsAppDefinition": {"version": "1.4.0"}}

    assert installation_in(Response(status=200, body={"value": [found]})) == Installation(
        id=INSTALLED_ID, version="1.4.0"
    )
    assert installation_in(Response(status=200, body={"value": [{"id": "a"}]})) == Installation(id="a")


@pytest.mark.parametrize("body", [{"value": []}, {}, {"value": "x"}, {"value": ["x", {"id": 7}]}])
def test_no_installation_is_none(body: dict[str, Any]) -> None:
    assert installation_in(Response(status=200, body=body)) is None


def test_an_installation_that_cannot_be_told_says_why() -> None:
    assert installation_in(Response(status=403, body=NO_ROLES)) is InstallState.CONSENT_MISSING
    assert installation_in(Response(status=404, body=NO_RESOURCE)) is InstallState.USER_NOT_FOUND


@pytest.mark.parametrize("read", [installation_in, chat_id_in, catalog_id_in, newest_version_in])
def test_a_conflict_of_what_was_only_asked_says_nothing_of_an_installation(
    read: Callable[[Response], object],
) -> None:
    assert read(Response(status=409, body=THERE_ALREADY)) is InstallState.WAITING


def test_installing_names_the_app_by_the_clouds_own_address() -> None:
    request = install(USER, APP)
    elsewhere = install(TEAM, APP, graph_url="https://graph.microsoft.us/v1.0")

    assert (request.method, request.kind) == ("POST", Kind.INSTALLS_WRITE)
    assert json.loads(request.body) == {
        "teamsApp@odata.bind": f"https://graph.microsoft.com/v1.0/appCatalogs/teamsApps/{APP}"
    }
    assert json.loads(elsewhere.body) == {
        "teamsApp@odata.bind": f"https://graph.microsoft.us/v1.0/appCatalogs/teamsApps/{APP}"
    }


def test_what_is_done_to_an_installation_names_it_encoded() -> None:
    base = f"/users/{OID}/teamwork/installedApps/NWYwYzlkMWU%3D%23%40b%2Fc"

    assert (upgrade(USER, INSTALLED_ID).method, upgrade(USER, INSTALLED_ID).path) == ("POST", f"{base}/upgrade")
    assert (uninstall(USER, INSTALLED_ID).method, uninstall(USER, INSTALLED_ID).path) == ("DELETE", base)
    assert (chat_of(USER, INSTALLED_ID).method, chat_of(USER, INSTALLED_ID).path) == ("GET", f"{base}/chat?$select=id")


def test_each_request_counts_as_its_documented_kind() -> None:
    kinds = [upgrade(USER, "a").kind, uninstall(TEAM, "a").kind, chat_of(USER, "a").kind, find_app("a").kind]

    assert kinds == [Kind.OTHER_WRITE, Kind.INSTALLS_DELETE, Kind.OTHER_READ, Kind.CATALOG]


@pytest.mark.parametrize("place", [TEAM, CHAT])
def test_only_a_person_has_a_chat_with_the_bot(place: Place) -> None:
    with pytest.raises(ValueError, match="no chat"):
        chat_of(place, "a")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, {"id": "19:a_b@unq.gbl.spaces"}, "19:a_b@unq.gbl.spaces"),  # Here it is.
        (200, {}, InstallState.WAITING),  # An answer without an id.
        (404, an_error("NotFound", "Not Found"), InstallState.WAITING),  # Not made yet.
        (403, NO_ROLES, InstallState.CONSENT_MISSING),  # May not be read.
        (500, {}, InstallState.WAITING),  # Later.
    ],
)
def test_the_chat_is_told_or_why_not(status: int, body: dict[str, Any], expected: str) -> None:
    assert chat_id_in(Response(status=status, body=body)) == expected


def test_the_app_is_looked_for_by_its_manifests_id() -> None:
    assert find_app("a'b").path == (
        "/appCatalogs/teamsApps?$filter=externalId%20eq%20%27a%27%27b%27&$select=id,distributionMethod"
    )


STORE = {"id": "store-id", "distributionMethod": "store"}
OWN = {"id": "own-id", "distributionMethod": "organization"}
SIDELOADED = {"id": "side-id", "distributionMethod": "sideloaded"}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([OWN], "own-id"),  # The organisation's.
        ([STORE, OWN], "own-id"),  # It goes first.
        ([STORE, SIDELOADED], "store-id"),  # A store's can be installed too.
        ([SIDELOADED], InstallState.APP_NOT_IN_CATALOG),  # One person's alone.
        ([], InstallState.APP_NOT_IN_CATALOG),  # Nothing.
    ],
)
def test_the_catalogue_tells_the_apps_id(found: list[dict[str, str]], expected: str) -> None:
    assert catalog_id_in(Response(status=200, body={"value": found})) == expected


def test_a_catalogue_that_may_not_be_read_says_so() -> None:
    assert catalog_id_in(Response(status=403, body=NO_ROLES)) is InstallState.CONSENT_MISSING
