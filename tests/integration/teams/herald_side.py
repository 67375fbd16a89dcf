"""Herald's side of a stand-in for Teams: its settings, and clients that are closed at the end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.settings import Settings, read_settings
from shared.teams.client import ConnectorClient
from shared.teams.protocol import encode_message
from shared.tokens.credentials import connector_tokens
from shared.tokens.source import TokenSource
from simulator.standin import StandIn

HELLO = encode_message(text="hello")


def settings_of(teams: StandIn, **changed: str) -> Settings:
    """The settings of a Herald that works against this stand-in."""
    known = {name: value for name, value in teams.environment().items() if name in _NAMES}
    return read_settings(**{**known, "AzureWebJobsStorage": "UseDevelopmentStorage=true", **changed})


@asynccontextmanager
async def a_client(settings: Settings, tokens: TokenSource | None = None) -> AsyncIterator[ConnectorClient]:
    """A client of the stand-in's Connector."""
    client = ConnectorClient(tokens or connector_tokens(settings), service_hosts=settings.service_hosts, connections=64)
    try:
        yield client
    finally:
        await client.close()


_NAMES = {str(field.alias) for field in Settings.model_fields.values()}
