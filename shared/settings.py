"""Settings: the only reader of the environment. Names, defaults and contradictions are checked here and in identity."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.domain.clouds import CLOUDS, Cloud, CloudName
from shared.domain.local_time import UnknownZone, zone_named
from shared.domain.recipients import OBJECT_ID
from shared.domain.scopes import Scope
from shared.errors import SettingsError
from shared.field_rules import read_duration
from shared.identity import DOCS, Identity, name_of, split

UNLIMITED = "unlimited"
SHORTEST_RETENTION = timedelta(days=1)
"""Deliveries are tried for a day, and a caller may send a request again for as long as it has doubts."""


class GraphPacing(StrEnum):
    """What holds Herald's requests to Microsoft Graph back."""

    DOCUMENTED = "documented"
    UNLIMITED = "unlimited"


class Settings(Identity, BaseSettings):
    """Everything that an operator can choose. Frozen; made once per process by `read_settings`."""

    # Lists are read by their own rule rather than as JSON, which pydantic-settings would take them for.
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, enable_decoding=False)

    storage: Annotated[str, Field(alias="AzureWebJobsStorage", repr=False)] = ""
    storage_account: Annotated[str, Field(alias="AzureWebJobsStorage__accountName")] = ""
    storage_table_uri: Annotated[str, Field(alias="AzureWebJobsStorage__tableServiceUri")] = ""
    storage_queue_uri: Annotated[str, Field(alias="AzureWebJobsStorage__queueServiceUri")] = ""
    storage_client_id: Annotated[str, Field(alias="AzureWebJobsStorage__clientId")] = ""

    cloud_name: Annotated[CloudName, Field(alias="HERALD_CLOUD")] = CloudName.PUBLIC
    extra_service_hosts: Annotated[frozenset[str], Field(alias="HERALD_SERVICE_HOSTS")] = frozenset()
    pace: Annotated[float | None, Field(alias="HERALD_PACE", gt=0, le=10_000)] = 49.75
    """Requests per second that Herald allows itself for each tenant; None is no limit."""
    graph_pacing: Annotated[GraphPacing, Field(alias="HERALD_GRAPH_PACE")] = GraphPacing.DOCUMENTED
    teams_app_id: Annotated[str, Field(alias="HERALD_TEAMS_APP_ID")] = ""
    """The Teams app's id in the tenant's catalogue."""
    teams_app_external_id: Annotated[str, Field(alias="HERALD_TEAMS_APP_EXTERNAL_ID")] = ""
    """The Teams app's id in its manifest."""
    scopes: Annotated[frozenset[Scope], Field(alias="HERALD_INSTALL_SCOPES")] = frozenset({Scope.PERSONAL})
    sign_in_names: Annotated[bool | None, Field(alias="HERALD_SIGN_IN_NAMES")] = None
    mailbox_zones: Annotated[bool, Field(alias="HERALD_MAILBOX_ZONES")] = False
    """Whether people's time zones are read from their mailboxes where nothing else tells them."""
    default_zone: Annotated[str, Field(alias="HERALD_DEFAULT_ZONE")] = ""
    """The IANA zone for people whose zone nobody tells; empty where each request has to name one."""
    retention_text: Annotated[str, Field(alias="HERALD_RETENTION")] = "P90D"

    service_url_override: Annotated[str, Field(alias="HERALD_SERVICE_URL")] = ""
    login_url_override: Annotated[str, Field(alias="HERALD_LOGIN_URL")] = ""
    openid_metadata_url_override: Annotated[str, Field(alias="HERALD_OPENID_METADATA_URL")] = ""
    graph_url_override: Annotated[str, Field(alias="HERALD_GRAPH_URL")] = ""
    azure_instance_id: Annotated[str, Field(alias="WEBSITE_INSTANCE_ID")] = ""

    @field_validator("extra_service_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        return split(value)

    @field_validator("scopes", mode="before")
    @classmethod
    def _are_scopes(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        known = {scope.lower(): scope for scope in Scope}
        parts = {part.strip().lower() for part in value.split(",") if part.strip()}
        if unknown := sorted(parts - set(known)):
            raise SettingsError(
                f"HERALD_INSTALL_SCOPES must name some of {', '.join(Scope)}, with commas between them, "
                f"not {', '.join(unknown)}; {DOCS}"
            )
        return frozenset(known[part] for part in parts)

    @field_validator("pace", mode="before")
    @classmethod
    def _unlimited(cls, value: object) -> object:
        if isinstance(value, str) and value.strip().lower() == "unlimited":
            return None
        try:
            return float(value)  # type: ignore[arg-type]  # What float refuses is told in words.
        except (TypeError, ValueError) as error:
            raise SettingsError(
                f"HERALD_PACE must be requests per second, such as 49.75, or unlimited, not {value!r}; {DOCS}"
            ) from error

    @field_validator("retention_text")
    @classmethod
    def _is_retention(cls, value: str) -> str:
        kept = read_duration(value.strip().upper())
        if value.strip().lower() != UNLIMITED and (kept is None or kept < SHORTEST_RETENTION):
            raise SettingsError(
                "HERALD_RETENTION must be an ISO 8601 duration in weeks, days, hours, minutes or seconds of at least "
                f"a day, such as P90D, or unlimited, not {value!r}; {DOCS}"
            )
        return value.strip().upper()

    @field_validator("default_zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        if value.strip():
            try:
                zone_named(value.strip())
            except UnknownZone as error:
                raise SettingsError(
                    f"HERALD_DEFAULT_ZONE must be an IANA time zone, not {value!r}: {error}; {DOCS}"
                ) from error
        return value.strip()

    @field_validator("teams_app_id", "teams_app_external_id")
    @classmethod
    def _is_app_id(cls, value: str, info: ValidationInfo) -> str:
        if value and not OBJECT_ID.fullmatch(value.strip().lower()):
            raise SettingsError(
                f"{name_of(cls, info.field_name)} must be an id such as e8947c01-51c5-44c6-971c-f410270cae96, "
                f"not {value!r}; {DOCS}"
            )
        return value.strip().lower()

    @field_validator("service_url_override", "login_url_override", "openid_metadata_url_override", "graph_url_override")
    @classmethod
    def _is_url(cls, value: str, info: ValidationInfo) -> str:
        if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise SettingsError(
                f"{name_of(cls, info.field_name)} must be an http or https address, not {value!r}; {DOCS}"
            )
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        self._check_storage()
        self._check_overrides()
        return self

    def _check_storage(self) -> None:
        by_identity = bool(self.storage_account or (self.storage_table_uri and self.storage_queue_uri))
        if self.storage and by_identity:
            raise SettingsError(
                f"AzureWebJobsStorage and AzureWebJobsStorage__* are both set: keep one of the two; {DOCS}"
            )
        if not self.storage and not by_identity:
            raise SettingsError(
                "AzureWebJobsStorage is missing: give a connection string, or AzureWebJobsStorage__accountName "
                f"(or __tableServiceUri and __queueServiceUri) for identity-based access; {DOCS}"
            )

    def _check_overrides(self) -> None:
        """Refuse addresses outside the cloud, which would receive tokens: loopback alone may, never in Azure."""
        for name in _OVERRIDES:
            address = getattr(self, name)
            if not address:
                continue
            host = urlsplit(address).hostname or ""
            if host in self.cloud.own_hosts:
                continue
            if self.azure_instance_id or not is_loopback(host):
                raise SettingsError(
                    f"{name_of(type(self), name)} points to {host!r}, which is not a host of the cloud "
                    f"{self.cloud_name.value!r}: other hosts are accepted on loopback alone, and never in Azure; {DOCS}"
                )
        for entry in self.extra_service_hosts:
            if is_loopback(urlsplit(f"//{entry}").hostname or "") and self.azure_instance_id:
                raise SettingsError(f"HERALD_SERVICE_HOSTS names {entry!r}: Azure has no loopback; {DOCS}")

    @property
    def cloud(self) -> Cloud:
        """The addresses of the chosen cloud."""
        return CLOUDS[self.cloud_name]

    @property
    def installs_app(self) -> bool:
        """Whether Herald installs the Teams app where it is missing: one of the app's ids is set."""
        return bool(self.teams_app_id or self.teams_app_external_id)

    @property
    def install_scopes(self) -> frozenset[Scope]:
        """Where Herald gives the app to whoever lacks it."""
        return self.scopes if self.installs_app else frozenset()

    @property
    def takes_names(self) -> bool:
        """Whether people may be named by sign-in name or mail, and teams by their group's id.

        Unless told otherwise that is where Herald installs the app.
        """
        return self.installs_app if self.sign_in_names is None else self.sign_in_names

    @property
    def retention(self) -> timedelta | None:
        """How long ended broadcasts, rejections and poison are kept; None is for ever."""
        return read_duration(self.retention_text)

    @property
    def service_hosts(self) -> frozenset[str]:
        """Hosts (`host` or `host:port`, lower case) to which a token may be sent."""
        return self.cloud.service_hosts | self.extra_service_hosts

    @property
    def service_url(self) -> str:
        """The service URL for proactive use where no activity has brought one; it ends with a slash."""
        return (self.service_url_override or self.cloud.service_url).rstrip("/") + "/"

    @property
    def login_url(self) -> str:
        """The identity provider, without a tenant and without a slash at its end."""
        return (self.login_url_override or self.cloud.login_url).rstrip("/")

    @property
    def openid_metadata_url(self) -> str:
        """Where the keys of the Bot Connector's own tokens are described."""
        return self.openid_metadata_url_override or self.cloud.openid_metadata_url

    @property
    def graph_url(self) -> str:
        """Microsoft Graph with its version, without a slash at its end."""
        return (self.graph_url_override or self.cloud.graph_url).rstrip("/")


_OVERRIDES = ("service_url_override", "login_url_override", "openid_metadata_url_override", "graph_url_override")


def is_loopback(host: str) -> bool:
    """Whether a host name (without port) is this very machine."""
    return host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())


def read_settings(**given: Any) -> Settings:
    """Read the environment; `given` values, by their environment names, win. Raises SettingsError."""
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "the settings"
        if first["type"] == "missing":
            raise SettingsError(f"{name} is missing; {DOCS}") from error
        raise SettingsError(f"{name} is not valid: {first['msg']}; {DOCS}") from error
