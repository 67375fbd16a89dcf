"""Settings: each fault is one sentence that names the setting, and nothing else reads the environment."""

import os
from datetime import timedelta

import pytest

from shared.domain.clouds import CLOUDS, CloudName
from shared.errors import SettingsError
from shared.identity import AppType
from shared.settings import GraphPacing, Settings, is_loopback, read_settings

RIGHT = {
    "MicrosoftAppId": "5F0C9D1E-7A52-4C3B-9A51-0D6A4F6B8E21",
    "MicrosoftAppPassword": "secret",
    "MicrosoftAppTenantId": "72F988BF-86F1-41AF-91AB-2D7CD011DB47",
    "AzureWebJobsStorage": "UseDevelopmentStorage=true",
}
HOME = "72f988bf-86f1-41af-91ab-2d7cd011db47"
OTHER = "0b7e6c52-94d1-4c7f-8f3a-61f0de2a9b84"


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {str(field.alias).lower() for field in Settings.model_fields.values()}
    for name in list(os.environ):
        if name.lower() in known:
            monkeypatch.delenv(name)


def a_setting(**changes: str | None) -> Settings:
    """Right settings with some replaced; None leaves one out. Names are those of the environment."""
    given = {name: value for name, value in {**RIGHT, **changes}.items() if value is not None}
    return read_settings(**given)


def test_the_least_that_must_be_set_is_enough() -> None:
    settings = a_setting()

    assert settings.app_id == RIGHT["MicrosoftAppId"].lower()
    assert settings.tenants == {HOME}
    assert settings.pace == 49.75
    assert settings.cloud is CLOUDS[CloudName.PUBLIC]
    assert settings.service_url == "https://smba.trafficmanager.net/teams/"
    assert settings.graph_url == "https://graph.microsoft.com/v1.0"


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HERALD_PACE", "12.5")
    monkeypatch.setenv("HERALD_CLOUD", "")
    monkeypatch.setenv("HERALD_ALLOWED_TENANTS", f"{HOME},{OTHER}")

    settings = read_settings()

    assert settings.pace == 12.5
    assert settings.cloud_name is CloudName.PUBLIC
    assert settings.tenants == {HOME, OTHER}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"MicrosoftAppId": None}, "MicrosoftAppId is missing"),  # Without it there is no bot.
        ({"MicrosoftAppId": ""}, "MicrosoftAppId"),  # Empty is missing too.
        ({"MicrosoftAppPassword": None}, "MicrosoftAppPassword is missing"),  # A bot with a secret needs it.
        ({"MicrosoftAppTenantId": None}, "MicrosoftAppTenantId is missing"),  # A single tenant has a home.
        ({"MicrosoftAppType": "UserAssignedMSI"}, "MicrosoftAppPassword contradicts"),  # An identity has no secret.
        # An identity has a home as well.
        (
            {"MicrosoftAppType": "UserAssignedMSI", "MicrosoftAppPassword": None, "MicrosoftAppTenantId": None},
            "MicrosoftAppTenantId is missing",
        ),
        ({"MicrosoftAppType": "MultiTenant"}, "HERALD_ALLOWED_TENANTS is missing"),  # It would talk to anybody.
        ({"MicrosoftAppType": "Other"}, "MicrosoftAppType is not valid"),  # Azure knows three kinds.
        # Activities name a tenant by its id, so a domain would shut everybody out.
        ({"MicrosoftAppTenantId": "contoso.onmicrosoft.com"}, "MicrosoftAppTenantId must be a tenant's id"),
        ({"HERALD_ALLOWED_TENANTS": f"{HOME}, contoso.com"}, "HERALD_ALLOWED_TENANTS must be a tenant's id"),
        # One proof is enough, and two may disagree.
        ({"MicrosoftAppCertificate": "x"}, "MicrosoftAppPassword and MicrosoftAppCertificate are set together"),
        (
            {"MicrosoftAppPassword": None, "MicrosoftAppCertificatePath": "a", "MicrosoftAppFederatedClientId": "b"},
            "MicrosoftAppCertificatePath and MicrosoftAppFederatedClientId are set together",
        ),
        # An identity that is the bot has no proof of its own.
        (
            {
                "MicrosoftAppType": "UserAssignedMSI",
                "MicrosoftAppPassword": None,
                "MicrosoftAppFederatedClientId": "b",
            },
            "MicrosoftAppFederatedClientId contradicts",
        ),
        ({"HERALD_TEAMS_APP_ID": "herald"}, "HERALD_TEAMS_APP_ID must be an id"),  # A name.
        ({"HERALD_TEAMS_APP_EXTERNAL_ID": "a' or 'b"}, "HERALD_TEAMS_APP_EXTERNAL_ID must be an id"),  # A trick.
        ({"HERALD_GRAPH_PACE": "25"}, "HERALD_GRAPH_PACE is not valid"),  # It is no number.
        ({"AzureWebJobsStorage": None}, "AzureWebJobsStorage is missing"),  # Nowhere to write.
        ({"AzureWebJobsStorage__accountName": "herald"}, "are both set"),  # Which one is meant?
        # Half of an identity-based connection is none.
        (
            {"AzureWebJobsStorage": None, "AzureWebJobsStorage__tableServiceUri": "https://t.test"},
            "AzureWebJobsStorage is missing",
        ),
        ({"HERALD_CLOUD": "mars"}, "HERALD_CLOUD is not valid"),  # Herald knows four.
        ({"HERALD_PACE": "0"}, "HERALD_PACE is not valid"),  # Nothing would ever be sent.
        ({"HERALD_PACE": "-1"}, "HERALD_PACE is not valid"),  # Less than nothing.
        ({"HERALD_PACE": "10001"}, "HERALD_PACE is not valid"),  # More than anybody can send.
        ({"HERALD_PACE": "nan"}, "HERALD_PACE is not valid"),  # No number at all.
        ({"HERALD_PACE": "fast"}, "HERALD_PACE must be"),  # Not even spelt like one.
        ({"HERALD_SERVICE_URL": "smba.test"}, "HERALD_SERVICE_URL must be an http"),  # No scheme.
        ({"HERALD_LOGIN_URL": "ftp://localhost"}, "HERALD_LOGIN_URL must be an http"),  # Another scheme.
        ({"HERALD_OPENID_METADATA_URL": "https://"}, "HERALD_OPENID_METADATA_URL must be"),  # No host.
        ({"HERALD_SERVICE_URL": "https://evil.test/"}, "HERALD_SERVICE_URL points to 'evil.test'"),  # Tokens go there.
        ({"HERALD_LOGIN_URL": "https://evil.test"}, "HERALD_LOGIN_URL points to"),  # The secret goes there.
        (
            {"HERALD_OPENID_METADATA_URL": "https://evil.test"},
            "HERALD_OPENID_METADATA_URL points to",
        ),  # Keys come from there.
        ({"HERALD_GRAPH_URL": "https://evil.test"}, "HERALD_GRAPH_URL points to"),  # A token goes there.
        # A host that only looks like the cloud's.
        ({"HERALD_LOGIN_URL": "https://login.microsoftonline.com.evil.test"}, "HERALD_LOGIN_URL points to"),
        ({"HERALD_LOGIN_URL": "https://login.microsoftonline.com@evil.test"}, "HERALD_LOGIN_URL points to"),
        # Another cloud's host is not this one's.
        ({"HERALD_LOGIN_URL": "https://login.microsoftonline.us"}, "HERALD_LOGIN_URL points to"),
        # In Azure there is no simulator on loopback.
        (
            {"HERALD_SERVICE_URL": "http://127.0.0.1:9000/", "WEBSITE_INSTANCE_ID": "abc"},
            "HERALD_SERVICE_URL points to '127.0.0.1'",
        ),
        ({"HERALD_SERVICE_HOSTS": "localhost:9000", "WEBSITE_INSTANCE_ID": "abc"}, "HERALD_SERVICE_HOSTS names"),
        ({"HERALD_SERVICE_HOSTS": "ok.test, [::1]:9000", "WEBSITE_INSTANCE_ID": "abc"}, "HERALD_SERVICE_HOSTS names"),
    ],
)
def test_each_fault_is_one_error_that_names_the_setting(changes: dict[str, str | None], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        a_setting(**changes)

    message = str(caught.value)
    assert named in message
    assert message.endswith("see docs/configuration.md")
    assert "\n" not in message


def test_no_fault_tells_a_secret() -> None:
    with pytest.raises(SettingsError) as caught:
        a_setting(MicrosoftAppType="UserAssignedMSI", MicrosoftAppPassword="hunter2")

    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(a_setting(MicrosoftAppPassword="hunter2"))
    assert "hunter2" not in repr(a_setting(MicrosoftAppPassword=None, MicrosoftAppCertificate="hunter2"))
    assert "AccountKey" not in repr(a_setting(AzureWebJobsStorage="AccountKey=abc"))


@pytest.mark.parametrize(
    "given",
    [
        {"AzureWebJobsStorage__accountName": "herald"},  # By the account's name.
        # By its two addresses.
        {
            "AzureWebJobsStorage__tableServiceUri": "https://herald.table.core.windows.net",
            "AzureWebJobsStorage__queueServiceUri": "https://herald.queue.core.windows.net",
        },
        # With a user-assigned identity.
        {"AzureWebJobsStorage__accountName": "herald", "AzureWebJobsStorage__clientId": "abc"},
    ],
)
def test_storage_can_be_reached_by_identity(given: dict[str, str | None]) -> None:
    settings = a_setting(AzureWebJobsStorage=None, **given)

    assert settings.storage == ""
    assert settings.storage_account == (given.get("AzureWebJobsStorage__accountName") or "")


@pytest.mark.parametrize(
    "name", ["MicrosoftAppCertificate", "MicrosoftAppCertificatePath", "MicrosoftAppFederatedClientId"]
)
def test_another_proof_takes_the_secrets_place(name: str) -> None:
    settings = a_setting(**{"MicrosoftAppPassword": None, name: "a"})

    assert (settings.app_certificate, settings.app_certificate_path, settings.app_federated_client_id).count("a") == 1


APP_ID = "E8947C01-51C5-44C6-971C-F410270CAE96"


@pytest.mark.parametrize(
    ("given", "installs"),
    [
        ({}, False),  # Nothing to install.
        ({"HERALD_TEAMS_APP_ID": APP_ID}, True),  # By the catalogue.
        ({"HERALD_TEAMS_APP_EXTERNAL_ID": APP_ID}, True),  # By the manifest.
    ],
)
def test_either_id_of_the_teams_app_turns_installing_on(given: dict[str, str | None], installs: bool) -> None:
    settings = a_setting(**given)

    assert settings.installs_app is installs
    assert settings.teams_app_id in ("", APP_ID.lower())


@pytest.mark.parametrize(
    ("given", "takes"),
    [
        ({}, False),  # Graph may not be there for it.
        ({"HERALD_TEAMS_APP_ID": APP_ID}, True),  # Where the app is installed by Graph, names are looked up there.
        ({"HERALD_TEAMS_APP_ID": APP_ID, "HERALD_SIGN_IN_NAMES": "false"}, False),  # Not wanted.
        ({"HERALD_SIGN_IN_NAMES": "true"}, True),  # By itself.
    ],
)
def test_names_are_taken_where_graph_is_set_up(given: dict[str, str | None], takes: bool) -> None:
    assert a_setting(**given).takes_names is takes


def test_mailboxes_are_asked_for_zones_only_where_that_is_turned_on() -> None:
    assert a_setting().mailbox_zones is False
    assert a_setting(HERALD_MAILBOX_ZONES="true").mailbox_zones is True


def test_the_default_zone_is_one_of_the_iana_database() -> None:
    assert a_setting().default_zone == ""
    assert a_setting(HERALD_DEFAULT_ZONE=" Europe/Paris ").default_zone == "Europe/Paris"
    with pytest.raises(SettingsError, match=r"HERALD_DEFAULT_ZONE .* did you mean Europe/Paris"):
        a_setting(HERALD_DEFAULT_ZONE="Europe/Pari")


def test_graphs_pace_is_lifted_by_its_own_setting_alone() -> None:
    assert a_setting(HERALD_PACE="unlimited").graph_pacing is GraphPacing.DOCUMENTED
    assert a_setting(HERALD_GRAPH_PACE="unlimited").graph_pacing is GraphPacing.UNLIMITED


def test_a_managed_identity_needs_no_secret() -> None:
    settings = a_setting(MicrosoftAppType="UserAssignedMSI", MicrosoftAppPassword=None)

    assert settings.app_type is AppType.MANAGED_IDENTITY
    assert settings.tenants == {HOME}


def test_a_bot_for_many_tenants_speaks_to_those_that_are_named() -> None:
    settings = a_setting(
        MicrosoftAppType="MultiTenant",
        MicrosoftAppTenantId=None,
        HERALD_ALLOWED_TENANTS=f" {HOME.upper()} , {OTHER},,{HOME} ,",
    )

    assert settings.tenants == {HOME, OTHER}


def test_named_tenants_replace_the_home_tenant() -> None:
    assert a_setting(HERALD_ALLOWED_TENANTS=OTHER).tenants == {OTHER}


def test_who_gives_a_domain_for_a_tenant_is_told_where_its_id_stands() -> None:
    with pytest.raises(SettingsError, match=r"not 'contoso\.com': the Entra admin center shows it as Tenant ID"):
        a_setting(MicrosoftAppTenantId=" Contoso.com ")


def test_service_hosts_are_the_clouds_and_those_that_are_named() -> None:
    settings = a_setting(HERALD_SERVICE_HOSTS="Relay.test:8443, other.test")

    assert settings.service_hosts == CLOUDS[CloudName.PUBLIC].service_hosts | {"relay.test:8443", "other.test"}


@pytest.mark.parametrize(
    ("given", "pace"),
    [
        ("unlimited", None),  # No limit.
        (" Unlimited ", None),  # However it is written.
        ("10000", 10_000.0),  # The highest.
        ("0.1", 0.1),  # One in ten seconds.
    ],
)
def test_the_pace_is_a_number_or_unlimited(given: str, pace: float | None) -> None:
    assert a_setting(HERALD_PACE=given).pace == pace


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9000/teams",  # The simulator.
        "http://localhost:9000",  # By its name.
        "http://[::1]:9000/",  # By its newer address.
        "https://smba.infra.gcc.teams.microsoft.com/teams/",  # Another host of the same cloud.
    ],
)
def test_a_service_url_may_be_loopback_or_the_clouds_own(address: str) -> None:
    assert a_setting(HERALD_SERVICE_URL=address).service_url == address.rstrip("/") + "/"


def test_in_azure_the_clouds_own_hosts_are_still_accepted() -> None:
    settings = a_setting(HERALD_GRAPH_URL="https://graph.microsoft.com/beta/", WEBSITE_INSTANCE_ID="abc")

    assert settings.graph_url == "https://graph.microsoft.com/beta"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),  # By name.
        ("127.0.0.1", True),  # By address.
        ("127.8.8.8", True),  # The whole block is this machine.
        ("::1", True),  # The newer address.
        ("127.0.0.1.evil.test", False),  # A name that only begins so.
        ("127.evil.test", False),  # The same, shorter.
        ("localhost.evil.test", False),  # The same by name.
        ("10.0.0.1", False),  # A neighbour.
        ("", False),  # Nothing.
    ],
)
def test_loopback_is_this_machine_alone(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, timedelta(days=90)),  # Nothing is said.
        ("P30D", timedelta(days=30)),  # Days.
        ("p2w", timedelta(weeks=2)),  # In any letter case.
        ("P1D", timedelta(days=1)),  # The least.
        ("unlimited", None),  # For ever.
        (" Unlimited ", None),  # Likewise.
    ],
)
def test_retention_is_a_duration_or_for_ever(given: str | None, kept: timedelta | None) -> None:
    assert a_setting(HERALD_RETENTION=given).retention == kept


@pytest.mark.parametrize(
    "given",
    [
        "90",  # No unit.
        "P3M",  # A month has no length.
        "PT23H59M",  # Less than a day: callers may still try again.
        "P0D",  # At once.
        "for ever",  # Another word for it.
    ],
)
def test_wrong_retention_is_named(given: str) -> None:
    with pytest.raises(SettingsError, match="HERALD_RETENTION must be an ISO 8601 duration"):
        a_setting(HERALD_RETENTION=given)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        a_setting().pace = 1.0
