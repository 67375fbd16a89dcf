"""The Teams app as each tenant's catalogue knows it: its id is looked up once, by the manifest's id."""

from dataclasses import replace
from typing import Protocol

from shared.graph.install_states import InstallState
from shared.graph.protocol import Request, Response
from shared.graph.teams_app import TeamsApp, catalog_id_in, find_app


class Sends(Protocol):
    """What the catalogue needs of a `GraphClient`."""

    async def send(self, tenant: str, request: Request) -> Response:
        """Send a request and answer its response."""


class Catalog:
    """Tells the app with its catalogue id. With an id that is set already, Graph is never asked."""

    def __init__(self, graph: Sends, app: TeamsApp) -> None:
        self._graph = graph
        self._app = app
        self._found: dict[str, TeamsApp] = {}

    async def app_in(self, tenant: str) -> TeamsApp | InstallState:
        """The app in a tenant; else why it cannot be told: WAITING, APP_NOT_IN_CATALOG or CONSENT_MISSING.

        Only what was found is kept. Raises what `GraphClient.send` raises.
        """
        if self._app.catalog_id:
            return self._app
        if tenant not in self._found:
            told = catalog_id_in(await self._graph.send(tenant, find_app(self._app.external_id)))
            if isinstance(told, InstallState):
                return told
            self._found[tenant] = replace(self._app, catalog_id=told)
        return self._found[tenant]

    def forget(self, tenant: str) -> None:
        """Look again next time: an organisation's app that is uploaded anew has a new id."""
        self._found.pop(tenant, None)
