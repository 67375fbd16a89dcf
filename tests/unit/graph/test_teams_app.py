"""The app's versions in a catalogue: which one is the newest, and what is older."""

from typing import Any

import pytest

from shared.graph.install_states import InstallState
from shared.graph.protocol import Response
from shared.graph.teams_app import find_versions, is_older, newest_version_in

APP = "c0ffee00-0000-0000-0000-000000000001"


def listing(*definitions: dict[str, Any]) -> Response:
    return Response(status=200, body={"value": [{"id": APP, "appDefinitions": list(definitions)}]})


def version(number: str, state: str = "published") -> dict[str, Any]:
    return {"version": number, "publishingState": state}


def test_the_versions_are_asked_for_by_the_catalogues_id() -> None:
    request = find_versions(APP)

    assert request.path == f"/appCatalogs/teamsApps?$filter=id%20eq%20%27{APP}%27&$expand=appDefinitions"


@pytest.mark.parametrize(
    ("response", "newest"),
    [
        (listing(version("1.0.0")), "1.0.0"),  # One.
        (listing(version("1.9.0"), version("1.10.0"), version("1.2.0")), "1.10.0"),  # By numbers, not by letters.
        (listing(version("1.0.0"), version("2.0.0", "submitted")), "1.0.0"),  # Not approved yet.
        (listing(version("1.0.0"), {"version": "1.1.0"}), "1.1.0"),  # Graph does not say how it stands.
        (listing(), InstallState.APP_NOT_IN_CATALOG),  # Nothing is published.
        (Response(status=200, body={"value": []}), InstallState.APP_NOT_IN_CATALOG),  # No such app.
        (Response(status=200, body={"value": [{"appDefinitions": None}]}), InstallState.APP_NOT_IN_CATALOG),  # Odd.
        (Response(status=503), InstallState.WAITING),  # Graph is away.
    ],
)
def test_the_newest_published_version_counts(response: Response, newest: str | InstallState) -> None:
    assert newest_version_in(response) == newest


@pytest.mark.parametrize(
    ("installed", "newest", "older"),
    [
        ("1.9.0", "1.10.0", True),  # By numbers.
        ("1.10.0", "1.10.0", False),  # The same.
        ("2.0.0", "1.10.0", False),  # Newer than what is published: an upgrade would not help.
        ("", "1.0.0", False),  # Graph told none.
        ("1.0", "1.0.1", True),  # A part more.
    ],
)
def test_what_is_older_is_told_by_its_numbers(installed: str, newest: str, older: bool) -> None:
    assert is_older(installed, newest) is older
