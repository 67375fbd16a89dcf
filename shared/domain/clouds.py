"""The clouds of Microsoft 365 and their addresses.

Sources: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/send-proactive-messages (service
URLs), https://learn.microsoft.com/azure/bot-service/how-to-deploy-gov-cloud-high (authentication),
https://learn.microsoft.com/graph/deployments (Graph) and https://learn.microsoft.com/entra/workload-id/
workload-identity-federation-config-app-trust-managed-identity (audiences of the exchange).
GCC, without High, authenticates like the public cloud and differs in its service URL alone.
"""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit


class CloudName(StrEnum):
    """The clouds that Herald knows, as `HERALD_CLOUD` names them."""

    PUBLIC = "public"
    GCC = "gcc"
    GCC_HIGH = "gcch"
    DOD = "dod"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """Addresses and names of one cloud."""

    service_url: str
    login_url: str
    multi_tenant_authority: str
    connector_scope: str
    token_issuer: str
    openid_metadata_url: str
    graph_url: str
    exchange_audience: str
    """For whom a managed identity's token is that stands in for the app's secret."""
    channel_service: str
    """What the bot SDK calls the cloud: empty for the public one."""

    @property
    def graph_scope(self) -> str:
        """The scope of Graph's token: all permissions that an admin has consented to."""
        return f"https://{urlsplit(self.graph_url).hostname}/.default"

    @property
    def service_hosts(self) -> frozenset[str]:
        """Hosts to which the Connector's token may be sent."""
        hosts = {urlsplit(self.service_url).hostname or ""}
        if not self.channel_service:
            hosts |= {"smba.trafficmanager.net", "smba.infra.gcc.teams.microsoft.com"}
        return frozenset(hosts)

    @property
    def own_hosts(self) -> frozenset[str]:
        """Every host that belongs to the cloud: none of them needs an operator's word."""
        addresses = (self.login_url, self.openid_metadata_url, self.graph_url)
        return self.service_hosts | {urlsplit(address).hostname or "" for address in addresses}


_PUBLIC = Cloud(
    service_url="https://smba.trafficmanager.net/teams/",
    login_url="https://login.microsoftonline.com",
    multi_tenant_authority="botframework.com",
    connector_scope="https://api.botframework.com/.default",
    token_issuer="https://api.botframework.com",
    openid_metadata_url="https://login.botframework.com/v1/.well-known/openidconfiguration",
    graph_url="https://graph.microsoft.com/v1.0",
    exchange_audience="api://AzureADTokenExchange",
    channel_service="",
)


def _government(service_url: str, graph_url: str) -> Cloud:
    return Cloud(
        service_url=service_url,
        login_url="https://login.microsoftonline.us",
        multi_tenant_authority="MicrosoftServices.onmicrosoft.us",
        connector_scope="https://api.botframework.us/.default",
        token_issuer="https://api.botframework.us",
        openid_metadata_url="https://login.botframework.azure.us/v1/.well-known/openidconfiguration",
        graph_url=graph_url,
        exchange_audience="api://AzureADTokenExchangeUSGov",
        channel_service="https://botframework.azure.us",
    )


CLOUDS = {
    CloudName.PUBLIC: _PUBLIC,
    CloudName.GCC: Cloud(
        service_url="https://smba.infra.gcc.teams.microsoft.com/teams/",
        login_url=_PUBLIC.login_url,
        multi_tenant_authority=_PUBLIC.multi_tenant_authority,
        connector_scope=_PUBLIC.connector_scope,
        token_issuer=_PUBLIC.token_issuer,
        openid_metadata_url=_PUBLIC.openid_metadata_url,
        graph_url=_PUBLIC.graph_url,
        exchange_audience=_PUBLIC.exchange_audience,
        channel_service="",
    ),
    CloudName.GCC_HIGH: _government(
        "https://smba.infra.gov.teams.microsoft.us/teams/", "https://graph.microsoft.us/v1.0"
    ),
    CloudName.DOD: _government(
        "https://smba.infra.dod.teams.microsoft.us/teams/", "https://dod-graph.microsoft.us/v1.0"
    ),
}
