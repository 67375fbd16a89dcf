"""The catalogue: the app's id is looked up once in a tenant, and again once somebody says that it is gone."""

from dataclasses import dataclass, field

from shared.graph.catalog import Catalog
from shared.graph.install_states import InstallState
from shared.graph.protocol import Request, Response
from shared.graph.teams_app import TeamsApp


@dataclass
class Shelf:
    """Graph with one app in the catalogue, or none."""

    identifier: str = "catalog-id"
    asked: list[tuple[str, Request]] = field(default_factory=list)

    async def send(self, tenant: str, request: Request) -> Response:
        self.asked.append((tenant, request))
        app = {"id": self.identifier, "distributionMethod": "organization"}
        return Response(status=200, body={"value": [app] if self.identifier else []})


async def test_an_id_that_is_set_is_not_asked_for() -> None:
    shelf, app = Shelf(), TeamsApp(catalog_id="set", external_id="manifest")

    assert await Catalog(shelf, app).app_in("t") == app
    assert shelf.asked == []


async def test_the_id_is_found_once_in_each_tenant() -> None:
    shelf = Shelf()
    catalog = Catalog(shelf, TeamsApp(external_id="manifest"))

    found = [await catalog.app_in(tenant) for tenant in ("t", "t", "other")]

    assert found == [TeamsApp(catalog_id="catalog-id", external_id="manifest")] * 3
    assert [tenant for tenant, _ in shelf.asked] == ["t", "other"]


async def test_an_app_that_is_missing_is_looked_for_again() -> None:
    shelf = Shelf(identifier="")
    catalog = Catalog(shelf, TeamsApp(external_id="manifest"))

    assert await catalog.app_in("t") is InstallState.APP_NOT_IN_CATALOG
    shelf.identifier = "catalog-id"
    assert await catalog.app_in("t") == TeamsApp(catalog_id="catalog-id", external_id="manifest")


async def test_an_app_that_was_uploaded_anew_is_found_once_it_is_forgotten() -> None:
    shelf = Shelf()
    catalog = Catalog(shelf, TeamsApp(external_id="manifest"))
    await catalog.app_in("t")
    shelf.identifier = "newer"

    catalog.forget("t")

    assert await catalog.app_in("t") == TeamsApp(catalog_id="newer", external_id="manifest")
