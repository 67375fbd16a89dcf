"""The installation of the Teams app through Graph, all of it pure: the requests, and what their answers bring.

Sources: https://learn.microsoft.com/graph/api/userteamwork-list-installedapps and its neighbours for `post`, `delete`,
`teamsappinstallation-upgrade` and `get-chat`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import orjson

from shared.domain.clouds import CLOUDS, CloudName
from shared.graph.install_states import InstallState, failure_of, failure_of_read
from shared.graph.kinds import Kind
from shared.graph.protocol import Request, Response, path_segment, text_in, values_in
from shared.graph.teams_app import TeamsApp

__all__ = [
    "InstallState",
    "Installation",
    "Place",
    "PlaceKind",
    "chat_id_in",
    "chat_of",
    "failure_of",
    "find_installation",
    "install",
    "installation_in",
    "uninstall",
    "upgrade",
]

OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
CHAT_ID = re.compile(r"19:[^\s/?#%]+")
PUBLIC_GRAPH = CLOUDS[CloudName.PUBLIC].graph_url


class PlaceKind(StrEnum):
    """Where an app can be installed."""

    USER = "user"
    TEAM = "team"
    CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Place:
    """One person, team or group chat. `id` is an object id for a person and for a team (its group's), else `19:...`.

    Made from an id that came from outside, it raises ValueError where that is no such id.
    """

    kind: PlaceKind
    id: str

    def __post_init__(self) -> None:
        shape = CHAT_ID if self.kind is PlaceKind.CHAT else OBJECT_ID
        if not shape.fullmatch(self.id):
            raise ValueError(f"{self.id!r} is not the id of a {self.kind}")

    @classmethod
    def user(cls, object_id: str) -> Self:
        """A person, by object id."""
        return cls(PlaceKind.USER, object_id)

    @classmethod
    def team(cls, group_id: str) -> Self:
        """A team, by the object id of its group."""
        return cls(PlaceKind.TEAM, group_id)

    @classmethod
    def chat(cls, chat_id: str) -> Self:
        """A group chat, by its id `19:...`."""
        return cls(PlaceKind.CHAT, chat_id)

    @property
    def path(self) -> str:
        """The path below which the place's `installedApps` stand."""
        middle = "/teamwork" if self.kind is PlaceKind.USER else ""
        return f"/{self.kind}s/{path_segment(self.id)}{middle}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """An app that is installed: the installation's own id, and the app's version; empty where Graph told none."""

    id: str
    version: str = ""


def find_installation(place: Place, app: TeamsApp) -> Request:
    """Ask whether the app is installed in a place, and in which version.

    With one of the `...Self...` permissions, an app whose manifest has no `webApplicationInfo`, or names another
    registration there, is never found: the list is empty, without an error.
    """
    query = f"$expand=teamsApp,teamsAppDefinition&$filter={app.condition}"
    return Request(method="GET", path=f"{place.path}/installedApps?{query}", kind=Kind.INSTALLS_READ)


def installation_in(response: Response) -> Installation | InstallState | None:
    """The installation that `find_installation` found; None where there is none; else why it cannot be told."""
    if not response.is_success:
        return failure_of_read(response)
    for found in values_in(response):
        if identifier := text_in(found, "id"):
            definition = found.get("teamsAppDefinition")
            version = text_in(definition, "version") if isinstance(definition, Mapping) else ""
            return Installation(id=identifier, version=version)
    return None


def install(place: Place, catalog_id: str, *, graph_url: str = PUBLIC_GRAPH) -> Request:
    """Install the app: 201 without a body, or 409 where it is there already. `failure_of` reads the answer.

    `graph_url` is the cloud's own address (`settings.cloud.graph_url`), also where calls go to another one: it names
    the app, and nobody follows it. `consentedPermissionSet` is left out, so the app must not ask for
    resource-specific consent of its own.
    """
    app = f"{graph_url}/appCatalogs/teamsApps/{path_segment(catalog_id)}"
    body = orjson.dumps({"teamsApp@odata.bind": app})
    return Request(method="POST", path=f"{place.path}/installedApps", kind=Kind.INSTALLS_WRITE, body=body)


def upgrade(place: Place, installation_id: str) -> Request:
    """Bring an installation to the newest version in the catalogue: 204. `failure_of` reads the answer.

    A 404 here means that this installation is gone: look for it again.
    """
    return Request(method="POST", path=f"{_installed(place, installation_id)}/upgrade", kind=Kind.OTHER_WRITE)


def uninstall(place: Place, installation_id: str) -> Request:
    """Remove the app from a place: 204; 404 where it is not there."""
    return Request(method="DELETE", path=_installed(place, installation_id), kind=Kind.INSTALLS_DELETE)


def chat_of(user: Place, installation_id: str) -> Request:
    """Ask for the chat of bot and person, by the person's installation. Raises ValueError for a team or a chat."""
    if user.kind is not PlaceKind.USER:
        raise ValueError(f"a {user.kind} has no chat with the bot")
    path = f"{_installed(user, installation_id)}/chat?$select=id"
    return Request(method="GET", path=path, kind=Kind.OTHER_READ)


def chat_id_in(response: Response) -> str | InstallState:
    """The chat's id, `19:..._...@unq.gbl.spaces`; else why there is none.

    A 404 is WAITING here: Teams makes the chat some time after the installation.
    """
    if response.status == 404:
        return InstallState.WAITING
    if not response.is_success:
        return failure_of_read(response)
    return text_in(response.body, "id") or InstallState.WAITING


def _installed(place: Place, installation_id: str) -> str:
    return f"{place.path}/installedApps/{path_segment(installation_id)}"
