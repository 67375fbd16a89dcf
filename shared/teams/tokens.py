"""The token for the Bot Connector: one per process, fetched off the event loop, refreshed before anybody has to wait.

Herald keeps the token itself, because a token that the Connector refused must be forgotten: MSAL's own cache would go
on giving it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from shared.errors import TokenRefused, TokenUnavailable
from shared.settings import AppType, Settings

CONNECT_SECONDS, READ_SECONDS = 3.0, 10.0
FLIGHT_SECONDS = 30.0
"""Discovery and token request together; a thread that hangs longer is left behind."""
EXPIRY_MARGIN = 60.0
"""A token is never used in its last minute: the call it goes with needs time, and clocks differ."""
FAITH_SECONDS = 60.0
"""A token younger than this is kept when the Connector refuses it: then the registration is at fault, not the token,
and a new token for each refused call would only burden the identity provider."""
HOLD_OFF_SECONDS = 5.0
"""After a failure the next call is answered with the same failure for this long, instead of asking again."""
PASSING = frozenset({408, 429})
"""The provider's 4xx that say "later"."""
# Transient by https://learn.microsoft.com/entra/identity-platform/reference-error-codes; every other error is final.
TRANSIENT = frozenset({"temporarily_unavailable", "server_error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token as it was fetched; `lifetime` is in seconds from now."""

    value: str
    lifetime: float


Fetch = Callable[[], Awaitable[Token]]


class TokenSource:
    """Gives one token to many callers: cached, with one fetch at a time, refreshed from half of its lifetime."""

    def __init__(self, fetch: Fetch, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token: Token | None = None
        self._fetched_at = 0.0
        self._flight: asyncio.Task[Token] | None = None
        self._failure: TokenRefused | TokenUnavailable | None = None
        self._failed_at = 0.0

    async def token(self) -> str:
        """The token to use now. Raises TokenRefused or TokenUnavailable."""
        held = self._token
        age = self._clock() - self._fetched_at
        if held is not None and age < held.lifetime - EXPIRY_MARGIN:
            if age >= held.lifetime / 2 and not self._is_held_off():
                self._start_fetch()
            return held.value
        if self._failure is not None and self._is_held_off():
            raise type(self._failure)(*self._failure.args)
        # One caller that is cancelled must not take the fetch away from the others.
        return (await asyncio.shield(self._start_fetch())).value

    def drop(self, refused: str) -> bool:
        """Forget a token that the Connector refused; whether another one may be accepted where this one was not."""
        if self._token is None or self._token.value != refused:
            return True
        if self._clock() - self._fetched_at < FAITH_SECONDS:
            return False
        self._token = None
        return True

    def _is_held_off(self) -> bool:
        return self._failure is not None and self._clock() - self._failed_at < HOLD_OFF_SECONDS

    def _start_fetch(self) -> asyncio.Task[Token]:
        if self._flight is None:
            self._flight = asyncio.create_task(self._refresh())
            self._flight.add_done_callback(self._land)
        return self._flight

    async def _refresh(self) -> Token:
        try:
            async with asyncio.timeout(FLIGHT_SECONDS):
                token = await self._fetch()
        except TimeoutError as error:
            raise TokenUnavailable(f"no token within {FLIGHT_SECONDS:g} s") from error
        self._token, self._fetched_at = token, self._clock()
        return token

    def _land(self, flight: asyncio.Task[Token]) -> None:
        self._flight = None
        # Asking for the error also tells asyncio that it was seen, as nobody awaits a refresh in the background.
        failure = None if flight.cancelled() else flight.exception()
        self._failure = failure if isinstance(failure, TokenRefused | TokenUnavailable) else None
        self._failed_at = self._clock()


def connector_tokens(settings: Settings) -> TokenSource:
    """The source of the Connector's token for the app's kind of registration; nothing is fetched yet."""
    if settings.app_type is AppType.MANAGED_IDENTITY:
        return TokenSource(_managed_identity(settings))
    return TokenSource(_client_secret(settings))


def _client_secret(settings: Settings) -> Fetch:
    """Client credentials by MSAL, in a thread because MSAL blocks."""
    multi_tenant = settings.app_type is AppType.MULTI_TENANT
    tenant = settings.cloud.multi_tenant_authority if multi_tenant else settings.app_tenant_id
    authority = f"{settings.login_url}/{tenant}"

    def fetch() -> Token:
        # Both are imported here because their 100 ms concern no process that does not send.
        import msal  # noqa: PLC0415
        import requests  # noqa: PLC0415

        class Calls(requests.Session):
            """MSAL's way to the provider: with time-outs, and passing failures are named before MSAL reads them."""

            def request(self, *args: Any, **kwargs: Any) -> requests.Response:
                response = super().request(*args, **{**kwargs, "timeout": (CONNECT_SECONDS, READ_SECONDS)})
                if response.status_code in PASSING or response.status_code >= 500:
                    raise TokenUnavailable(f"{authority} answered {response.status_code}")
                return response

        try:
            # A new application each half an hour costs one discovery, and keeps neither a token that was refused nor
            # a connection that would be dead when it is needed again.
            with Calls() as calls:
                app = msal.ConfidentialClientApplication(
                    settings.app_id,
                    client_credential=settings.app_password,
                    authority=authority,
                    # The settings let in the cloud's own host or loopback; asking the public cloud adds nothing.
                    instance_discovery=False,
                    http_client=calls,
                )
                return read_msal(app.acquire_token_for_client(scopes=[settings.cloud.connector_scope]))
        except OSError as error:
            raise TokenUnavailable(f"{authority} cannot be reached: {type(error).__name__}") from error
        except ValueError as error:
            # MSAL says so when the discovery answers 4xx: no such tenant.
            raise TokenRefused(f"{authority} is not an authority: check MicrosoftAppTenantId") from error

    return lambda: asyncio.to_thread(fetch)


def read_msal(result: dict[str, Any]) -> Token:
    """Read what MSAL answers: a token, or an OAuth error that is final or transient (pure)."""
    if "access_token" in result:
        return Token(value=result["access_token"], lifetime=float(result["expires_in"]))
    error = str(result.get("error"))
    # The description names ids and times alone; its first sentence tells an operator what to mend.
    description = str(result.get("error_description", "")).partition(" Trace ID")[0]
    if error in TRANSIENT:
        raise TokenUnavailable(f"{error}: {description}")
    raise TokenRefused(f"{error}: {description}")


def _managed_identity(settings: Settings) -> Fetch:
    async def fetch() -> Token:
        from azure.core.exceptions import AzureError, ClientAuthenticationError  # noqa: PLC0415 - as for MSAL.
        from azure.identity import CredentialUnavailableError  # noqa: PLC0415
        from azure.identity.aio import ManagedIdentityCredential  # noqa: PLC0415

        try:
            # A new credential for each fetch, because one that stays would keep a token that was refused.
            async with ManagedIdentityCredential(client_id=settings.app_id) as credential:
                found = await credential.get_token(settings.cloud.connector_scope)
        except CredentialUnavailableError as error:
            raise TokenUnavailable(f"no managed identity answers here: {error.message}") from error
        except ClientAuthenticationError as error:
            raise TokenRefused(f"the managed identity was refused: {error.message}") from error
        except AzureError as error:
            raise TokenUnavailable(f"the managed identity failed: {type(error).__name__}") from error
        return Token(value=found.token, lifetime=found.expires_on - time.time())

    return fetch
