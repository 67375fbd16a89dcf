"""The Teams app in a tenant's catalogue, all of it pure: its ids and its versions.

Source: https://learn.microsoft.com/graph/api/appcatalogs-list-teamsapps.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote

from shared.graph.install_states import InstallState, failure_of_read
from shared.graph.kinds import Kind
from shared.graph.protocol import Request, Response, objects_in, odata_text, text_in, values_in


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamsApp:
    """The app, by its id in the tenant's catalogue, or by the manifest's id, which Graph calls external.

    An app from Teams' store has the same id for both; an organisation's own has a new catalogue id with each upload.
    """

    catalog_id: str = ""
    external_id: str = ""

    @property
    def condition(self) -> str:
        """The filter that finds its installations. Raises ValueError where neither id is known."""
        if self.catalog_id:
            return f"{quote('teamsApp/id eq ')}{odata_text(self.catalog_id)}"
        if self.external_id:
            return f"{quote('teamsApp/externalId eq ')}{odata_text(self.external_id)}"
        raise ValueError("an app is found by its catalogue id or by its external id")


def find_app(external_id: str) -> Request:
    """Ask for the app of this manifest id in the tenant's catalogue and in the store."""
    query = f"$filter={quote('externalId eq ')}{odata_text(external_id)}&$select=id,distributionMethod"
    return Request(method="GET", path=f"/appCatalogs/teamsApps?{query}", kind=Kind.CATALOG)


def catalog_id_in(response: Response) -> str | InstallState:
    """The app's id in the catalogue, the organisation's own before the store's; else why there is none.

    An app that was only sideloaded cannot be installed for others, so it does not count.
    """
    if not response.is_success:
        return failure_of_read(response)
    found = {text_in(app, "distributionMethod"): text_in(app, "id") for app in values_in(response)}
    return found.get("organization") or found.get("store") or InstallState.APP_NOT_IN_CATALOG


def find_versions(catalog_id: str) -> Request:
    """Ask for the app's versions in the tenant's catalogue."""
    query = f"$filter={quote('id eq ')}{odata_text(catalog_id)}&$expand=appDefinitions"
    return Request(method="GET", path=f"/appCatalogs/teamsApps?{query}", kind=Kind.CATALOG)


def newest_version_in(response: Response) -> str | InstallState:
    """The newest version that is published; else why it cannot be told.

    What an admin has not approved yet (`submitted`) or has refused (`rejected`) nobody can be given.
    """
    if not response.is_success:
        return failure_of_read(response)
    definitions = [one for app in values_in(response) for one in objects_in(app.get("appDefinitions"))]
    versions = [text_in(one, "version") for one in definitions if text_in(one, "publishingState") in ("", "published")]
    return max(filter(None, versions), key=_parts_of, default=InstallState.APP_NOT_IN_CATALOG)


def is_older(version: str, newest: str) -> bool:
    """Whether a version, such as 1.9.0, came before another one; false for one that is not known."""
    return bool(version) and _parts_of(version) < _parts_of(newest)


def _parts_of(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", version))
