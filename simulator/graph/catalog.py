"""The organisation's catalogue of apps, which holds one app: ours.

Source: https://learn.microsoft.com/graph/api/appcatalogs-list-teamsapps.
"""

import re
import uuid
from dataclasses import dataclass
from typing import Any

from simulator.graph.errors import bad_request

FILTER = re.compile(
    r"^\s*(?P<prefix>teamsApp/)?(?P<field>id|externalId|distributionMethod)\s+eq\s+'(?P<value>[^']*)'\s*$"
)
VERSION = "1.0.0"


@dataclass(slots=True, kw_only=True)
class CatalogApp:
    """The app in one tenant's catalogue. `manifest_id` is Graph's `externalId`; `upload` counts the catalogue's ids.

    `self_managed` says that the manifest names our registration, which the `...Self...` permissions ask for.
    """

    tenant_id: str
    manifest_id: str
    name: str
    version: str = VERSION
    listed: bool = True
    self_managed: bool = True
    upload: int = 1

    @property
    def id(self) -> str:
        """The catalogue's own id, another one for each upload."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"catalog/{self.manifest_id}/{self.tenant_id}/{self.upload}"))

    def as_resource(self, app_id: str | None = None) -> dict[str, Any]:
        """A `teamsApp`; `app_id` is that of an earlier upload."""
        return {
            "id": app_id or self.id,
            "externalId": self.manifest_id,
            "displayName": self.name,
            "distributionMethod": "organization",
        }

    def definition(self, *, version: str | None = None, app_id: str | None = None) -> dict[str, Any]:
        """A `teamsAppDefinition`: one version of the app."""
        version, app_id = version or self.version, app_id or self.id
        return {
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"definition/{app_id}/{version}")),
            "teamsAppId": app_id,
            "displayName": self.name,
            "version": version,
            "publishingState": "published",
        }


def matches(condition: str | None, app: dict[str, Any], *, prefix: bool) -> bool:
    """Whether a `$filter` lets the app through; below an installation its fields have the prefix `teamsApp/`."""
    if not condition:
        return True
    match = FILTER.match(condition)
    if match is None or bool(match["prefix"]) is not prefix:
        raise bad_request(f"Invalid filter clause: {condition}")
    return bool(app[match["field"]] == match["value"])
