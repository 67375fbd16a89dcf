"""The account is found by connection string or by identity, and nothing connects before the first call."""

import pytest

from shared.settings import Settings, read_settings
from shared.storage.account import StorageAccount, service_address


def settings_with(**storage: str) -> Settings:
    """Settings of a bot whose storage is described by these environment names, with `AzureWebJobsStorage` left out."""
    named = {f"AzureWebJobsStorage{name}": value for name, value in storage.items() if name.startswith("__")}
    others = {name: value for name, value in storage.items() if not name.startswith("__")}
    return read_settings(
        MicrosoftAppId="app",
        MicrosoftAppPassword="secret",
        MicrosoftAppTenantId="0b7e6c52-94d1-4c7f-8f3a-61f0de2a9b84",
        **named,
        **others,
    )


@pytest.mark.parametrize(
    ("settings", "table_address", "queue_address"),
    [
        (
            settings_with(__accountName="herald"),
            "https://herald.table.core.windows.net",
            "https://herald.queue.core.windows.net",
        ),
        (
            settings_with(__accountName="herald", HERALD_CLOUD="gcc"),  # GCC's resources are in the public cloud
            "https://herald.table.core.windows.net",
            "https://herald.queue.core.windows.net",
        ),
        (
            settings_with(__accountName="herald", HERALD_CLOUD="gcch"),
            "https://herald.table.core.usgovcloudapi.net",
            "https://herald.queue.core.usgovcloudapi.net",
        ),
        (
            settings_with(__accountName="herald", HERALD_CLOUD="dod"),
            "https://herald.table.core.usgovcloudapi.net",
            "https://herald.queue.core.usgovcloudapi.net",
        ),
        (
            settings_with(__tableServiceUri="https://t.example", __queueServiceUri="https://q.example"),
            "https://t.example",
            "https://q.example",
        ),
    ],
)
def test_services_have_the_cloud_s_address_or_the_given_one(
    settings: Settings, table_address: str, queue_address: str
) -> None:
    assert service_address(settings, "table") == table_address
    assert service_address(settings, "queue") == queue_address


@pytest.mark.parametrize("client_id", ["", "11111111-1111-1111-1111-111111111111"])
async def test_identity_opens_the_account(client_id: str) -> None:
    account = StorageAccount(settings_with(__accountName="herald", __clientId=client_id))

    assert account._table_client("Rows").url == "https://herald.table.core.windows.net"
    assert account._queue_client("sends").url == "https://herald.queue.core.windows.net/sends"
    await account.close()


def test_development_storage_is_known_and_needs_no_event_loop() -> None:
    account = StorageAccount(settings_with(AzureWebJobsStorage="UseDevelopmentStorage=true"))

    account.table("Rows")
    account.queue("sends")

    assert account._table_client("Rows").url == "http://127.0.0.1:10002/devstoreaccount1"
    assert account._queue_client("sends").url == "http://127.0.0.1:10001/devstoreaccount1/sends"


def test_clients_live_as_long_as_the_account() -> None:
    account = StorageAccount(settings_with(AzureWebJobsStorage="UseDevelopmentStorage=true"))

    assert account._table_client("Rows") is account._table_client("Rows")
    assert account._queue_client("sends") is account._queue_client("sends")
