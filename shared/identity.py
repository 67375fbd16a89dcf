"""Who the bot is: its registration, the proof by which it asks for tokens, and the tenants that it serves."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from shared.domain.recipients import OBJECT_ID
from shared.errors import SettingsError

DOCS = "see docs/configuration.md"
EXAMPLE = "0b7e6c52-94d1-4c7f-8f3a-61f0de2a9b84"


class AppType(StrEnum):
    """The kinds of bot registration that Azure knows."""

    SINGLE_TENANT = "SingleTenant"
    MULTI_TENANT = "MultiTenant"
    MANAGED_IDENTITY = "UserAssignedMSI"


class Identity(BaseModel):
    """The settings of the bot's registration. What reads them from the environment is `Settings`."""

    model_config = ConfigDict(frozen=True)

    app_id: Annotated[str, Field(alias="MicrosoftAppId", min_length=1)]
    app_password: Annotated[str, Field(alias="MicrosoftAppPassword", repr=False)] = ""
    app_certificate: Annotated[str, Field(alias="MicrosoftAppCertificate", repr=False)] = ""
    app_certificate_path: Annotated[str, Field(alias="MicrosoftAppCertificatePath")] = ""
    app_federated_client_id: Annotated[str, Field(alias="MicrosoftAppFederatedClientId")] = ""
    app_tenant_id: Annotated[str, Field(alias="MicrosoftAppTenantId")] = ""
    app_type: Annotated[AppType, Field(alias="MicrosoftAppType")] = AppType.SINGLE_TENANT
    allowed_tenants: Annotated[frozenset[str], Field(alias="HERALD_ALLOWED_TENANTS")] = frozenset()

    @field_validator("app_id", "app_tenant_id", "app_federated_client_id")
    @classmethod
    def _lower(cls, value: str) -> str:
        return value.strip().lower()

    @field_validator("allowed_tenants", mode="before")
    @classmethod
    def _split_tenants(cls, value: object) -> object:
        return split(value)

    @field_validator("app_tenant_id", "allowed_tenants")
    @classmethod
    def _are_tenants(cls, value: str | frozenset[str], info: ValidationInfo) -> str | frozenset[str]:
        """Refuse domain names: activities come with the tenant's id, and each would be refused."""
        for tenant in sorted({value} if isinstance(value, str) else value):
            if tenant and not OBJECT_ID.fullmatch(tenant):
                raise SettingsError(
                    f"{name_of(cls, info.field_name)} must be a tenant's id such as {EXAMPLE}, not {tenant!r}: "
                    f"the Entra admin center shows it as Tenant ID in its Overview; {DOCS}"
                )
        return value

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.app_type is not AppType.MULTI_TENANT and not self.app_tenant_id:
            raise SettingsError(f"MicrosoftAppTenantId is missing: a {self.app_type} bot needs its home tenant; {DOCS}")
        proofs = [name_of(type(self), field) for field in PROOFS if getattr(self, field)]
        if self.app_type is AppType.MANAGED_IDENTITY and proofs:
            raise SettingsError(f"{proofs[0]} contradicts MicrosoftAppType {self.app_type}, which has none; {DOCS}")
        if self.app_type is not AppType.MANAGED_IDENTITY and not proofs:
            others = ", ".join(name_of(type(self), field) for field in PROOFS[1:])
            raise SettingsError(
                f"MicrosoftAppPassword is missing: a {self.app_type} bot needs its secret, or one of {others}; {DOCS}"
            )
        if len(proofs) > 1:
            raise SettingsError(f"{' and '.join(proofs)} are set together: keep one of them; {DOCS}")
        if not self.tenants:
            raise SettingsError(f"HERALD_ALLOWED_TENANTS is missing: a MultiTenant bot must name its tenants; {DOCS}")
        return self

    @property
    def tenants(self) -> frozenset[str]:
        """The tenants that may talk to the bot and be spoken to: those named, else the bot's home tenant."""
        if self.allowed_tenants:
            return self.allowed_tenants
        return frozenset({self.app_tenant_id}) if self.app_type is not AppType.MULTI_TENANT else frozenset()


PROOFS = ("app_password", "app_certificate", "app_certificate_path", "app_federated_client_id")
"""By which a registration proves who it is: one of them, and none for a managed identity."""


def name_of(model: type[BaseModel], field: str | None) -> str:
    """The environment's name of a field."""
    return str(model.model_fields[field or ""].alias)


def split(value: object) -> object:
    """The parts of a text with commas between them, in lower case; what is no text stays as it is."""
    if not isinstance(value, str):
        return value
    return frozenset(part.strip().lower() for part in value.split(",") if part.strip())
