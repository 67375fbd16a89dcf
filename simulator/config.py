"""What a stand-in is told before it starts."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one stand-in; every value has a default that suits a test.

    `rate` (requests per second) and `depth` (requests at once) are the Connector's bucket per app and tenant; a rate
    of 0 lifts it. `conversation_limits` switches the windows per conversation, `graph_limits` Graph's limits. Port 0
    takes a free port. `manifest_id` is the id of the app in its manifest; `identity_id` and `identity_subject` are the
    client id and the object id of a managed identity on the bot's platform.
    """

    app_id: str = "5c1a9d3e-7b42-4f0e-9a61-2d8e0c4b7f15"
    app_password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    app_name: str = "Herald"
    manifest_id: str = "c6f3b8a2-1d47-4e59-8b0c-7a92e5d4f361"
    identity_id: str = "a94c2f17-0e83-4d5b-b6c1-3f7d58e9042a"
    identity_subject: str = "3d07b1e8-52f6-49ac-8e24-c65f90a1b7d3"
    tenant_id: str = "0b7e6c52-94d1-4c7f-8f3a-61f0de2a9b84"
    other_tenants: tuple[str, ...] = ()
    multi_tenant: bool = False
    rate: float = 50.0
    depth: int = 50
    conversation_limits: bool = True
    graph_limits: bool = True
    seed: int = 1
    port: int = 0
    login_port: int = 0
    bot_endpoint: str | None = None
    token_lifetime_s: int = 3599
    ca_file: Path | None = None

    @property
    def bot_id(self) -> str:
        """The bot's id in Teams' channel accounts: `28:` and the app id."""
        return f"28:{self.app_id}"

    @property
    def tenants(self) -> tuple[str, ...]:
        return (self.tenant_id, *self.other_tenants)
