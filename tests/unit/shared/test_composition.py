"""The composition: one app for each process, made when it is needed, and made anew after a fault."""

import asyncio

import pytest

from shared import composition
from shared.composition import App, compose
from shared.errors import SettingsError, StorageUnavailable
from shared.graph.teams_app import TeamsApp
from shared.settings import Settings
from shared.storage import names
from tests.twins.storage import MemoryAccount

RIGHT = {
    "MicrosoftAppId": "app",
    "MicrosoftAppPassword": "secret",
    "MicrosoftAppTenantId": "0b7e6c52-94d1-4c7f-8f3a-61f0de2a9b84",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
    "HERALD_PACE": "12",
}


class Accounts:
    """Makes storage accounts in memory, the first of which may fail to answer."""

    def __init__(self) -> None:
        self.made: list[MemoryAccount] = []
        self.failures: list[Exception] = []
        self.ensured: list[str] = []

    def __call__(self, _settings: Settings) -> MemoryAccount:
        account = MemoryAccount(lambda: 1_000.0)

        async def ensure(*, tables: tuple[str, ...], queues: tuple[str, ...]) -> None:
            await asyncio.sleep(0)
            if self.failures:
                raise self.failures.pop()
            self.ensured += [*tables, *queues]

        account.ensure = ensure  # type: ignore[method-assign,assignment]
        self.made.append(account)
        return account


@pytest.fixture
def accounts(monkeypatch: pytest.MonkeyPatch) -> Accounts:
    accounts = Accounts()
    monkeypatch.setattr(composition, "StorageAccount", accounts)
    monkeypatch.setattr(composition, "_making", None)
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)
    return accounts


async def test_a_process_has_one_app_over_all_tables_and_queues(accounts: Accounts) -> None:
    one, other = await asyncio.gather(compose(), compose())

    assert one is other is await compose()
    assert len(accounts.made) == 1
    assert accounts.ensured == [*names.TABLES, *names.QUEUES]


async def test_the_pace_is_the_operators(accounts: Accounts) -> None:
    app = await compose()

    assert app.pacers.ceiling == app.settings.pace == 12.0
    assert app.clock.now() == 1_000.0
    assert app.sends is accounts.made[0].queue(names.SEND_QUEUE)


@pytest.mark.usefixtures("accounts")
async def test_the_catalogue_has_the_operators_app(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERALD_TEAMS_APP_ID", "e8947c01-51c5-44c6-971c-f410270cae96")

    app = await compose()

    assert await app.catalog.app_in("tenant") == TeamsApp(catalog_id="e8947c01-51c5-44c6-971c-f410270cae96")


async def test_a_missing_setting_is_told_at_each_invocation_until_it_is_mended(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MicrosoftAppId")
    for _ in range(2):
        with pytest.raises(SettingsError, match="MicrosoftAppId"):
            await compose()
    assert accounts.made == []

    monkeypatch.setenv("MicrosoftAppId", "app")

    assert (await compose()).settings.app_id == "app"


async def test_storage_that_fails_is_asked_again_at_the_next_invocation(accounts: Accounts) -> None:
    accounts.failures = [StorageUnavailable("busy")]
    with pytest.raises(StorageUnavailable):
        await compose()

    app = await compose()

    assert app is await compose()
    assert len(accounts.made) == 2


async def test_an_invocation_that_is_cancelled_does_not_take_the_app_from_others(accounts: Accounts) -> None:
    first, second = asyncio.create_task(compose()), asyncio.create_task(compose())
    await asyncio.sleep(0)

    first.cancel()

    assert isinstance(await second, App)
    assert len(accounts.made) == 1


@pytest.mark.usefixtures("accounts")
async def test_each_part_is_built_once() -> None:
    app = await compose()
    built: list[App] = []

    def build(given: App) -> str:
        built.append(given)
        return "a part"

    assert app.part(build) == app.part(build) == "a part"
    assert built == [app]
